package api

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/token"
)

//go:embed landing.html landing.css
var landingFiles embed.FS

// landing is the page behind a mail's link. Programs fetch links before people do (mail gateways, previews), so that a GET changes
// nothing and the one step that a person takes is a button.
type landing struct {
	page  *template.Template
	style string
	hash  string // of style, for the Content-Security-Policy
}

func newLanding() *landing {
	css, err := landingFiles.ReadFile("landing.css")
	if err != nil {
		panic("landing.css: " + err.Error()) // it is embedded
	}
	sum := sha256.Sum256(css)
	return &landing{
		page:  template.Must(template.ParseFS(landingFiles, "landing.html")),
		style: string(css),
		hash:  "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
}

// deadLink is what to tell a person whose link is dead.
type deadLink struct {
	err               error
	title, says, next string
}

func deadLinkOf(err error) deadLink {
	for _, d := range []deadLink{
		{token.ErrUsed, "This link was used already", "A password was set with it, and each link works once.", "Sign in with the new password. If it was not you who set it, tell the people who run the site at once."},
		{token.ErrReplaced, "This link was replaced", "The password was changed since this mail was written, or a newer mail carries the link that counts.", "If you changed your password just now, sign in with it. Otherwise open the newest mail, or ask for another one."},
		{token.ErrExpired, "This link has expired", "It was good for a limited time only, and that time is over.", "Go back to the page where you asked and ask again. The new mail's link is good from the moment it arrives."},
		{token.ErrMalformed, "This link is not complete", "Some of it was lost or altered on the way: mail programs sometimes break a long link.", "Copy the whole link from the mail, to its last character, and paste it into the address line. Or ask for another mail."},
	} {
		if errors.Is(err, d.err) {
			return d
		}
	}
	return deadLink{token.ErrUnknown, "This link is not known any more", "It is one of ours, but too old: we have no record of it left.", "Go back to the page where you asked and ask again."}
}

type landingPage struct {
	Style             template.CSS
	Realm             string
	Title, Says, Next string
	Button            bool
}

func linkRoutes() []endpoint {
	return []endpoint{
		{"GET /r/{token}", func(s *server) http.HandlerFunc { return s.openLink }},
		{"POST /r/{token}", func(s *server) http.HandlerFunc { return s.proceedLink }},
	}
}

func (s *server) visitor(r *http.Request) desk.Visitor {
	return desk.Visitor{Method: r.Method, IP: s.peer(r), UserAgent: r.UserAgent()}
}

func (s *server) openLink(w http.ResponseWriter, r *http.Request) {
	l, err := s.Desk.Open(r.Context(), r.PathValue("token"), s.visitor(r))
	if err != nil {
		s.deadPage(w, r, err)
		return
	}
	s.page(w, r, http.StatusOK, origin(l.Realm.ResetURL), landingPage{
		Realm: l.Realm.Name, Title: "Set a new password", Button: true,
		Says: "You are one step away from a new password for " + l.Realm.Name + ".",
		Next: "If you did not ask for this, close the page: nothing has changed.",
	})
}

func (s *server) proceedLink(w http.ResponseWriter, r *http.Request) {
	target, err := s.Desk.Proceed(r.Context(), r.PathValue("token"), s.visitor(r))
	if err != nil {
		s.deadPage(w, r, err)
		return
	}
	linkHeaders(w.Header())
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

// deadPage says which case it is and what to do.
func (s *server) deadPage(w http.ResponseWriter, r *http.Request, err error) {
	if !desk.Dead(err) {
		p := problemOf(err)
		s.Log.Error().Str("request", noteOf(r).id).Str("code", p.Code).Err(err).Msg("a link's page failed")
		if p.RetryAfter > 0 {
			w.Header().Set("Retry-After", "5")
		}
		s.page(w, r, p.Status, "", landingPage{Title: "This does not work right now", Says: "The fault is ours. Your link has not been used up.", Next: "Load this page again in a minute."})
		return
	}
	d := deadLinkOf(err)
	s.page(w, r, http.StatusGone, "", landingPage{Title: d.title, Says: d.says, Next: d.next})
}

// linkHeaders keep the token where it is: in the address line of one person.
func linkHeaders(h http.Header) {
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
}

// page writes the page. target is where the form's answer leads. Some browsers hold every redirect after a form to form-action, and the
// app's own page may redirect further (to www., to a sign-in): any https target is allowed, and a loopback one that is configured.
func (s *server) page(w http.ResponseWriter, r *http.Request, status int, target string, p landingPage) {
	h := w.Header()
	linkHeaders(h)
	form := "'none'"
	if p.Button {
		form = "'self' https:"
		if strings.HasPrefix(target, "http:") {
			form += " " + target
		}
	}
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src %s; form-action %s; base-uri 'none'; frame-ancestors 'none'", s.landing.hash, form))
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	p.Style = template.CSS(s.landing.style)
	if err := s.landing.page.Execute(w, p); err != nil {
		s.Log.Warn().Str("request", noteOf(r).id).Msg("a link's page broke off")
	}
}

func origin(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
