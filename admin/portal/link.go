package portal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/internal/randid"
)

// maxLinks is how many links wait at most: one more takes the place of the oldest.
const maxLinks = 16

// MaxLinkLife is how long a one-time link may be of use.
const MaxLinkLife = 24 * time.Hour

// SignInLink returns the path of a page, below BasePath, on which whoever has it
// signs in once, as access says, within so long (1 second to MaxLinkLife). Whoever
// opens it first is in: hand it over like a password. It needs Config.Sessions,
// and fails if access names nobody.
func (h *Handler) SignInLink(access admin.Access, within time.Duration) (string, error) {
	switch {
	case h.sessions == nil:
		return "", errors.New("portal: a sign-in link needs Config.Sessions")
	case within < time.Second || within > MaxLinkLife:
		return "", fmt.Errorf("portal: a sign-in link for %v, want 1 s to %v", within, MaxLinkLife)
	case access.Actor.ID == "" && access.Actor.Name == "":
		return "", fmt.Errorf("portal: a sign-in link: %w", audit.ErrNoActor)
	}
	token, err := h.links.add(access, within)
	if err != nil {
		return "", fmt.Errorf("portal: a sign-in link: %w", err)
	}
	return h.base + "sign-in/" + token, nil
}

// links are the sign-in links that nobody has used yet, by the digest of their
// token.
type links struct {
	now  func() time.Time
	rand io.Reader

	mu   sync.Mutex
	list []link // in the order of making
}

type link struct {
	digest [sha256.Size]byte
	access admin.Access
	ends   time.Time
}

func newLinks(now func() time.Time, rand io.Reader) *links { return &links{now: now, rand: rand} }

func (l *links) add(access admin.Access, within time.Duration) (token string, err error) {
	if token, err = randid.New(l.rand); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == maxLinks {
		l.list = l.list[1:]
	}
	l.list = append(l.list, link{sha256.Sum256([]byte(token)), access, l.now().Add(within)})
	return token, nil
}

// find returns the link with that token if it can still be used, and uses it up if
// take is set.
func (l *links) find(token string, take bool) (admin.Access, bool) {
	digest := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, one := range l.list {
		if one.digest != digest {
			continue
		}
		late := !l.now().Before(one.ends)
		if take || late {
			l.list = append(l.list[:i:i], l.list[i+1:]...)
		}
		return one.access, !late
	}
	return admin.Access{}, false
}

// signInPage shows whose link it is. Only the button uses it up, so that who looks
// at links ahead of people, a mail filter or a browser, does not.
func (h *Handler) signInPage(w http.ResponseWriter, r *http.Request) {
	access, ok := h.links.find(r.PathValue("token"), false)
	if !ok {
		h.linkGone(w, r)
		return
	}
	h.show(w, r, http.StatusOK, "signin.html", &signInView{
		page: h.outside("Sign in"), Name: nameOf(access.Actor), Action: h.base + "sign-in/" + r.PathValue("token"),
	})
}

type signInView struct {
	page
	Name   string // as whom one signs in
	Action string // where the button leads
}

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	access, ok := h.links.find(r.PathValue("token"), true)
	if !ok {
		h.linkGone(w, r)
		return
	}
	if err := h.sessions.Begin(w, r, access); err != nil {
		h.fail(w, r, err)
		return
	}
	h.logger.InfoContext(r.Context(), "portal sign-in", "actor", access.Actor, "address", addressOf(r))
	http.Redirect(w, r, h.base+"clients", http.StatusSeeOther)
}

func (h *Handler) linkGone(w http.ResponseWriter, r *http.Request) {
	h.show(w, r, http.StatusGone, "message.html", &messageView{
		page:    h.outside("This link can't be used"),
		Message: "A sign-in link works once, and for a limited time. This one was used already, or came too late.",
		Advice:  "If you are signed in, go on to the portal. If not, ask whoever runs it for a new link: a new one is made when the server starts.",
		Link:    h.base + "clients", LinkText: "Go to the portal",
	})
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	if access, err := h.authenticate(r); err == nil {
		h.logger.InfoContext(r.Context(), "portal sign-out", "actor", access.Actor, "address", addressOf(r))
	}
	h.sessions.End(w, r)
	advice := ""
	if h.signOutURL != "" {
		advice = "Where you have signed in, you may be signed in still: whoever sits here next can come back without a password."
	}
	h.show(w, r, http.StatusOK, "message.html", &messageView{
		page:    h.outside("You are signed out"),
		Message: "Nobody can go on with your session, in this browser or another one.",
		Advice:  advice, Link: h.signInURL, LinkText: "Sign in again",
		Other: h.signOutURL, OtherText: "Sign out there too",
	})
}
