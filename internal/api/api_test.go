package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

// The main job over HTTP: ask, send, why, inspect, redeem once, outcome.
func TestAReset(t *testing.T) {
	w := newWorld(t)
	id := w.ask()
	tok := w.send(taken)

	why := w.as(desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example"}`)
	if why.status != 200 || !strings.Contains(why.body, `"reset":"`+string(id)+`"`) {
		t.Errorf("why: %d %s", why.status, why.body)
	}
	if r := w.as(desk.Support, "GET", "/v1/resets/"+string(id), ""); r.status != 200 || r.field(t, "state") != "sent" {
		t.Errorf("reset: %d %s", r.status, r.body)
	}
	body := fmt.Sprintf(`{"token":%q,"realm":"shop"}`, tok)
	if r := w.as(desk.App, "POST", "/v1/tokens/inspect", body); r.status != 200 || r.field(t, "live") != true || r.field(t, "reset") != string(id) {
		t.Errorf("inspect: %d %s", r.status, r.body)
	}
	r := w.as(desk.App, "POST", "/v1/tokens/redeem", body)
	if r.status != 200 || r.field(t, "account") != "u1" || r.field(t, "address") != "jo@shop.example" || r.field(t, "login") != "jo@shop.example" {
		t.Fatalf("redeem: %d %s", r.status, r.body)
	}
	if r := w.as(desk.App, "POST", "/v1/tokens/redeem", body); r.status != 410 || r.code(t) != "used" {
		t.Errorf("redeem again: %d %s", r.status, r.body)
	}
	if r := w.as(desk.App, "POST", "/v1/resets/"+string(id)+"/outcome", `{"result":"done"}`); r.status != 200 {
		t.Errorf("outcome: %d %s", r.status, r.body)
	}
	if r := w.as(desk.Support, "GET", "/v1/resets/"+string(id), ""); r.field(t, "state") != "redeemed" {
		t.Errorf("reset afterwards: %s", r.body)
	}
}

// 200 parallel redeems of one token through two APIs on one store: exactly one gets it, the others are told that it was used.
func TestRedeemExactlyOnce(t *testing.T) {
	w := newWorld(t)
	w.ask()
	body := fmt.Sprintf(`{"token":%q,"realm":"shop"}`, w.send(taken))
	apis := []http.Handler{New(w.opts), New(w.opts)}
	codes := make(chan int, 200)
	for i := range 200 {
		go func() {
			req := httptest.NewRequest("POST", "/v1/tokens/redeem", strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+secretOf(desk.App))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			apis[i%2].ServeHTTP(rec, req)
			codes <- rec.Code
		}()
	}
	count := map[int]int{}
	for range 200 {
		count[<-codes]++
	}
	if count[200] != 1 || count[410] != 199 {
		t.Errorf("answers by status: %v", count)
	}
}

// Every code of a dead token, first that fits.
func TestDeadTokens(t *testing.T) {
	w := newWorld(t)
	w.ask()
	tok := w.send(taken)
	unknown, err := w.tokens.Make(strangeReset, 1, "k1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ code, token, realm string }{
		{"malformed", tok[:20], "shop"},
		{"other_realm", tok, "community"},
		{"unknown", unknown, "shop"},
	} {
		for _, call := range []string{"inspect", "redeem"} {
			r := w.as(desk.App, "POST", "/v1/tokens/"+call, fmt.Sprintf(`{"token":%q,"realm":%q}`, c.token, c.realm))
			if r.status != http.StatusGone || r.code(t) != c.code {
				t.Errorf("%s of %s: %d %s", call, c.code, r.status, r.body)
			}
		}
	}
	w.as(desk.App, "POST", "/v1/reports", `{"realm":"shop","login":"jo@shop.example","kind":"password_set"}`)
	if r := w.as(desk.App, "POST", "/v1/tokens/redeem", fmt.Sprintf(`{"token":%q,"realm":"shop"}`, tok)); r.code(t) != "replaced" {
		t.Errorf("after a password change: %s", r.body)
	}
}

// A role may do only what names it, and nobody without a key may do anything. A forbidden call says so whatever its body.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	w.outside()
	id := "/v1/resets/" + string(strangeReset)
	for _, c := range []struct {
		method, path string
		may          string
	}{
		{"POST", "/v1/resets", "app support admin"},
		{"GET", id, "support admin"},
		{"POST", id + "/resend", "support admin"},
		{"POST", id + "/cancel", "admin"},
		{"POST", id + "/reveal", "admin"},
		{"POST", id + "/outcome", "app"},
		{"POST", "/v1/reports", "app support"},
		{"POST", "/v1/why", "support admin"},
		{"POST", "/v1/tokens/inspect", "app"},
		{"POST", "/v1/tokens/redeem", "app"},
		{"GET", "/v1/suppressions", "admin"},
		{"POST", "/v1/suppressions/lookup", "support admin"},
		{"POST", "/v1/suppressions/release", "admin"},
		{"POST", "/v1/explain", "support admin ops"},
		{"GET", "/v1/domains", "support admin ops"},
		{"POST", "/v1/domains/shop.example/check", "support admin ops"},
		{"POST", "/v1/probes", "support admin ops"},
		{"GET", "/v1/queue", "ops admin"},
		{"POST", "/v1/queue/pause", "ops admin"},
		{"POST", "/v1/queue/resume", "ops admin"},
		{"GET", "/v1/incidents", "ops admin"},
		{"GET", "/v1/incidents/inc_1", "ops admin"},
		{"POST", "/v1/resets/x/packet", "support admin"},
		{"POST", "/v1/incidents/inc_1/resend", "ops admin"},
		{"GET", "/v1/tray", "ops admin"},
		{"POST", "/v1/tray/ret_1/answer", "ops admin"},
		{"GET", "/v1/audit", "admin"},
		{"GET", "/v1/audit/verify", "admin"},
	} {
		body := ""
		if c.method == "POST" {
			body = `{"nonsense":`
		}
		if r := w.try(c.method, c.path, "", body); r.status != 401 || r.code(t) != "unauthenticated" || r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s without a key: %d", c.method, c.path, r.status)
		}
		if r := w.try(c.method, c.path, "secret-of-nobody", body); r.status != 401 {
			t.Errorf("%s %s with a wrong key: %d", c.method, c.path, r.status)
		}
		for _, role := range []desk.Role{desk.App, desk.Support, desk.Admin, desk.Ops} {
			r := w.as(role, c.method, c.path, body)
			allowed := strings.Contains(" "+c.may+" ", " "+string(role)+" ")
			if allowed == (r.status == 403) || r.status == 401 || r.status >= 500 {
				t.Errorf("%s %s as %s: %d %s", c.method, c.path, role, r.status, r.body)
			}
			if !allowed && r.code(t) != "forbidden" {
				t.Errorf("%s %s as %s: code %s", c.method, c.path, role, r.code(t))
			}
		}
	}
}

