package portal

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
)

// useView is the page that says how a client gets a token.
type useView struct {
	page
	Client   *client.Client
	New      bool // it was added just now
	Servers  []option
	Audience string
	Command  string // for a shell; empty: there is none
	Needs    string // what must be at hand for it
	Program  string // in Go
	Beside   string // what must be in a file beside it
	NoSecret bool   // there is no secret yet
	NoGrant  bool   // there is nothing that it may reach
}

func (h *Handler) useClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	view := &useView{page: h.page(v, "Get a token", "clients"), Client: c, New: r.URL.Query().Get("done") == "added"}
	view.done(r)
	view.NoSecret = h.row(c).None
	servers, err := h.registry.Resources().List(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	chosen := h.target(view, c, servers, r.URL.Query().Get("server"))
	if view.NoGrant = chosen == nil; chosen != nil {
		view.Audience = chosen.Audience
	}
	if h.issuer != nil {
		t := tokenRequest{client: c, issuer: h.issuer.Identifier(), endpoint: h.issuer.TokenEndpoint(), audience: view.Audience}
		view.Command, view.Program = t.command(), t.program()
		view.Needs, view.Beside = t.needs()
	}
	h.show(w, r, http.StatusOK, "use.html", view)
}

// target returns the resource server for which a token is asked: the one with that
// id, or the default one, or the first, of those that the client may reach.
func (h *Handler) target(view *useView, c *client.Client, servers []*resource.Server, id string) *resource.Server {
	var chosen *resource.Server
	for _, s := range servers {
		if len(c.GrantsAt(s)) == 0 {
			continue
		}
		view.Servers = append(view.Servers, option{Value: s.ID, Text: titleOf(s.DisplayName, s.Name)})
		switch {
		case chosen == nil, s.ID == id, s.Default && chosen.ID != id:
			chosen = s
		}
	}
	for i := range view.Servers {
		view.Servers[i].Chosen = chosen != nil && view.Servers[i].Value == chosen.ID
	}
	return chosen
}

// A tokenRequest is how a client asks for a token, as people write it down.
type tokenRequest struct {
	client           *client.Client
	issuer, endpoint string
	audience         string // for which the token is
}

// algorithm returns what the client's first key signs with. The keys under a JWKS
// URL are not looked at: RSA is what most have.
func (t tokenRequest) algorithm() string {
	if t.client.Method == credentials.MethodPublicKeys && len(t.client.Keys) > 0 {
		return t.client.Keys[0].Algorithms()[0]
	}
	return "RS256"
}

// needs says what must be at hand for the command, and for the program.
func (t tokenRequest) needs() (command, program string) {
	switch t.client.Method {
	case credentials.MethodSecret:
		return "You need the secret that you copied when it was added.", "the secret in client-secret.txt"
	case credentials.MethodJWKS:
		return "You need openssl, and the private key of one of the keys that the client publishes, as PEM in private.pem. The command is for an RSA key.", "the private key in private.pem"
	default:
		return "You need openssl, and the private key of the certificate or public key, as PEM in private.pem.", "the private key in private.pem"
	}
}

// command returns the lines for a shell that get a token.
func (t tokenRequest) command() string {
	var b strings.Builder
	if t.client.Method == credentials.MethodSecret {
		b.WriteString("CLIENT_SECRET='paste the secret here'\n")
		fmt.Fprintf(&b, "curl -sS -u \"%s:$CLIENT_SECRET\" \\\n", t.client.ID)
	} else {
		t.sign(&b)
		b.WriteString("curl -sS \\\n")
	}
	b.WriteString("  -d grant_type=client_credentials \\\n")
	if t.client.Method != credentials.MethodSecret {
		b.WriteString("  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\\n" +
			"  -d \"client_assertion=$SIGNED.$SIGNATURE\" \\\n")
	}
	if t.audience != "" {
		fmt.Fprintf(&b, "  --data-urlencode %s \\\n", quoted("audience="+t.audience))
	}
	fmt.Fprintf(&b, "  %s", quoted(t.endpoint))
	return b.String()
}

// sign writes the lines that sign an assertion (RFC 7523) with openssl.
func (t tokenRequest) sign(b *strings.Builder) {
	algorithm := t.algorithm()
	b.WriteString("KEY=private.pem\n" +
		"b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }\n")
	fmt.Fprintf(b, "HEADER=$(printf '%%s' '{\"alg\":\"%s\",\"typ\":\"JWT\"}' | b64)\n", algorithm)
	fmt.Fprintf(b, "CLAIMS=$(printf '{\"iss\":\"%%s\",\"sub\":\"%%s\",\"aud\":\"%%s\",\"jti\":\"%%s\",\"iat\":%%d,\"exp\":%%d}' \\\n"+
		"  %s %s %s \\\n  \"$(openssl rand -hex 16)\" \"$(date +%%s)\" \"$(($(date +%%s) + 240))\" | b64)\n",
		t.client.ID, t.client.ID, quoted(t.issuer))
	b.WriteString("SIGNED=$HEADER.$CLAIMS\n")
	switch algorithm {
	case "EdDSA":
		// From a file, because openssl wants to know the size.
		b.WriteString("printf '%s' \"$SIGNED\" > signed.txt\n" +
			"SIGNATURE=$(openssl pkeyutl -sign -rawin -inkey \"$KEY\" -in signed.txt | b64)\n")
	case "ES256", "ES384", "ES512":
		// JOSE has the two numbers beside each other (RFC 7518 §3.4), and openssl
		// in DER: taken apart to hexadecimal digits and, since a shell has no
		// program for it that is everywhere, made bytes as the end of another DER.
		digits := map[string]int{"ES256": 64, "ES384": 96, "ES512": 132}[algorithm]
		fmt.Fprintf(b, "NUMBERS=$(printf '%%s' \"$SIGNED\" | openssl dgst -sha%s -sign \"$KEY\" -binary |\n"+
			"  openssl asn1parse -inform DER | awk -F: '/INTEGER/ {printf \"%%%ds\", $NF}' | tr ' ' 0)\n"+
			"SIGNATURE=$(openssl asn1parse -genstr FORMAT:HEX,OCT:$NUMBERS -noout -out /dev/stdout | tail -c %[2]d | b64)\n", algorithm[2:], digits)
	default:
		b.WriteString("SIGNATURE=$(printf '%s' \"$SIGNED\" | openssl dgst -sha256 -sign \"$KEY\" -binary | b64)\n")
	}
}

// quoted returns s as one word for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// program returns a whole program in Go that gets a token.
func (t tokenRequest) program() string {
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"log\"\n\n\t\"github.com/clientele-go/clientele/tokensource\"\n)\n\n" +
		"func main() {\n\tsource, err := tokensource.New(tokensource.Config{\n")
	fmt.Fprintf(&b, "\t\tIssuer:     %q,\n", t.issuer)
	fmt.Fprintf(&b, "\t\tClientID:   %q,\n", t.client.ID)
	credential := "tokensource.PrivateKey{File: \"private.pem\"}"
	if t.client.Method == credentials.MethodSecret {
		credential = "tokensource.Secret{File: \"client-secret.txt\"}"
	}
	fmt.Fprintf(&b, "\t\tCredential: %s,\n", credential)
	if t.audience != "" {
		fmt.Fprintf(&b, "\t\tAudience:   %q,\n", t.audience)
	}
	b.WriteString("\t})\n\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n" +
		"\ttoken, err := source.TokenContext(context.Background())\n\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n" +
		"\tfmt.Println(token.AccessToken)\n}\n")
	return b.String()
}
