// Package api is the desk over HTTP: the JSON API, its client, the page behind a mail's link, and the console. It turns requests into
// calls of the desk and what the desk says into answers; who may do what is the desk's business.
package api

import (
	"context"
	"net/http"
	"net/netip"
	"path"
	"strings"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/api/console"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// Options are what the API needs. Only Desk and Keys are required.
type Options struct {
	Desk      *desk.Desk
	Keys      []Key
	PublicURL string                      // base of the links in mails; with https, the console's cookie is sent over https only
	Log       zerolog.Logger              // one line per request
	Ready     func(context.Context) error // what /readyz asks; nil = always ready
	Metrics   http.Handler                // /metrics; nil = not served here
	// TrustProxy are the networks of proxies whose X-Forwarded-For is believed. Empty: nobody's, not even loopback's.
	TrustProxy []netip.Prefix
	// Hooks read the events of each provider that is configured; nil = none is.
	Hooks map[string]Hook
	// KeepEvents stores what a provider says before it is answered. name makes the batch this one: the same name again changes nothing.
	KeepEvents func(ctx context.Context, provider, name string, b hook.Batch) error
	// RefusedEvents hears of each request of a configured provider that was not taken; why is the code of the problem. nil = nobody does.
	RefusedEvents func(ctx context.Context, provider, why string)
}

// server holds what all requests share; nothing in it changes after New.
type server struct {
	Options
	keys    keyring
	mux     *http.ServeMux
	landing *landing
	bodies  chan struct{} // one place for each request of a provider under way: whoever comes to that door is a stranger until it is read
}

// New serves everything: API, link page, console, health.
func New(o Options) http.Handler {
	s := &server{Options: o, keys: newKeyring(o.Keys), mux: http.NewServeMux(), landing: newLanding(), bodies: make(chan struct{}, hookBodies)}
	for _, e := range routes() {
		s.mux.HandleFunc(e.pattern, e.bind(s))
	}
	s.health()
	if o.Desk != nil {
		c := console.New(console.Options{
			Desk: o.Desk, SignIn: s.keys.find, Peer: s.peer,
			Fault: func(err error) (int, string) {
				p := problemOf(err)
				if p.Status >= 500 {
					s.Log.Error().Str("code", p.Code).Err(err).Msg("a page of the console failed")
				}
				return p.Status, p.Detail
			},
			Secure: strings.HasPrefix(o.PublicURL, "https://"),
		})
		c.Register(s.mux)
	}
	return s.logged(http.HandlerFunc(s.dispatch))
}

// Ops serves health and metrics alone, for a listener apart from the API's or a process without it.
func Ops(o Options) http.Handler {
	s := &server{Options: o, mux: http.NewServeMux()}
	s.health()
	return s.logged(http.HandlerFunc(s.dispatch))
}

// routes are all calls of the API, and the link page.
func routes() []endpoint {
	var all []endpoint
	for _, group := range [][]endpoint{resetRoutes(), whyRoutes(), tokenRoutes(), suppressionRoutes(), queueRoutes(), auditRoutes(), hookRoutes(), explainRoutes(), trayRoutes(), incidentRoutes(), domainRoutes(), probeRoutes(), linkRoutes(), openAPIRoutes()} {
		all = append(all, group...)
	}
	return all
}

// dispatch finds the route and lets ServeMux's own answers (no such path, other method) be problems like all others.
func (s *server) dispatch(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	// ServeMux would redirect an unclean path, and so write it, with whatever secret stands in it, into an answer.
	if r.URL.Path != path.Clean(r.URL.Path) {
		writeProblem(w, &Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this path. /openapi.yaml describes what there is."})
		return
	}
	handler, pattern := s.mux.Handler(r)
	if pattern == "" {
		m := &mute{header: http.Header{}}
		handler.ServeHTTP(m, r)
		if m.status == http.StatusMethodNotAllowed {
			h.Set("Allow", m.header.Get("Allow"))
			writeProblem(w, &Problem{Status: m.status, Code: "method_not_allowed", Detail: "This path does not take this method; the Allow header names those that it takes."})
			return
		}
		writeProblem(w, &Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this path. /openapi.yaml describes what there is."})
		return
	}
	noteOf(r).route = pattern
	s.mux.ServeHTTP(w, r)
}

// mute takes an answer of ServeMux and keeps its head only.
type mute struct {
	header http.Header
	status int
}

func (m *mute) Header() http.Header         { return m.header }
func (m *mute) WriteHeader(status int)      { m.status = status }
func (m *mute) Write(b []byte) (int, error) { return len(b), nil }
