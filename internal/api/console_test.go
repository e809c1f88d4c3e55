package api

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
)

// browser is a person at the console, who follows redirects and fills in forms.
type browser struct {
	t      *testing.T
	w      *world
	client *http.Client
	status int
	page   string
	header http.Header
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{t: w.t, w: w, client: &http.Client{Jar: jar}}
}

func (b *browser) do(req *http.Request) *browser {
	b.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.status, b.page, b.header = res.StatusCode, string(body), res.Header
	return b
}

func (b *browser) get(path string) *browser {
	b.t.Helper()
	req, err := http.NewRequest("GET", b.w.web.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

// submit sends a form with the CSRF token of the page that is shown; fields come in pairs.
func (b *browser) submit(path string, fields ...string) *browser {
	b.t.Helper()
	return b.post(path, append(fields, "csrf", b.hidden("csrf"))...)
}

func (b *browser) post(path string, fields ...string) *browser {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	req, err := http.NewRequest("POST", b.w.web.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

// hidden is the value of a hidden field of the page; "" = it has none.
func (b *browser) hidden(name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(b.page)
	if m == nil {
		return ""
	}
	return m[1]
}

func (b *browser) signIn(role desk.Role) *browser {
	b.t.Helper()
	b.post("/console/sign-in", "key", secretOf(role))
	if b.status != 200 {
		b.t.Fatalf("sign-in as %s: %d", role, b.status)
	}
	return b
}

func (b *browser) wants(status int, texts ...string) {
	b.t.Helper()
	if b.status != status {
		b.t.Errorf("status %d, want %d", b.status, status)
	}
	for _, s := range texts {
		if !strings.Contains(b.page, s) {
			b.t.Errorf("the page does not say %q:\n%s", s, b.page)
		}
	}
}

// plainWorld is a world whose console works over http, as in the demo.
func plainWorld(t *testing.T) *world {
	w := newWorld(t)
	w.opts.PublicURL = "http://127.0.0.1"
	w.serve()
	return w
}

// Support looks jo up, is told that a resend will not help, tries it, is refused, and forces it.
func TestConsoleStory(t *testing.T) {
	w := plainWorld(t)
	id := w.ask()
	w.send(refusedMailbox)
	b := w.browser().signIn(desk.Support)
	b.wants(200, "Who did not get their mail?", "key-support")
	if strings.Contains(b.page, "/console/audit") || strings.Contains(b.page, "/console/queue") {
		t.Error("support is shown what it may not see")
	}
	b.submit("/console/find", "login", "jo@shop.example")
	b.wants(200, "recipient.unknown_mailbox", "A resend will not help", "User unknown", string(id))
	if strings.Contains(b.page, `name="force"`) {
		t.Error("force is offered before anything was refused")
	}
	number := b.hidden("number")
	fields := []string{"reset", string(id), "login", "jo@shop.example", "number", number, "reason", "she called"}
	b.submit("/console/resend", fields...)
	b.wants(409, "Nothing was sent", `name="force"`, `value="she called"`)
	forced := append([]string{"force", "1"}, fields...)
	b.submit("/console/resend", forced...)
	b.wants(200, "Another mail is on its way")
	b.submit("/console/resend", forced...) // a double click
	b.wants(200, "Another mail is on its way")
	r := w.as(desk.Support, "GET", "/v1/resets/"+string(id), "")
	if n := strings.Count(r.body, `"fact":"resent"`); n != 1 {
		t.Errorf("%d mails were resent: %s", n, r.body)
	}
	b.get("/console/resets/"+string(id)).wants(200, "mx.shop.example", "550")

	// What nobody asked for can be asked from here.
	b.get("/").submit("/console/find", "login", "new@shop.example", "realm", "shop")
	b.wants(200, "Start a reset")
	b.submit("/console/ask", "for_realm", "shop", "login", "new@shop.example", "realm", "shop", "number", b.hidden("number"), "reason", "on the phone")
	b.wants(200, "A reset was started")
	b.submit("/console/ask", "for_realm", "elsewhere", "login", "new@shop.example", "number", "x", "reason", "on the phone")
	b.wants(200, "No reset was started", "no such realm")
	b.submit("/console/find", "login", "nobody@nowhere.example")
	b.wants(200, "A reset started from here will help", `name="for_realm" required`, "Start a reset")
	b.submit("/console/find", "login", "").wants(400, "The login is empty")
	b.get("/").submit("/console/find", "login", "jo@shop.example", "page", "community.example/login").wants(200, `value="https://community.example/login"`)
}

func TestConsoleOps(t *testing.T) {
	w := plainWorld(t)
	w.suppress("zoe@shop.example")
	b := w.browser().signIn(desk.Ops)
	b.wants(200, "<h1>Queue</h1>", "No worker is alive")
	b.submit("/console/queue/pause", "route", "", "reason", "relay moves")
	b.wants(200, "All sending is held", "key-ops", "relay moves")
	b.submit("/console/queue/pause", "route", "nowhere", "reason", "x").wants(400, "no configured route")
	b.submit("/console/queue/resume", "route", "", "reason", "moved").wants(200, "Sending goes on")
	b.submit("/console/queue/resume", "route", "", "reason", "moved").wants(400, "not held")
	for _, path := range []string{"/console/audit", "/console/stops", "/console/resets/" + string(strangeReset)} {
		b.get(path).wants(403, "may not do that")
	}
	b.get("/console/queue").submit("/console/find", "login", "jo@shop.example").wants(403)

	a := w.browser().signIn(desk.Admin)
	a.get("/console/stops").wants(200, "zoe@shop.example", "550 5.1.1 User unknown")
	a.submit("/console/stops/lookup", "address", "zoe@shop.example").wants(200, "is not written to", "Release")
	a.submit("/console/stops/release", "address", "zoe@shop.example", "reason", "").wants(400, "Nothing was released")
	a.submit("/console/stops/release", "address", "zoe@shop.example", "reason", "is back").wants(200, "Released")
	a.submit("/console/stops/release", "address", "zoe@shop.example", "reason", "is back").wants(404, "not on the list")
	a.submit("/console/stops/lookup", "address", "zoe@shop.example").wants(200, "Not on the list")
	a.get("/console/audit").wants(200, "release", "is back", "denied")
	a.submit("/console/audit/verify").wants(200, "The trail is whole")
	id := w.ask()
	a.get("/").submit("/console/packet", "reset", string(id)).wants(409, "No host was offered a mail")
	a.get("/").submit("/console/cancel", "reset", string(id), "login", "jo@shop.example", "reason", "wrong person").wants(200, "Taken back")
	a.submit("/console/cancel", "reset", string(id), "login", "jo@shop.example", "reason", "wrong person").wants(200, "Nothing was taken back")

	w.redis.SetError("down")
	a.get("/console/queue").wants(503, "Nothing is promised")
}

// Whoever is not signed in sees the sign-in form and nothing else; an application's key opens nothing; wrong keys are counted.
func TestConsoleDoor(t *testing.T) {
	w := plainWorld(t)
	b := w.browser()
	b.get("/").wants(200, "Sign in")
	for _, path := range []string{"/console/queue", "/console/audit", "/console/stops", "/console/find", "/console/resets/" + string(strangeReset)} {
		b.get(path).wants(200, `action="/console/sign-in"`)
	}
	b.post("/console/find", "login", "jo@shop.example").wants(200, `action="/console/sign-in"`)
	b.post("/console/sign-in", "key", secretOf(desk.App)).wants(403, "an application")
	for range 10 {
		b.post("/console/sign-in", "key", "guess").wants(401, "not a valid API key")
	}
	b.post("/console/sign-in", "key", secretOf(desk.Admin)).wants(429, "Too many")
	if b.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
}

func TestConsoleForms(t *testing.T) {
	w := plainWorld(t)
	id := w.ask()
	b := w.browser().signIn(desk.Admin)
	token := b.hidden("csrf")
	for _, csrf := range []string{"", "x", token[1:]} {
		b.post("/console/cancel", "csrf", csrf, "reset", string(id), "reason", "x").wants(403, "not sent by a page of your session")
	}
	other := w.browser().signIn(desk.Admin)
	b.post("/console/cancel", "csrf", other.hidden("csrf"), "reset", string(id), "reason", "x").wants(403)
	b.post("/console/cancel", "csrf", token, "reset", "rst_1", "reason", "x").wants(404)
	b.post("/console/find", "csrf", token, "login", strings.Repeat("x", 70<<10)).wants(400, "could not be read")
	b.get("/").submit("/console/sign-out").wants(200, `action="/console/sign-in"`)
	b.post("/console/find", "csrf", token, "login", "jo@shop.example").wants(200, `action="/console/sign-in"`)

	// A form of another site cannot even sign somebody in.
	req, _ := http.NewRequest("POST", w.web.URL+"/console/sign-in", strings.NewReader("key="+secretOf(desk.Admin)))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	w.browser().do(req).wants(403, "another site")
}

func TestConsoleCookieAndHeaders(t *testing.T) {
	w := newWorld(t) // its public URL is https
	r := w.try("POST", "/console/sign-in", "", "key="+secretOf(desk.Support), "Content-Type", "application/x-www-form-urlencoded")
	c := r.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=28800"} {
		if !strings.Contains(c, want) {
			t.Errorf("cookie without %s: %s", want, c)
		}
	}
	if strings.Contains(c, secretOf(desk.Support)) {
		t.Error("the key stands in the cookie")
	}
	page := w.try("GET", "/", "", "")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if !strings.HasPrefix(page.header.Get(name), want) {
			t.Errorf("%s: %q", name, page.header.Get(name))
		}
	}
	if strings.Contains(page.header.Get("Content-Security-Policy"), "unsafe") || strings.Contains(page.body, "<script") || strings.Contains(page.body, "style=") {
		t.Error("the page needs script or inline style")
	}
	if r := w.try("GET", "/console/style.css", "", ""); r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %d", r.status)
	}
}

// What hosts and visitors wrote is text, never markup.
func TestConsoleEscapes(t *testing.T) {
	w := plainWorld(t)
	id := w.ask()
	evil := refusedMailbox
	evil.Text = `550 5.1.1 <script>alert(1)</script> "><img src=x onerror=alert(2)> User unknown`
	evil.Host = `mx.<b>evil</b>.example`
	w.send(evil)
	b := w.browser().signIn(desk.Support)
	b.submit("/console/find", "login", "jo@shop.example", "page", `https://x.example/"><script>alert(3)</script>`)
	b.wants(200, "&lt;script&gt;")
	pages := b.page + b.get("/console/resets/"+string(id)).page
	for _, bad := range []string{"<script", "<img src=x", "<b>evil"} {
		if strings.Contains(pages, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
}

// Somebody whose key has realms is offered those only.
func TestConsoleRealms(t *testing.T) {
	w := plainWorld(t)
	w.opts.Keys[1].Realms = []string{"shop"} // support's
	w.serve()
	b := w.browser().signIn(desk.Support)
	if strings.Contains(b.page, "<option>community") || !strings.Contains(b.page, "<option>shop") {
		t.Errorf("realms: %s", b.page)
	}
	b.submit("/console/find", "login", "jo@shop.example", "realm", "community").wants(400, "no such realm")
}
