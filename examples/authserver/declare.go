package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
)

// declarer is who owns the clients that the file of -clients declares.
const declarer = "authserver -clients"

// declare makes the API clients what the file says: those that are missing are
// added, those that differ are edited, all others are left alone. A file that was
// applied before writes nothing, and one with an error neither.
func (a *authority) declare(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-clients: %w", err)
	}
	file, err := admin.ParseClients(ctx, a.clients.Resources(), text)
	if err != nil {
		return fmt.Errorf("-clients %s: nothing was changed: %w", path, err)
	}
	for _, warning := range file.Warnings {
		a.log.Warn("declared key", "file", path, "warning", warning)
	}
	ctx = audit.WithActor(ctx, audit.Program(declarer))
	plan, err := client.Apply(ctx, a.clients, client.Declaration{Owner: declarer, Clients: file.Clients}, false)
	if errors.As(err, new(*client.DeclarationError)) {
		return fmt.Errorf("-clients %s: nothing was changed: %w", path, file.Explain(err))
	}
	if err != nil {
		return fmt.Errorf("-clients %s: %w", path, err)
	}

	names := map[client.StepAction][]string{client.StepAdd: {}, client.StepEdit: {}, client.StepUnchanged: {}}
	for _, step := range plan.Steps {
		names[step.Action] = append(names[step.Action], step.Name)
		for _, note := range step.Notes {
			a.log.Warn("declared client", "client", step.Name, "client_id", step.ClientID, "note", note)
		}
	}
	a.log.Info("clients applied", "file", path, "added", names[client.StepAdd], "edited", names[client.StepEdit],
		"unchanged", names[client.StepUnchanged], "plan", plan.String())
	return nil
}
