package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// nobody is the issuer identifier: no token is issued here.
const nobody = "https://issuer.invalid"

// checks is what nobody but a person can set right after going back to a backup.
const checks = `What was done between the backup and the restore is undone. Look through this list
before the issuers are started again:

- API clients, secrets, keys and grants that were added since are gone: callers that
  have them are refused until they get new ones.
- API clients that were deleted since are there again, those that were disabled are
  enabled, and secrets, keys and grants that were taken away are valid again. Take
  them away again, first of all what had leaked.
- Resource servers, services and scopes are as they were: have the services sync
  theirs again.
- Assertions that were used since are no longer known. One that somebody has
  recorded is accepted once more until it expires: an hour after its making at the
  most, five minutes in the strict profile. Waiting that long closes the gap.
- Audit events, the log of issued tokens and revocations of that time are gone. The
  log that the issuers wrote says what happened (audit.Config.Logger).
- Verifiers get the new signing key by themselves, and refuse old tokens once they
  have fetched the JWK Set or the list of revocations again. Callers get new tokens
  when they are refused.
`

// restored refuses the access tokens that were issued before now, and tells what
// else is to be done. Being interrupted does no harm: it is done again from the
// beginning.
//
// The tokens of each client are revoked, which Verifiers hear of first. Those of
// clients that were added after the backup can't be, since nothing is known of
// them, so that all signing keys are withdrawn too.
func restored(ctx context.Context, t *tenant, keyFiles []string, log *slog.Logger, out io.Writer) error {
	ctx = audit.WithActor(ctx, audit.Program("migrate -after-restore"))
	cfg := token.Config{Issuer: nobody, Logger: log, KeyPeriod: -1, Log: token.LogOff}
	algorithm, err := signingAlgorithm(ctx, t)
	if err != nil {
		return err
	}
	if cfg.SealingKeys, err = readSealingKeys(keyFiles); err != nil {
		return err
	}
	switch {
	case algorithm == "":
		cfg.SealingKeys, cfg.EphemeralKeys = nil, true
	case len(keyFiles) == 0:
		return errors.New("the store has signing keys: give the file with the sealing key by -sealing-key")
	default:
		cfg.Algorithm = algorithm
	}
	catalog, err := resource.NewCatalog(resource.Config{Store: t})
	if err != nil {
		return err
	}
	if cfg.Clients, err = client.NewRegistry(client.Config{Store: t, Resources: catalog}); err != nil {
		return err
	}
	latest, err := cfg.Clients.Audit().List(ctx, audit.Filter{Limit: 1})
	if err != nil {
		return err
	}
	issuer, err := token.NewIssuer(ctx, cfg)
	if err != nil {
		return err
	}
	// It has written nothing that is still to be waited for.
	defer func() { _ = issuer.Close(context.WithoutCancel(ctx)) }()

	revoked, err := revokeAll(ctx, cfg.Clients, issuer)
	if err != nil {
		return err
	}
	withdrawn, err := withdrawAll(ctx, issuer)
	if err != nil {
		return err
	}
	log.Info("tokens refused", "clients", revoked, "signing_keys", withdrawn)
	return report(out, latest.Events, revoked, withdrawn)
}

// report writes what was done, and what a person has to do.
func report(out io.Writer, latest []audit.Event, revoked, withdrawn int) error {
	text := fmt.Sprintf("Refused from now on: all tokens of %d API clients that were issued before now.\n", revoked)
	if withdrawn > 0 {
		text += fmt.Sprintf("Withdrawn: %d signing keys, and so whatever they have signed. A new one signs.\n", withdrawn)
	} else {
		text += "The signing key is not in this store. Replace it where it is: tokens of API clients\n" +
			"that were added after the backup are good otherwise until they expire.\n"
	}
	if len(latest) > 0 {
		text += fmt.Sprintf("The latest event of the audit log is from %s (%s).\n", latest[0].Time.Format(time.RFC3339), latest[0].Action)
	}
	_, err := io.WriteString(out, text+"\n"+checks)
	return err
}

// signingAlgorithm returns what the latest signing key is for, or "" if the store
// has none.
func signingAlgorithm(ctx context.Context, s store.Store) (string, error) {
	page, err := s.List(ctx, store.Query{Kind: token.KindSigningKey, Descending: true, Limit: 1})
	if err != nil || len(page.Records) == 0 {
		return "", err
	}
	var key struct {
		Algorithm string `json:"alg"`
	}
	if err := json.Unmarshal(page.Records[0].Data, &key); err != nil || key.Algorithm == "" {
		return "", errors.Join(errors.New("the latest signing key is in a format that is not known here"), err)
	}
	return key.Algorithm, nil
}

func readSealingKeys(files []string) (keys []token.SealingKey, err error) {
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("-sealing-key: %w", err)
		}
		key, err := token.ParseSealingKey(string(content))
		if err != nil {
			return nil, fmt.Errorf("-sealing-key %s: %w", path, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// revokeAll revokes the tokens of each API client, and returns how many there are.
func revokeAll(ctx context.Context, clients *client.Registry, issuer *token.Issuer) (n int, err error) {
	q := client.Query{Limit: pageSize}
	for {
		page, err := clients.List(ctx, q)
		if err != nil {
			return n, err
		}
		for _, c := range page.Clients {
			if _, err := issuer.RevokeClient(ctx, c.ID); err != nil {
				return n, err
			}
			n++
		}
		if page.Next == "" {
			return n, nil
		}
		q.After = page.Next
	}
}

// withdrawAll withdraws all signing keys, and returns how many. Those that are not
// in use yet come first: instances that knew of the time after the backup may have
// signed with them, and they must not take the place of the active one.
func withdrawAll(ctx context.Context, issuer *token.Issuer) (int, error) {
	keys, err := issuer.SigningKeys(ctx)
	if errors.Is(err, token.ErrOwnKey) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var all, last []string
	for _, key := range keys {
		if key.State == token.KeyActive {
			last = append(last, key.KeyID)
			continue
		}
		all = append(all, key.KeyID)
	}
	all = append(all, last...)
	for _, kid := range all {
		if err := issuer.WithdrawKey(ctx, kid); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}
