package portal

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
)

// removeKey drops the row with that number.
func (f *form) removeKey(number string) {
	f.Method = string(credentials.MethodPublicKeys)
	if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(f.Keys) {
		f.Keys = slices.Delete(f.Keys, i, i+1)
	}
}

// keyView is a key as pages show it.
type keyView struct {
	Name, PEM, Kind, Thumbprint string
	Certificate                 bool
	X5T                         string // SHA-256 thumbprint of the certificate
	NotBefore, NotAfter         time.Time
	Ends                        ending
	NotYet                      bool // its validity has not begun
	Broken                      bool // it can't be read
	Saved                       bool
	Used                        time.Time // zero: no use is known
}

func (h *Handler) keyView(k credentials.Key, name string) keyView {
	v := keyView{
		Name: name, PEM: string(k.MarshalPEM()), Kind: keyKind(k), Thumbprint: k.Thumbprint(),
		Certificate: k.IsCertificate(), X5T: k.X5TS256(), NotBefore: k.NotBefore(), NotAfter: k.NotAfter(),
	}
	if now := h.now(); v.Certificate {
		v.NotYet = now.Before(v.NotBefore)
		v.Ends = ending{What: "certificate", At: v.NotAfter, Past: now.After(v.NotAfter), Soon: v.NotAfter.Sub(now) <= soon}
	}
	return v
}

// keyViews returns the keys of the form to show.
func (d *desk) keyViews() []keyView {
	var all []keyView
	for _, row := range d.form.Keys {
		k := row.key
		if k.PublicKey() == nil { // it was not read yet
			found, _, err := credentials.ParsePEM([]byte(row.PEM), d.h.now())
			if err != nil || len(found) != 1 {
				all = append(all, keyView{Name: row.Name, Kind: "Not a key", Broken: true})
				continue
			}
			k = found[0]
		}
		view := d.h.keyView(k, row.Name)
		if d.old != nil {
			view.Saved = slices.ContainsFunc(d.old.Keys, func(had credentials.Key) bool { return keyID(had) == keyID(k) })
			view.Used = d.uses[k.Thumbprint()]
		}
		all = append(all, view)
	}
	return all
}

// jwksResult is what was found under a JWKS URL.
type jwksResult struct {
	Keys     []jwksKey
	Warnings []string
	MaxAge   string
	Problem  string // why there is nothing
}

type jwksKey struct{ Kind, ID, Thumbprint string }

// validate fetches the JWKS URL of the form, not too often. What it says of a host
// that is not there, not allowed or silent is the same: see jwks.Cache.Validate.
func (d *desk) validate() {
	d.form.Method = string(credentials.MethodJWKS)
	if d.form.JWKSURL == "" {
		d.problems.add("jwksurl", "Type the URL under which the client publishes its keys.")
		return
	}
	if !d.h.fetches.allow(d.v.owner) {
		d.keysRead = &jwksResult{Problem: "That was asked for too often. Wait a minute, please."}
		return
	}
	ctx, cancel := context.WithTimeout(d.r.Context(), 8*time.Second)
	defer cancel()
	report, err := d.h.jwks.Validate(ctx, d.form.JWKSURL)
	result := &jwksResult{MaxAge: minutes(report.MaxAge)}
	for _, w := range report.Warnings {
		result.Warnings = append(result.Warnings, sentence(w.String()))
	}
	var badURL *jwks.URLError
	var invalid *jwks.InvalidError
	switch {
	case errors.As(err, &badURL):
		d.problems.of(&client.InvalidError{Problems: []client.Problem{{Field: "JWKSURL", Message: badURL.Reason}}}, &client.Spec{})
		return
	case errors.As(err, &invalid):
		result.Problem = sentence(invalid.Message)
	case err != nil:
		result.Problem = "The keys could not be asked for just now. Try again in a minute."
	}
	for _, k := range report.Keys {
		result.Keys = append(result.Keys, jwksKey{k.Type(), k.KeyID(), k.Thumbprint()})
	}
	d.keysRead = result
}
