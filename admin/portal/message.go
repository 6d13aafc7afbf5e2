package portal

import "net/http"

// A Message is a page of a few words, for somebody who need not be signed in.
type Message struct {
	Title string // the heading
	Text  string // what happened
	// Advice is what to do about it. It may be empty.
	Advice string
	// Link is where to go from here, a path or a URL, and LinkText what stands
	// on the button. There is none if Link is empty.
	Link, LinkText string
}

// ShowMessage answers a request with a page in the portal's looks, and the headers
// that its own pages have: for what belongs to it and is not of it, such as a way
// to sign in.
func (h *Handler) ShowMessage(w http.ResponseWriter, r *http.Request, status int, m Message) {
	secure(w.Header())
	h.show(w, r, status, "message.html", &messageView{
		page: h.outside(m.Title), Message: m.Text, Advice: m.Advice, Link: m.Link, LinkText: m.LinkText,
	})
}
