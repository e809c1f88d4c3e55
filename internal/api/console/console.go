// Package console is the page at the desk: whoever signs in with an API key can look a person up, read the verdict, act on it, and
// hold the queue. It needs no script; addresses never stand in its URLs.
package console

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/desk"
)

// Options are what the console needs; all but Secure are required.
type Options struct {
	Desk   *desk.Desk
	SignIn func(secret string) (desk.Actor, bool)
	Peer   func(*http.Request) string
	// Fault turns an error of the desk into a status and a sentence for people.
	Fault  func(error) (status int, detail string)
	Secure bool // the cookie is sent over https only
}

// Console serves the pages.
type Console struct {
	Options
	sessions *sessions
	tries    *tries
	pages    map[string]*template.Template
}

//go:embed pages style.css icon.svg
var files embed.FS

// New makes a console. Its sessions live in this process and end with it.
func New(o Options) *Console {
	c := &Console{Options: o, sessions: newSessions(), tries: newTries(), pages: map[string]*template.Template{}}
	base := template.Must(template.New("").Funcs(template.FuncMap{
		"headline": words.Headline, "tone": words.Tone, "blame": words.Blame, "who": words.Who, "confidence": words.Confidence, "when": words.Time,
		"shares": words.Shares, "means": words.Means, "percent": func(rate float64) string { return strconv.FormatFloat(100*rate, 'f', 0, 64) },
		"toneOf": words.Tone, "trayWhy": words.Tray, "helps": words.Helps, "grade": gradeOf, "loopGrade": loopGrade,
		"word": func(s any) string { return strings.ReplaceAll(asText(s), "_", " ") },
	}).ParseFS(files, "pages/layout.html"))
	for _, name := range []string{"signin", "find", "reset", "queue", "incidents", "incident", "stops", "audit", "explain", "tray", "domains", "seen", "probe", "fault"} {
		c.pages[name] = template.Must(template.Must(base.Clone()).ParseFS(files, "pages/"+name+".html"))
	}
	return c
}

// Register puts the console's routes into a mux.
func (c *Console) Register(mux *http.ServeMux) {
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"} {
		body, err := files.ReadFile(name)
		if err != nil {
			panic("console: " + err.Error()) // it is embedded
		}
		mux.HandleFunc("GET /console/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "max-age=300")
			w.Write(body)
		})
	}
	mux.HandleFunc("GET /{$}", c.home)
	mux.HandleFunc("POST /console/sign-in", c.signIn)
	mux.HandleFunc("POST /console/sign-out", c.post(c.signOut))
	mux.HandleFunc("GET /console/find", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) })
	mux.HandleFunc("POST /console/find", c.post(c.find))
	mux.HandleFunc("POST /console/ask", c.post(c.ask))
	mux.HandleFunc("POST /console/resend", c.post(c.resend))
	mux.HandleFunc("POST /console/cancel", c.post(c.cancel))
	mux.HandleFunc("POST /console/packet", c.post(c.packet))
	mux.HandleFunc("GET /console/resets/{id}", c.get(c.reset))
	mux.HandleFunc("GET /console/queue", c.get(c.queue))
	mux.HandleFunc("POST /console/queue/pause", c.post(c.pause))
	mux.HandleFunc("POST /console/queue/resume", c.post(c.resume))
	mux.HandleFunc("GET /console/", c.get(func(v *visit) {
		c.faultPage(v, http.StatusNotFound, "There is no such page. Perhaps a link was cut, or this version has no such thing.")
	}))
	mux.HandleFunc("GET /console/incidents", c.get(c.incidents))
	mux.HandleFunc("GET /console/incidents/{id}", c.get(c.incident))
	mux.HandleFunc("POST /console/incidents/{id}/resend", c.post(c.resendAll))
	mux.HandleFunc("GET /console/stops", c.get(c.stops))
	mux.HandleFunc("POST /console/stops/lookup", c.post(c.lookup))
	mux.HandleFunc("POST /console/stops/release", c.post(c.release))
	mux.HandleFunc("GET /console/explain", c.get(c.explainPage))
	mux.HandleFunc("POST /console/explain", c.postUpTo(maxPaste, c.explain))
	mux.HandleFunc("GET /console/domains", c.get(c.domains))
	mux.HandleFunc("POST /console/domains/check", c.post(c.checkDomain))
	mux.HandleFunc("POST /console/domains/loop", c.post(c.checkLoop))
	mux.HandleFunc("GET /console/domains/{domain}/reports", c.get(c.reports))
	mux.HandleFunc("GET /console/probe", c.get(c.probePage))
	mux.HandleFunc("POST /console/probe", c.post(c.probe))
	mux.HandleFunc("GET /console/tray", c.get(c.tray))
	mux.HandleFunc("POST /console/tray/answer", c.post(c.answer))
	mux.HandleFunc("GET /console/audit", c.get(c.audit))
	mux.HandleFunc("POST /console/audit/verify", c.post(c.verify))
}

