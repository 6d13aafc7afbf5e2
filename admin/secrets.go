package admin

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/strictjson"
)

// secretJSON is a secret as it is answered.
type secretJSON struct {
	ID        string `json:"id,omitempty"` // none in a dry run that would add it
	CreatedAt epoch  `json:"createdAt"`
	ExpiresAt epoch  `json:"expiresAt"`
	Value     string `json:"value,omitempty"` // once, when it was generated
}

// A secretRequest is what somebody wrote about a secret.
type secretRequest struct {
	expiresAt, oldEndsAt moment
	digest               *credentials.Digest // nil: one is to be generated
	highEntropy          bool
}

func (h *Handler) listSecrets(ctx context.Context, c *call) (answer, error) {
	found, err := h.registry.Get(ctx, c.id)
	if err != nil {
		return answer{}, err
	}
	secrets := make([]secretJSON, len(found.Secrets))
	for i, s := range found.Secrets {
		secrets[i] = secretJSON{ID: s.ID, CreatedAt: h.epoch(s.CreatedAt), ExpiresAt: h.epoch(s.ExpiresAt)}
	}
	return answer{status: http.StatusOK, body: secrets, etag: etagOf(found.Version)}, nil
}

func (h *Handler) addSecret(ctx context.Context, c *call) (answer, error) {
	in, err := parseSecret(c.body, false)
	if err != nil {
		return answer{}, err
	}
	registry := h.registryFor(c)
	if in.digest != nil {
		kept, err := registry.AddSecretDigest(ctx, c.id, client.SecretDigest{
			Digest: *in.digest, ExpiresAt: in.expiresAt.Time, HighEntropy: in.highEntropy,
		})
		return h.secretAnswer(credentials.Secret{}, kept), err
	}
	value, kept, err := registry.AddSecret(ctx, c.id, in.expiresAt.Time)
	return h.secretAnswer(value, kept), err
}

func (h *Handler) rotateSecret(ctx context.Context, c *call) (answer, error) {
	in, err := parseSecret(c.body, true)
	if err != nil {
		return answer{}, err
	}
	value, kept, err := h.registryFor(c).Rotate(ctx, c.id, client.Rotation{ExpiresAt: in.expiresAt.Time, OldEndsAt: in.oldEndsAt.Time})
	return h.secretAnswer(value, kept), err
}

func (h *Handler) deleteSecret(ctx context.Context, c *call) (answer, error) {
	unused, err := c.flag("ifUnused")
	if err != nil {
		return answer{}, err
	}
	remove := h.registryFor(c).DeleteSecret
	if unused {
		remove = h.registryFor(c).DeleteUnusedSecret
	}
	return answer{status: http.StatusNoContent}, remove(ctx, c.id, c.secretID)
}

// secretAnswer returns the answer that is a new secret.
func (h *Handler) secretAnswer(value credentials.Secret, kept client.Secret) answer {
	return answer{status: http.StatusCreated, body: secretJSON{
		ID: kept.ID, CreatedAt: h.epoch(kept.CreatedAt), ExpiresAt: h.epoch(kept.ExpiresAt), Value: value.Reveal(),
	}}
}

// validity says how long a secret may be valid, for people.
var validity = fmt.Sprintf("choose %d to %d days from now", client.MinSecretValidity/(24*time.Hour), client.MaxSecretValidity/(24*time.Hour))

// parseSecret reads the body of a request for a secret, in which rotating needs an
// end for the old ones: nothing that was left out ends them at once.
func parseSecret(body []byte, rotating bool) (*secretRequest, error) {
	const oldEnd = "when the old secrets end, at the latest; 0 ends them at once"
	in := new(secretRequest)
	var r jsonReader
	known := []member{
		{"expiresAt", r.moment(&in.expiresAt, validity)},
		{"oldEndsAt", r.moment(&in.oldEndsAt, oldEnd)},
	}
	if !rotating {
		known = []member{
			known[0],
			{"sha256", func(v strictjson.Value, path string) {
				in.digest = new(credentials.Digest)
				r.digest(in.digest)(v, path)
			}},
			{"highEntropy", r.bool(&in.highEntropy)},
		}
	}
	if err := r.whole(body, known...); err != nil {
		return nil, err
	}
	if !in.expiresAt.given {
		r.wrong("expiresAt", "is required, in seconds since 1970: %s", validity)
	}
	if rotating && !in.oldEndsAt.given {
		r.wrong("oldEndsAt", "is required, in seconds since 1970: %s", oldEnd)
	}
	return in, r.err()
}

// digest reads a SHA-256, in hexadecimal digits or in base64url.
func (r *jsonReader) digest(to *credentials.Digest) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		var text string
		r.text(&text)(v, path)
		if v.Kind != strictjson.KindString || to.UnmarshalText([]byte(text)) == nil {
			return
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSuffix(text, "="))
		if err != nil || len(raw) != len(to) {
			r.wrong(path, "want the SHA-256 of the secret, in 64 hexadecimal digits or in base64url")
			return
		}
		copy(to[:], raw)
	}
}
