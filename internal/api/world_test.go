package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// world is a desk with an API in front of it, on a Redis in memory. No worker runs: send plays one.
type world struct {
	t      *testing.T
	redis  *miniredis.Miniredis
	store  *store.Store
	tokens *token.Ring
	rung   *bell
	desk   *desk.Desk
	log    *lockedBuffer
	opts   Options
	web    *httptest.Server
}

type bell struct {
	mu   sync.Mutex
	work []string
}

func (b *bell) Ring(_ context.Context, id, _ string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.work = append(b.work, id)
	return nil
}

func (b *bell) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.work[len(b.work)-1]
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// people is a directory that is a map from login to account.
type people map[string]realm.Account

func (p people) Lookup(_ context.Context, _, login string) (realm.Found, error) {
	if a, ok := p[realm.Normal(login)]; ok {
		return realm.Found{Accounts: []realm.Account{a}}, nil
	}
	return realm.Found{}, nil
}

func keyHash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// secretOf is the API key of a role in these tests.
func secretOf(role desk.Role) string { return "secret-of-" + string(role) }

func newWorld(t *testing.T) *world {
	t.Helper()
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { rdb.Close() })
	ring, err := token.NewRing([]token.Key{{ID: "k1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, redis: m, store: store.New(rdb, store.Options{Retention: 720 * time.Hour, Durability: "memory"}), tokens: ring, rung: &bell{}, log: &lockedBuffer{}}
	w.desk = &desk.Desk{
		Store: w.store, Ringer: w.rung, Tokens: ring, Bounces: true, Since: time.Now().Add(-24 * time.Hour),
		Routes: []desk.Route{{Name: "relay", Smart: true}, {Name: "direct"}},
		Realms: []realm.Realm{
			{Name: "shop", Login: realm.LoginPassword, Pages: []string{"https://shop.example/"}, ResetURL: "https://shop.example/reset?token={token}", TokenTTL: time.Hour, Routes: []string{"relay"},
				Directory: people{"jo@shop.example": {ID: "u1", Realm: "shop", Login: "jo@shop.example", Address: "jo@shop.example", State: realm.Active, LoginMethod: realm.LoginPassword}}},
			{Name: "community", Login: realm.LoginSSO, Pages: []string{"https://community.example/"}, ResetURL: "https://community.example/reset?token={token}", TokenTTL: time.Hour,
				Provider: realm.Provider{Name: "Company SSO", URL: "https://sso.example/"}, Directory: people{}},
		},
	}
	w.opts = Options{Desk: w.desk, Log: zerolog.New(w.log), PublicURL: "https://reset.example",
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "resetd_up 1\n") })}
	for _, r := range []desk.Role{desk.App, desk.Support, desk.Admin, desk.Ops} {
		w.opts.Keys = append(w.opts.Keys, Key{Name: "key-" + string(r), Role: r, SHA256: keyHash(secretOf(r))})
	}
	w.opts.Keys = append(w.opts.Keys, Key{Name: "key-narrow", Role: desk.App, Realms: []string{"community"}, SHA256: keyHash("secret-of-narrow")})
	w.serve()
	return w
}

// serve starts the server with the options as they are now.
func (w *world) serve() {
	if w.web != nil {
		w.web.Close()
	}
	w.web = httptest.NewServer(New(w.opts))
	w.t.Cleanup(w.web.Close)
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) field(t *testing.T, name string) any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("no JSON: %s", r.body)
	}
	return m[name]
}

func (r reply) code(t *testing.T) string {
	t.Helper()
	if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("no problem, but %s: %s", ct, r.body)
	}
	s, _ := r.field(t, "code").(string)
	return s
}

// try sends a request; headers come in pairs.
func (w *world) try(method, path, secret, body string, headers ...string) reply {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, w.web.URL+path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

func (w *world) as(role desk.Role, method, path, body string, headers ...string) reply {
	w.t.Helper()
	return w.try(method, path, secretOf(role), body, headers...)
}

// ask starts a reset for jo and returns its id.
func (w *world) ask() ledger.ResetID {
	w.t.Helper()
	r := w.as(desk.App, "POST", "/v1/resets", `{"realm":"shop","login":"jo@shop.example","page":"https://shop.example/login"}`)
	if r.status != http.StatusAccepted {
		w.t.Fatalf("asking: %d %s", r.status, r.body)
	}
	return ledger.ResetID(r.field(w.t, "reset").(string))
}

// send plays the worker for the last work that was rung: a token is issued and a host answers as told. It returns the token.
func (w *world) send(a ledger.Attempt) string {
	w.t.Helper()
	ctx := context.Background()
	c, err := w.store.Claim(ctx, w.rung.last(), "test", 30*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.store.Now()
	a.Try, a.Route, a.Began = 1, "relay", now
	fact := func(e ledger.Event) ledger.Fact {
		return ledger.Fact{ID: ledger.NewEventID(), At: now, Event: e, Reset: c.Reset, Message: ledger.MessageID(c.ID)}
	}
	issued, composed, dialed, attempted := fact(ledger.Issued), fact(ledger.Composed), fact(ledger.Dialed), fact(ledger.Attempted)
	issued.Issue = &ledger.Issue{Generation: 1, KeyID: "k1", TTL: 3600, Until: now.Add(24 * time.Hour), Account: "u1", Address: "jo@shop.example", Route: "relay"}
	composed.Composition = &ledger.Composition{MessageID: "<1@bounces.example>", From: "shop@shop.example", Locale: "en", Size: 2000, LinkHost: "reset.example"}
	dialed.Attempt = &ledger.Attempt{Try: 1, Route: "relay"}
	attempted.Attempt = &a
	if err := w.store.Intend(ctx, c, issued, composed, dialed); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Settle(ctx, c, store.Plan{}, attempted); err != nil {
		w.t.Fatal(err)
	}
	tok, err := w.tokens.Make(c.Reset, 1, "k1")
	if err != nil {
		w.t.Fatal(err)
	}
	return tok
}

// taken is the reply of a host that takes the mail.
var taken = ledger.Attempt{Host: "mx.relay.example", IP: "192.0.2.25", TLS: "TLS 1.3", Stage: "dot", Code: 250, Enhanced: "2.0.0", Text: "250 2.0.0 Ok: queued as 4XyZ", QueueID: "4XyZ", Outcome: ledger.Accepted}

// refusedMailbox is the reply of a host that knows no such mailbox.
var refusedMailbox = ledger.Attempt{Host: "mx.shop.example", IP: "192.0.2.26", TLS: "TLS 1.3", Stage: "rcpt", Code: 550, Enhanced: "5.1.1", Text: "550 5.1.1 <jo@shop.example>: Recipient address rejected: User unknown", Outcome: ledger.Rejected}

// strangeReset is the id of a reset that never was.
var strangeReset = ledger.NewResetID(3, ledger.Seed{9})

// suppress puts an address on the stop list, as two refusals on different messages do.
func (w *world) suppress(address string) {
	w.t.Helper()
	for i := range 2 {
		m := ledger.NewMessageID(1, ledger.NewSeed())
		sup, err := w.store.Fault(context.Background(), address, m, ledger.NewEventID(), w.store.Now(), "recipient.unknown_mailbox", "550 5.1.1 User unknown")
		if err != nil || i == 1 && sup == nil {
			w.t.Fatalf("suppressing: %v, %v", sup, err)
		}
	}
}