// visit is one request of somebody who is signed in.
type visit struct {
	w  http.ResponseWriter
	r  *http.Request
	by desk.Actor
	s  *session
}

// get wraps a page that only people who are signed in see; others get the sign-in form.
func (c *Console) get(serve func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.of(r)
		if s == nil {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		serve(&visit{w, r, s.actor, s})
	}
}

// maxForm is how long a form may be, in bytes.
const maxForm = 64 << 10

// post wraps a form of at most maxForm bytes: signed in, and sent by a page of ours.
func (c *Console) post(serve func(*visit)) http.HandlerFunc { return c.postUpTo(maxForm, serve) }

// postUpTo is post with a limit of its own.
func (c *Console) postUpTo(most int64, serve func(*visit)) http.HandlerFunc {
	return c.get(func(v *visit) {
		v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
		if err := v.r.ParseForm(); err != nil {
			c.faultPage(v, http.StatusBadRequest, "The form could not be read. It may be too long.")
			return
		}
		if !v.s.sent(v.r.PostFormValue("csrf")) {
			c.faultPage(v, http.StatusForbidden, "This form was not sent by a page of your session. Go back, load the page again and repeat it.")
			return
		}
		serve(v)
	})
}

func (v *visit) form(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// page is what every template gets.
type page struct {
	Title  string
	Tab    string
	By     *desk.Actor // nil = nobody is signed in
	CSRF   string
	Tabs   []tab
	Notice *notice
	Body   any
}

type tab struct{ Name, Title, Path string }

// notice is what became of the last action.
type notice struct {
	Tone  string // good, care, bad
	Title string
	Text  string
}

func tabsOf(a desk.Actor) []tab {
	var tabs []tab
	for _, t := range []struct {
		tab
		needs desk.Action
	}{
		{tab{"find", "Find a person", "/"}, desk.DoWhy},
		{tab{"queue", "Queue", "/console/queue"}, desk.DoQueue},
		{tab{"incidents", "Incidents", "/console/incidents"}, desk.DoIncidents},
		{tab{"stops", "Stop list", "/console/stops"}, desk.DoSuppression},
		{tab{"explain", "Explain", "/console/explain"}, desk.DoExplain},
		{tab{"domains", "Domains", "/console/domains"}, desk.DoDomains},
		{tab{"probe", "Probe", "/console/probe"}, desk.DoProbe},
		{tab{"tray", "Tray", "/console/tray"}, desk.DoTray},
		{tab{"audit", "Audit trail", "/console/audit"}, desk.DoAudit},
	} {
		if a.May(t.needs) {
			tabs = append(tabs, t.tab)
		}
	}
	return tabs
}

// show renders a page.
func (c *Console) show(w http.ResponseWriter, s *session, status int, name string, p page) {
	if s != nil {
		p.By, p.CSRF, p.Tabs = &s.actor, s.csrf, tabsOf(s.actor)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	// A page that breaks off half-way was written to somebody who went away.
	_ = c.pages[name].ExecuteTemplate(w, "layout", p)
}

// fail shows an error of the desk as a page of its own.
func (c *Console) fail(v *visit, err error) {
	status, detail := c.Fault(err)
	c.faultPage(v, status, detail)
}

func (c *Console) faultPage(v *visit, status int, detail string) {
	c.show(v.w, v.s, status, "fault", page{Title: http.StatusText(status), Body: detail})
}

// realmsOf are the names of the realms that an actor may choose from.
func (c *Console) realmsOf(a desk.Actor) []string {
	var names []string
	for _, r := range c.Desk.Realms {
		if len(a.Realms) == 0 || slices.Contains(a.Realms, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}
