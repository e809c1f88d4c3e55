package worker_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/worker"
	"github.com/resetd/resetd/worker/task"
)

// bench is a worker with a real Redis and the mail world of sim around it.
type bench struct {
	t      *testing.T
	world  *sim.World
	store  *store.Store
	client *task.Client
	worker *worker.Worker
	rdb    redis.UniversalClient
	stop   func()
}

func newBench(t *testing.T, change func(*worker.Worker), accounts ...realm.Account) *bench {
	t.Helper()
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	rdb, err := store.Open("redis://" + redistest.Start(t) + "/0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	b := &bench{t: t, world: world, rdb: rdb, store: store.New(rdb, store.Options{Retention: 24 * time.Hour}), client: task.NewClient(rdb)}

	path := filepath.Join(t.TempDir(), "accounts.json")
	var lines []string
	for _, a := range accounts {
		if a.Realm == "" {
			a.Realm = "community"
		}
		if a.State == "" {
			a.State = realm.Active
		}
		row, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(row))
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := realm.NewFile(path)
	key := token.NewKey("k1")
	keys := []token.Key{key}
	ring, _ := token.NewRing(keys)
	sealer, _ := token.NewSealer(keys)
	paths, err := mailer.NewPaths("bounces.us.example", []mailer.Key{{ID: key.ID, Secret: key.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	templates, err := mailer.LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	_, dkim, _ := ed25519.GenerateKey(nil)
	b.worker = &worker.Worker{
		Name: "w1", Redis: rdb, Store: b.store, Tokens: ring, Sealer: sealer, Paths: paths,
		Mailer: &mailer.Deliverer{Resolver: mailer.NewResolver(world.Resolver())},
		Log:    zerolog.New(zerolog.NewTestWriter(t)),
		Realms: []realm.Realm{
			{Name: "community", Login: realm.LoginPassword, ResetURL: "https://us.example/set?t={token}", From: "Us <no-reply@us.example>", Routes: []string{"mx"}, TokenTTL: time.Hour, Directory: dir},
			{Name: "staff", Login: realm.LoginSSO, Provider: realm.Provider{Name: "Acme"}, Directory: dir},
		},
		Templates: map[string]*mailer.Templates{"community": templates},
		Routes:    map[string]mailer.Route{"mx": {Name: "mx", MX: true, Port: world.SMTPPort(), TLS: mailer.TLSOpportunistic, HELO: "mail.us.example", AllowPrivate: true}},
		Signers: func(domain string) []mailer.Signer {
			return []mailer.Signer{{Domain: "us.example", Selector: "s1", Key: dkim}}
		},
		PublicURL: "https://reset.us.example",
		Retry:     []time.Duration{time.Second, 2 * time.Second},
		Merge:     time.Minute, AccountLimit: store.Limit{N: 3, Per: time.Hour},
	}
	if change != nil {
		change(b.worker)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start lets the worker work until stop is called.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.worker.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("worker: %v", err)
		}
		b.stop = func() {}
	}
}

// ask records a request at a time and rings for it.
func (b *bench) ask(login string, at time.Time) ledger.ResetID {
	return b.askIn("community", login, at)
}

func (b *bench) askIn(realmName, login string, at time.Time) ledger.ResetID {
	b.t.Helper()
	seed := ledger.NewSeed()
	p := store.LedgerOf(realmName, login).Partition()
	id := ledger.NewResetID(p, seed)
	ring, err := b.store.Accept(b.t.Context(), ledger.Fact{ID: ledger.NewEventID(), At: at, Event: ledger.Requested, Reset: id,
		Message: ledger.NewMessageID(p, seed.Derive("message")), Ask: &ledger.Ask{Realm: realmName, Login: login}})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.client.Ring(b.t.Context(), ring.ID, ring.TaskID()); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// until reads a reset's record again and again until it is as wanted, and fails with the record when that does not come.
func (b *bench) until(id ledger.ResetID, what string, ok func(*ledger.Reset) bool) *ledger.Reset {
	b.t.Helper()
	at, err := b.store.Find(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var r *ledger.Reset
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		facts, err := b.store.Facts(b.t.Context(), at.Ledger)
		if err != nil {
			b.t.Fatal(err)
		}
		t := ledger.Fold(facts)
		if r = t.Reset(id); r != nil && ok(r) {
			return r
		}
	}
	row, _ := json.MarshalIndent(r, "", " ")
	b.t.Fatalf("never %s: %s", what, row)
	return nil
}

func state(s ledger.State) func(*ledger.Reset) bool {
	return func(r *ledger.Reset) bool { return r.State == s }
}

func jo() realm.Account {
	return realm.Account{ID: "u1", Login: "jo@there.example", Address: "jo@there.example", LoginMethod: realm.LoginPassword}
}

// One ask becomes one mail that carries a link, and the record says which host took it.
func TestAskBecomesMail(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	r := b.until(b.ask("Jo@there.example", time.Now()), "sent", state(ledger.Sent))
	mails, err := mx.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if link := mails[0].Link(); !strings.HasPrefix(link, "https://reset.us.example/r/") || len(link) != len("https://reset.us.example/r/")+token.Len() {
		t.Errorf("link %q", link)
	}
	a := r.Newest().Attempts[0].Attempt
	if a.Host != "mx.there.example" || a.Code != 250 || a.QueueID == "" || a.Outcome != ledger.Accepted || a.Millis == 0 && a.Began.IsZero() {
		t.Errorf("attempt = %+v", a)
	}
	var events []string
	for _, f := range r.Facts {
		events = append(events, string(f.Event))
	}
	if got, want := strings.Join(events, " "), "requested issued composed dialed attempted"; got != want {
		t.Errorf("facts: %s, want %s", got, want)
	}
}

// A greylisting host is asked again after what it said, and then takes the same mail: same Message-ID, same token.
func TestDeferredIsOfferedAgain(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Greylist(time.Second, 1))
	b.world.Domain("there.example", mx)
	r := b.until(b.ask("jo@there.example", time.Now()), "sent", state(ledger.Sent))
	m := r.Newest()
	if len(m.Attempts) != 2 || m.Attempts[0].Attempt.Outcome != ledger.Deferred || m.Attempts[1].Attempt.Try != 2 {
		t.Fatalf("attempts = %+v", m.Attempts)
	}
	if next := m.Attempts[0].Attempt.Next; !next.After(m.Attempts[0].At) {
		t.Errorf("next attempt booked at %v", next)
	}
}

// The reply to the final dot is lost: the mail is offered again, at most three times, with the same Message-ID and link, and is called ambiguous.
func TestLostReplyIsAmbiguous(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.CloseAfterDot())
	b.world.Domain("there.example", mx)
	r := b.until(b.ask("jo@there.example", time.Now()), "settled as ambiguous", func(r *ledger.Reset) bool {
		return r.State == ledger.Unsure && r.Newest().NextAt.IsZero()
	})
	if n := len(r.Newest().Attempts); n != 3 {
		t.Errorf("%d attempts", n)
	}
	mails := mx.Mail()
	if len(mails) != 3 {
		t.Fatalf("%d mails", len(mails))
	}
	for _, m := range mails[1:] {
		if m.Header("Message-Id") != mails[0].Header("Message-Id") || m.Link() != mails[0].Link() {
			t.Error("copies differ")
		}
	}
}

// Every kind of account that may have no mail leaves its reason, and no host hears of it.
func TestRefusals(t *testing.T) {
	acc := func(login string, change func(*realm.Account)) realm.Account {
		a := realm.Account{ID: login, Login: login, Address: login, LoginMethod: realm.LoginPassword}
		change(&a)
		return a
	}
	cases := map[string]struct {
		acc realm.Account
		why ledger.Why
	}{
		"sso@there.example":        {acc("sso@there.example", func(a *realm.Account) { a.LoginMethod = realm.LoginSSO }), ledger.WhySSO},
		"ad@there.example":         {acc("ad@there.example", func(a *realm.Account) { a.LoginMethod = realm.LoginDirectory }), ledger.WhyDirectoryManaged},
		"none@there.example":       {acc("none@there.example", func(a *realm.Account) { a.LoginMethod = realm.LoginNone }), ledger.WhyNoPassword},
		"invited@there.example":    {acc("invited@there.example", func(a *realm.Account) { a.State = realm.Invited }), ledger.WhyInvited},
		"new@there.example":        {acc("new@there.example", func(a *realm.Account) { a.State = realm.NotActivated }), ledger.WhyNotActivated},
		"gone@there.example":       {acc("gone@there.example", func(a *realm.Account) { a.State = realm.Deleted }), ledger.WhyDeleted},
		"held@there.example":       {acc("held@there.example", func(a *realm.Account) { a.State = realm.Suspended }), ledger.WhySuspended},
		"empty@there.example":      {acc("empty@there.example", func(a *realm.Account) { a.Address = "" }), ledger.WhyNoAddress},
		"bad@there.example":        {acc("bad@there.example", func(a *realm.Account) { a.Address = "a b>@there.example" }), ledger.WhyBadAddress},
		"unproven@there.example":   {acc("unproven@there.example", func(a *realm.Account) { a.State = realm.Unverified }), ledger.WhyUnverified},
		"stranger@nowhere.example": {realm.Account{}, ledger.WhyUnknownAddress},
	}
	var accounts []realm.Account
	for _, c := range cases {
		if c.acc.ID != "" {
			accounts = append(accounts, c.acc)
		}
	}
	b := newBench(t, nil, accounts...)
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	for login, c := range cases {
		r := b.until(b.ask(login, time.Now()), "refused", state(ledger.IsRefused))
		if r.Refusal == nil || r.Refusal.Why != c.why {
			t.Errorf("%s: %+v, want %s", login, r.Refusal, c.why)
		}
	}
	if r := b.until(b.askIn("staff", "anybody@there.example", time.Now()), "refused", state(ledger.IsRefused)); r.Refusal.Why != ledger.WhySSO || r.Refusal.Provider != "Acme" {
		t.Errorf("asked in an SSO realm: %+v", r.Refusal)
	}
	if n := mx.Counts().Connections; n != 0 {
		t.Errorf("%d connections to the host", n)
	}
}

// A second ask within the merge window is served by the first mail; the fourth within the hour is one too many.
func TestMergeAndThrottle(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	now := time.Now()
	first := b.ask("jo@there.example", now)
	b.until(first, "sent", state(ledger.Sent))
	if r := b.until(b.ask("jo@there.example", now.Add(30*time.Second)), "refused", state(ledger.IsRefused)); r.Refusal.Why != ledger.WhyMerged || r.Refusal.First != first {
		t.Errorf("second: %+v", r.Refusal)
	}
	for i := 1; i <= 2; i++ {
		b.until(b.ask("jo@there.example", now.Add(time.Duration(i)*2*time.Minute)), "sent", state(ledger.Sent))
	}
	r := b.until(b.ask("jo@there.example", now.Add(10*time.Minute)), "refused", state(ledger.IsRefused))
	if r.Refusal.Why != ledger.WhyThrottled || r.Refusal.Count != 3 || r.Refusal.Limit != "3/1h" || r.Refusal.Until.Sub(now).Round(time.Second) != time.Hour {
		t.Errorf("fourth: %+v", r.Refusal)
	}
}

// Two final refusals of one address on two messages suppress it: the third ask is refused, with the refusal as proof.
func TestSuppressionNeedsTwo(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.UnknownMailbox())
	b.world.Domain("there.example", mx)
	now := time.Now()
	one := b.until(b.ask("jo@there.example", now), "failed", state(ledger.IsFailed))
	if sup, err := b.store.Suppressed(t.Context(), "jo@there.example"); sup != nil || err != nil {
		t.Fatalf("suppressed after one refusal: %+v, %v", sup, err)
	}
	two := b.until(b.ask("jo@there.example", now.Add(2*time.Minute)), "failed", state(ledger.IsFailed))
	three := b.until(b.ask("jo@there.example", now.Add(4*time.Minute)), "refused", state(ledger.IsRefused))
	if three.Refusal.Why != ledger.WhySuppressed || three.Refusal.Evidence != two.Newest().Attempts[0].ID || three.Refusal.Until.Before(now.Add(29*24*time.Hour)) {
		t.Errorf("third: %+v", three.Refusal)
	}
	sup, _ := b.store.Suppressed(t.Context(), "jo@THERE.example")
	if sup == nil || len(sup.Evidence) != 2 || sup.Evidence[0] != one.Newest().Attempts[0].ID {
		t.Errorf("suppression = %+v", sup)
	}
	if sup, _ := b.store.Suppressed(t.Context(), "Jo@there.example"); sup != nil {
		t.Error("another local part is held too")
	}
}

// A directory that does not answer puts the decision off, and is asked again.
func TestSilentDirectoryIsAskedAgain(t *testing.T) {
	b := newBench(t, nil)
	d := b.world.Directory(sim.Account{ID: "u1", Realm: "club", Login: "jo@there.example", Address: "jo@there.example", State: "active", LoginMethod: "password"})
	d.Misbehave(sim.Fails)
	b.stop()
	club := b.worker.Realms[0]
	club.Name, club.Directory = "club", realm.NewHTTP(d.URL(), realm.HTTPOptions{AllowPrivate: true})
	b.worker.Realms = append(b.worker.Realms, club)
	b.worker.Templates["club"] = b.worker.Templates["community"]
	b.start()
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	id := b.askIn("club", "jo@there.example", time.Now())
	r := b.until(id, "put off", func(r *ledger.Reset) bool { return r.Newest().Delay != nil })
	if r.State != ledger.Waiting || r.Newest().Delay.Why != "directory_unavailable" || r.Newest().NextAt.IsZero() {
		t.Errorf("%+v", r.Newest())
	}
	d.Misbehave(sim.Healthy)
	b.until(id, "sent", state(ledger.Sent))
}

// A stop leaves a dialogue that has not reached its final dot, and waits for the answer to one that has.
func TestStopNeverCutsAfterTheDot(t *testing.T) {
	release, seen := make(chan struct{}), make(chan string, 1)
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.HoldDot(release, seen))
	b.world.Domain("there.example", mx)
	id := b.ask("jo@there.example", time.Now())
	<-seen
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("the worker stopped while a final dot was unanswered")
	case <-time.After(300 * time.Millisecond):
	}
	close(release)
	<-stopped
	b.until(id, "sent", state(ledger.Sent))
}

// Payloads in the queue are ids, nothing else.
func TestPayloadsAreIDs(t *testing.T) {
	b := newBench(t, nil, jo())
	b.stop()
	b.ask("jo@there.example", time.Now())
	keys, err := b.rdb.Keys(t.Context(), "asynq:*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	for _, k := range keys {
		dump := fmt.Sprint(b.rdb.HGetAll(t.Context(), k).Val())
		if strings.Contains(k, "@") || strings.Contains(dump, "there.example") {
			t.Errorf("%s holds an address: %q", k, dump)
		}
	}
}
