package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// maxID is the length of the longest client id.
const maxID = 64

// An Import is a client that comes from elsewhere.
type Import struct {
	// ID is its client id there: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'.
	ID string
	Spec
	// Secrets are its secrets there, the most recent last: at most MaxSecrets.
	Secrets []ImportedSecret
	// HighEntropy states that each of Secrets holds at least 128 random bits.
	// Without it secrets are refused: what a person chose can be found from
	// its digest by trying.
	HighEntropy bool
}

// An ImportedSecret is a secret that was made elsewhere, by its digest.
type ImportedSecret struct {
	// Digest is the SHA-256 of the secret as it is presented.
	Digest credentials.Digest
	// ExpiresAt is its end: in the future, and at most MaxSecretValidity from
	// now (and SecretGrace).
	ExpiresAt time.Time
}

// Import registers a client under an id, and with secrets, that it has already.
// What breaks a rule gets an *InvalidError; an id that is or was that of a client
// of the tenant one with ErrIDUsed.
func (r *Registry) Import(ctx context.Context, imported Import) (*Client, error) {
	var p problems
	if !validID(imported.ID) {
		p.add("ID", "has other characters than A-Z, a-z, 0-9, '_' and '-', or not 1 to %d of them", maxID)
	}
	secrets := importSecrets(&p, imported, store.Time(r.now()))
	return r.add(ctx, actionImport, &Client{ID: imported.ID, Spec: imported.Spec.clone(), Secrets: secrets}, p)
}

// importSecrets returns the secrets as they are kept, and adds to p what is wrong
// with them.
func importSecrets(p *problems, imported Import, now time.Time) []Secret {
	if len(imported.Secrets) == 0 {
		return nil
	}
	if !imported.HighEntropy {
		p.add("HighEntropy", "must state that each secret holds at least 128 random bits; where that isn't so, add a new secret instead")
	}
	if m := imported.Method; m != "" && m != credentials.MethodSecret {
		p.add("Secrets", "are for clients that authenticate by %q", credentials.MethodSecret)
	}
	if len(imported.Secrets) > MaxSecrets {
		p.add("Secrets", "are %d, at most %d", len(imported.Secrets), MaxSecrets)
		return nil
	}
	var secrets []Secret
	for i, s := range imported.Secrets {
		field := fmt.Sprintf("Secrets[%d]", i)
		switch {
		case s.Digest == credentials.Digest{}:
			p.add(field+".Digest", "is missing: the SHA-256 of the secret")
		case s.Digest == credentials.DigestOf(""):
			p.add(field+".Digest", "is that of an empty secret; leave it out")
		case slices.ContainsFunc(secrets, func(other Secret) bool { return other.Digest == s.Digest }):
			p.add(field+".Digest", "is that of another secret of the client")
		}
		expiresAt := store.Time(s.ExpiresAt)
		if !now.Before(expiresAt) || expiresAt.After(now.Add(MaxSecretValidity+SecretGrace)) {
			p.add(field+".ExpiresAt", "is %s; choose a time within 365 days from now", expiresAt.Format(time.RFC3339))
		}
		secrets = append(secrets, Secret{
			ID: fmt.Sprintf("imported%d", i+1), Digest: s.Digest, CreatedAt: now, ExpiresAt: expiresAt, Imported: true,
		})
	}
	return secrets
}
