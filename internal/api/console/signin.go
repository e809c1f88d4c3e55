package console

import (
	"net/http"
	"strings"

	"github.com/resetd/resetd/internal/desk"
)

// home is the first page: the sign-in form, or whatever the person's role is for.
func (c *Console) home(w http.ResponseWriter, r *http.Request) {
	s := c.sessions.of(r)
	switch {
	case s == nil:
		c.signInPage(w, http.StatusOK, "")
	case s.actor.May(desk.DoWhy):
		c.findPage(&visit{w, r, s.actor, s}, http.StatusOK, findBody{})
	default:
		http.Redirect(w, r, "/console/queue", http.StatusSeeOther)
	}
}

func (c *Console) signInPage(w http.ResponseWriter, status int, problem string) {
	c.show(w, nil, status, "signin", page{Title: "Sign in", Body: problem})
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	// There is no session yet whose token a form could carry: browsers say themselves where a form comes from.
	if http.NewCrossOriginProtection().Check(r) != nil {
		c.signInPage(w, http.StatusForbidden, "That form came from another site.")
		return
	}
	peer := c.Peer(r)
	if !c.tries.allowed(peer) {
		w.Header().Set("Retry-After", "60")
		c.signInPage(w, http.StatusTooManyRequests, "Too many wrong keys came from your address. Wait a minute.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	a, ok := c.SignIn(strings.TrimSpace(r.PostFormValue("key")))
	switch {
	case !ok:
		c.tries.failed(peer)
		c.signInPage(w, http.StatusUnauthorized, "This is not a valid API key. Keys stand in the configuration's [[api_key]] tables; `resetd keys api` makes one.")
	case !a.May(desk.DoWhy) && !a.May(desk.DoQueue):
		c.signInPage(w, http.StatusForbidden, "This key is an application's. People sign in with a key of role support, admin or ops.")
	default:
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: c.sessions.begin(a), Path: "/", MaxAge: int(sessionLife.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.Secure || r.TLS != nil,
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (c *Console) signOut(v *visit) {
	c.sessions.end(v.r)
	http.SetCookie(v.w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(v.w, v.r, "/", http.StatusSeeOther)
}