// The answer to an ask tells nothing about anybody.
func TestTheAnswerToAnAskIsTheSameForAll(t *testing.T) {
	w := newWorld(t)
	var first reply
	for i, login := range []string{"jo@shop.example", "nobody@nowhere.example", "Jo", "日本"} {
		for _, realm := range []string{"shop", "community"} {
			r := w.as(desk.App, "POST", "/v1/resets", fmt.Sprintf(`{"realm":%q,"login":%q}`, realm, login))
			for _, h := range []string{"Date", "X-Request-Id"} {
				r.header.Del(h)
			}
			r.body = strings.Replace(r.body, r.field(t, "reset").(string), "rst", 1)
			if i == 0 && realm == "shop" {
				first = r
			}
			if r.status != first.status || r.body != first.body || fmt.Sprint(r.header) != fmt.Sprint(first.header) {
				t.Errorf("%s in %s: %v, the first was %v", login, realm, r, first)
			}
		}
	}
	if first.status != 202 || first.body != `{"reset":"rst"}`+"\n" {
		t.Errorf("answer: %v", first)
	}
}

func TestAKeyWithRealmsSeesNoOther(t *testing.T) {
	w := newWorld(t)
	r := w.try("POST", "/v1/resets", "secret-of-narrow", `{"realm":"shop","login":"jo@shop.example"}`)
	none := w.try("POST", "/v1/resets", "secret-of-narrow", `{"realm":"no-such","login":"jo@shop.example"}`)
	if r.status != 400 || r.code(t) != "unknown_realm" || r.body != none.body {
		t.Errorf("a realm outside the list: %s, one that does not exist: %s", r.body, none.body)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"/v1", "/v1/nothing", "/v2/resets", "/v1/resets/", "//v1/why", "/v1/../v1/why", "/r/", "/r/a/b", "/favicon.ico"} {
		if r := w.as(desk.Admin, "GET", p, ""); r.status != 404 || r.code(t) != "not_found" || r.header.Get("Location") != "" {
			t.Errorf("%s: %d %s", p, r.status, r.body)
		}
	}
	r := w.as(desk.Admin, "DELETE", "/v1/resets", "")
	if r.status != 405 || r.code(t) != "method_not_allowed" || r.header.Get("Allow") != "POST" {
		t.Errorf("DELETE: %d, Allow %q, %s", r.status, r.header.Get("Allow"), r.body)
	}
	if r := w.as(desk.Admin, "PUT", "/v1/audit", ""); r.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("PUT: Allow %q", r.header.Get("Allow"))
	}
	for _, id := range []string{"rst_1", strings.Replace(string(strangeReset), "rst_", "msg_", 1), string(strangeReset), "%00"} {
		if r := w.as(desk.Admin, "GET", "/v1/resets/"+id, ""); r.status != 404 {
			t.Errorf("reset %s: %d", id, r.status)
		}
	}
}

