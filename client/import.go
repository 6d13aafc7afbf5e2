package client

import (
	"context"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// maxID is the length of the longest client id.
const maxID = 64

// An Import is a client that comes from elsewhere.
type Import struct {
	// ID is its client id there: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'. If
	// it is empty, one is generated.
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
	// ID is the id of its entry there: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'.
	// If it is empty, one is generated.
	ID string
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
	id := imported.ID
	switch {
	case id == "":
		var err error
		if id, err = r.newID(); err != nil {
			return nil, err
		}
	case !validID(id):
		p.add("ID", "has other characters than A-Z, a-z, 0-9, '_' and '-', or not 1 to %d of them", maxID)
	}
	secrets, err := r.importSecrets(&p, &imported, store.Time(r.now()))
	if err != nil {
		return nil, err
	}
	c, err := r.add(ctx, actionImport, &Client{ID: id, Spec: imported.Spec.clone(), Secrets: secrets}, p)
	if err == nil && r.trial != nil {
		c.ID = imported.ID
		for i := range c.Secrets {
			c.Secrets[i].ID = imported.Secrets[i].ID
		}
	}
	return c, err
}

// importSecrets returns the secrets as they are kept, and adds to p what is wrong
// with them.
func (r *Registry) importSecrets(p *problems, imported *Import, now time.Time) ([]Secret, error) {
	if len(imported.Secrets) == 0 {
		return nil, nil
	}
	checkEntropy(p, imported.HighEntropy)
	if m := imported.Method; m != "" && m != credentials.MethodSecret {
		p.add("Secrets", "are for clients that authenticate by %q", credentials.MethodSecret)
	}
	if len(imported.Secrets) > MaxSecrets {
		p.add("Secrets", "are %d, at most %d", len(imported.Secrets), MaxSecrets)
		return nil, nil
	}
	var secrets []Secret
	for i, s := range imported.Secrets {
		field := fmt.Sprintf("Secrets[%d]", i)
		switch {
		case s.ID == "":
			value, err := r.newSecret(secrets) // of which the id alone is taken
			if err != nil {
				return nil, err
			}
			s.ID = value.ID()
		case !validID(s.ID):
			p.add(field+".ID", "has other characters than A-Z, a-z, 0-9, '_' and '-', or not 1 to %d of them", maxID)
		case hasID(secrets, s.ID):
			p.add(field+".ID", "is that of another secret of the client")
		}
		checkDigest(p, field+".Digest", s.Digest, secrets)
		expiresAt := store.Time(s.ExpiresAt)
		if !now.Before(expiresAt) || expiresAt.After(now.Add(MaxSecretValidity+SecretGrace)) {
			p.add(field+".ExpiresAt", "is %s; choose a time within 365 days from now", expiresAt.Format(time.RFC3339))
		}
		secrets = append(secrets, Secret{ID: s.ID, Digest: s.Digest, CreatedAt: now, ExpiresAt: expiresAt, Imported: true})
	}
	return secrets, nil
}
