package portal

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// A revealed is a secret in the one answer that shows it.
type revealed struct {
	Value, ID string
	ExpiresAt time.Time
	Waits     bool // it is of no use before the client is saved
}

// secretRow is a secret as a client's page shows it.
type secretRow struct {
	ID                   string
	CreatedAt, ExpiresAt time.Time
	Ends                 ending
	Waits                bool // for the client to be saved
	Saved                bool
	Used                 time.Time // zero: no use is known
	Idle                 bool      // nobody seems to depend on it
}

// waits reports whether secrets have to wait for the client to be saved: it is
// new, or authenticates in another way as yet.
func (d *desk) waits() bool { return d.old == nil || d.old.Method != credentials.MethodSecret }

// secrets returns the secrets that the client has, or will have once it is saved.
func (d *desk) secrets() []client.Secret {
	if d.waits() {
		return d.h.drafts.secrets(d.form.Draft, d.v.owner)
	}
	return d.old.Secrets
}

// replaced returns the secret whose place one more would take, if any: that is the
// Registry's rule, told beforehand.
func (d *desk) replaced() (client.Secret, bool) {
	valid := slices.DeleteFunc(slices.Clone(d.secrets()), func(s client.Secret) bool { return !s.Valid(d.h.now()) })
	if len(valid) < client.MaxSecrets {
		return client.Secret{}, false
	}
	return valid[len(valid)-1], true
}

// addSecret makes a secret and has this answer show it.
func (d *desk) addSecret() {
	d.form.Method = string(credentials.MethodSecret)
	expiresAt, ok := d.expiry()
	if !ok {
		return
	}
	if old, ok := d.replaced(); ok && d.form.Replace != old.ID {
		d.problems.add("replace", fmt.Sprintf("A client has at most %d secrets. Say that the new one may take the place of %s, which then ends at once.", client.MaxSecrets, old.ID))
		return
	}
	switch err := d.h.nonces.use(d.form.Nonce, d.v.owner); {
	case errors.Is(err, errNonceUsed):
		d.shown, d.status = true, http.StatusConflict
		return
	case err != nil:
		d.problems.add("days", sentence(err.Error())+" Press the button once more.")
		return
	}
	value, err := d.makeSecret(expiresAt)
	if err != nil {
		if !d.problems.of(err, &client.Spec{}) {
			d.h.logger.ErrorContext(d.r.Context(), "portal: adding a secret failed", "error", err.Error())
			message := "The secret could not be added. Look at the list before you try again."
			if errors.Is(err, client.ErrConflict) {
				message = "Somebody else has changed the client at this moment. Nothing was added; try again."
			}
			d.problems.add("days", message)
		}
		return
	}
	d.form.Replace = ""
	d.revealed = &revealed{Value: value.Reveal(), ID: value.ID(), ExpiresAt: expiresAt, Waits: d.waits()}
}

func (d *desk) makeSecret(expiresAt time.Time) (credentials.Secret, error) {
	if d.waits() {
		id, value, err := d.h.drafts.add(d.form.Draft, d.v.owner, expiresAt)
		if err == nil {
			d.form.Draft = id
		}
		return value, err
	}
	value, _, err := d.h.registry.AddSecret(d.r.Context(), d.old.ID, expiresAt)
	if err != nil {
		return value, err
	}
	// The page shows it among the others. If it can't be read, it is there all
	// the same, and must be shown now or never.
	if c, err := d.h.registry.Get(d.r.Context(), d.old.ID); err == nil {
		d.old = c
	}
	return value, nil
}

// expiry returns the end of the secret to be made, by the days that were typed.
// For a secret that waits nobody else asks whether that is too soon.
func (d *desk) expiry() (time.Time, bool) {
	least, most := int(client.MinSecretValidity/(24*time.Hour)), int(client.MaxSecretValidity/(24*time.Hour))
	days, err := strconv.Atoi(d.form.Days)
	if err != nil || days < least || days > most {
		d.problems.add("days", fmt.Sprintf("Type for how many days the secret is valid: %d to %d.", least, most))
		return time.Time{}, false
	}
	return d.h.now().Add(time.Duration(days) * 24 * time.Hour), true
}

// secretRows returns the secrets to show.
func (d *desk) secretRows() []secretRow {
	var rows []secretRow
	now := d.h.now()
	for _, s := range d.secrets() {
		rows = append(rows, secretRow{
			Saved: !d.waits(), Used: d.uses[s.ID], Idle: d.idle(s),
			ID: s.ID, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, Waits: d.waits(),
			Ends: ending{What: "secret", At: s.ExpiresAt, Past: !s.Valid(now), Soon: s.ExpiresAt.Sub(now) <= soon},
		})
	}
	return rows
}

// idle reports whether s can be deleted without an outage, as far as is known: it
// has ended, or what it was used for goes on with another one.
func (d *desk) idle(s client.Secret) bool {
	now := d.h.now()
	if d.waits() {
		return false
	}
	if !s.Valid(now) {
		return true
	}
	used := d.uses[s.ID]
	if used.IsZero() || inUse(used, now) {
		return false
	}
	return slices.ContainsFunc(d.old.Secrets, func(other client.Secret) bool {
		return other.ID != s.ID && other.Valid(now) && d.uses[other.ID].After(used)
	})
}

// inUse reports whether a secret that was used last at that time may still be: the
// log has one use of each hour.
func inUse(used, now time.Time) bool { return now.Sub(used) < client.InUse+time.Hour }