// A store that does not answer is 503 with a time to try again, and the same on every call.
func TestStoreDown(t *testing.T) {
	w := newWorld(t)
	w.redis.SetError("LOADING the dataset")
	for _, c := range []reply{
		w.as(desk.App, "POST", "/v1/resets", `{"realm":"shop","login":"jo@shop.example"}`),
		w.as(desk.App, "POST", "/v1/resets", `{"realm":"shop","login":"jo@shop.example"}`, "Idempotency-Key", "one"),
		w.as(desk.Admin, "GET", "/v1/queue", ""),
		w.as(desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example"}`),
	} {
		if c.status != 503 || c.code(t) != "unavailable" || c.header.Get("Retry-After") != "5" || strings.Contains(c.body, "LOADING") {
			t.Errorf("%d %s", c.status, c.body)
		}
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	var notReady error
	w.opts.Ready = func(context.Context) error { return notReady }
	w.serve()
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.yaml": 200} {
		if r := w.try("GET", path, "", ""); r.status != status {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	notReady = fmt.Errorf("no worker yet")
	if r := w.try("GET", "/readyz", "", ""); r.status != 503 || r.code(t) != "not_ready" || !strings.Contains(r.body, "no worker yet") {
		t.Errorf("not ready: %d %s", r.status, r.body)
	}
	notReady = &store.Unavailable{Err: errors.New("dial tcp 192.0.2.9:6379")}
	if r := w.try("GET", "/readyz", "", ""); r.status != 503 || strings.Contains(r.body, "192.0.2.9") {
		t.Errorf("store down: %d %s", r.status, r.body)
	}
	if r := w.try("GET", "/healthz", "", ""); r.status != 200 {
		t.Errorf("alive: %d", r.status)
	}
	ops := Ops(w.opts)
	for path, status := range map[string]int{"/healthz": 200, "/metrics": 200, "/v1/queue": 404, "/": 404} {
		rec := newRecorder(ops, "GET", path)
		if rec.Code != status {
			t.Errorf("ops %s: %d", path, rec.Code)
		}
	}
}

// A panic is a 500 and a log line that quotes nothing of the request.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	s := &server{Options: w.opts, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("jo@shop.example did it") })
	rec := newRecorder(s.logged(http.HandlerFunc(s.dispatch)), "GET", "/boom")
	if rec.Code != 500 || !strings.Contains(rec.Body.String(), `"code":"internal"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if l := w.log.String(); !strings.Contains(l, "a request panicked") || strings.Contains(l, "jo@") {
		t.Errorf("log: %s", l)
	}
}

// The log names routes and keys, and never a token, a login, an address or a path.
func TestLogHoldsNoSecrets(t *testing.T) {
	w := newWorld(t)
	id := w.ask()
	tok := w.send(taken)
	w.try("GET", "/r/"+tok+"?from=jo@shop.example", "", "")
	w.try("POST", "/r/"+tok, "", "")
	w.try("GET", "/r/"+tok[:30], "", "")
	w.try("GET", "/nowhere/"+tok, "", "")
	w.try("PUT", "/r/"+tok, "", "")
	w.as(desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example"}`)
	w.as(desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example",}`)
	w.as(desk.App, "POST", "/v1/tokens/redeem", fmt.Sprintf(`{"token":%q,"realm":"shop"}`, tok))
	w.as(desk.Admin, "POST", "/v1/suppressions/lookup", `{"address":"jo@shop.example"}`)
	w.as(desk.Support, "POST", "/v1/resets/"+string(id)+"/resend", `{"reason":"jo called"}`)
	w.opts.PublicURL = "http://127.0.0.1"
	w.serve()
	w.browser().signIn(desk.Support).submit("/console/find", "login", "jo@shop.example", "page", "https://shop.example/x").wants(200)
	w.redis.SetError("down")
	w.try("GET", "/r/"+tok, "", "")
	w.as(desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example"}`)
	l := w.log.String()
	for _, secret := range []string{tok[:12], "jo@", "shop.example", "secret-of", "jo called", "/nowhere", string(id)} {
		if strings.Contains(l, secret) {
			t.Errorf("the log holds %q:\n%s", secret, l)
		}
	}
	for _, want := range []string{`"route":"GET /r/{token}"`, `"route":"POST /v1/why"`, `"key":"key-support"`, `"status":410`, `"route":"none"`, `"route":"POST /console/find"`} {
		if !strings.Contains(l, want) {
			t.Errorf("the log has no %s:\n%s", want, l)
		}
	}
}

func TestPeer(t *testing.T) {
	proxy := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5000", "", "192.0.2.1"},
		{"192.0.2.1:5000", "198.51.100.7", "192.0.2.1"},                          // not a proxy of ours
		{"127.0.0.1:5000", "198.51.100.7", "127.0.0.1"},                          // loopback is trusted only when said
		{"10.1.1.1:5000", "198.51.100.7", "198.51.100.7"},                        // our proxy
		{"10.1.1.1:5000", "203.0.113.9, 198.51.100.7, 10.2.2.2", "198.51.100.7"}, // two proxies; what stands before is the client's word
		{"10.1.1.1:5000", "nonsense", "10.1.1.1"},
		{"[2001:db8::1%eth0]:5000", "", "2001:db8::1"},
		{"[::ffff:192.0.2.1]:5000", "", "192.0.2.1"},
		{"@", "", ""},
	} {
		s := &server{Options: Options{TrustProxy: proxy}}
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.peer(r); got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
}

func TestBearer(t *testing.T) {
	k := newKeyring([]Key{{Name: "a", SHA256: sha256.Sum256([]byte("s3cret"))}})
	for header, want := range map[string]bool{
		"Bearer s3cret": true, "bearer s3cret": true, "Bearer  s3cret ": true,
		"": false, "Bearer": false, "Bearer ": false, "s3cret": false, "Basic s3cret": false, "Bearer s3cre": false, "Bearer s3cretx": false,
	} {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		if _, ok := k.authenticate(r); ok != want {
			t.Errorf("%q: %v", header, ok)
		}
	}
}
