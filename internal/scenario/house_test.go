package scenario

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/mailer/bounce"
	"github.com/resetd/resetd/mailer/bounce/hook"
	"github.com/resetd/resetd/worker"
	"github.com/resetd/resetd/worker/task"
)

// fast is a house in this process: the real desk, worker, receiver and API, a Redis in memory, and a clock that is moved.
type fast struct {
	House
	t      testing.TB
	log    zerolog.Logger
	cfg    *config.Config
	store  *store.Store
	desk   *desk.Desk
	worker func(without string) *worker.Worker
	keep   func(context.Context, ledger.MessageID, string, []byte) error
	paths  *mailer.Paths

	mu       sync.Mutex
	receiver net.Addr          // guarded by mu; nil while it is stopped
	stop     map[string]func() // guarded by mu; by part
}

func secrets() map[string]string {
	return map[string]string{"app": "secret-of-app", "support": "secret-of-support", "admin": "secret-of-admin", "ops": "secret-of-ops"}
}

func newFast(t testing.TB, s *Scenario) *fast {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f := &fast{t: t, stop: map[string]func(){}, log: zerolog.Nop()}
	if os.Getenv("SCENARIO_LOG") != "" {
		f.log = zerolog.New(zerolog.NewTestWriter(t))
	}
	st, err := Build(t.TempDir(), s.World, s.Files, Options{SimRedis: true, PublicURL: "https://reset." + OurDomain, Secrets: secrets()})
	must(err)
	t.Cleanup(func() { st.Close() })
	f.cfg, err = config.Load(st.File, nil)
	must(err)
	rdb, err := store.Open(string(f.cfg.Store.Redis))
	must(err)
	t.Cleanup(func() { rdb.Close() })
	f.store = store.New(rdb, store.Options{Retention: time.Duration(f.cfg.Store.Retention), Durability: "memory"})
	must(f.store.Ping(t.Context()))
	f.Stage = st
	must(f.advance(t.Context(), 0))

	var keys []token.Key
	var pathKeys []mailer.Key
	for _, k := range f.cfg.TokenKeys() {
		keys = append(keys, token.Key{ID: k.ID, Secret: k.Secret})
		pathKeys = append(pathKeys, mailer.Key{ID: k.ID, Secret: k.Secret})
	}
	ring, err := token.NewRing(keys)
	must(err)
	sealer, err := token.NewSealer(keys)
	must(err)
	f.paths, err = mailer.NewPaths(BounceDomain, pathKeys)
	must(err)
	since, err := f.store.Since(t.Context())
	must(err)
	client := task.NewClient(rdb)
	f.desk = &desk.Desk{Store: f.store, Ringer: client, Tokens: ring, Realms: f.cfg.Realms(), Bounces: f.cfg.SMTP.BounceListen != "", Since: since}
	f.desk.AccountLimit = store.Limit{N: f.cfg.Throttle.Account.N, Per: time.Duration(f.cfg.Throttle.Account.Per)}
	f.desk.Outside.Domains, f.desk.Outside.DNS = f.domains()
	routes, caps, tellers := map[string]mailer.Route{}, map[string]store.Limit{}, map[string]string{}
	for _, h := range f.cfg.Hooks {
		for _, r := range h.Routes {
			tellers[r] = h.Provider
		}
	}
	for _, r := range f.cfg.Routes {
		routes[r.Name] = f.route(r)
		f.desk.Routes = append(f.desk.Routes, desk.Route{Name: r.Name, Smart: r.Smarthost != "", Provider: tellers[r.Name]})
		if !r.Cap.Off() {
			caps[r.Name] = store.Limit{N: r.Cap.N, Per: r.Cap.Per}
		}
	}
	templates := map[string]*mailer.Templates{}
	for _, r := range f.cfg.Realms() {
		templates[r.Name], err = mailer.LoadTemplates(r.Templates)
		must(err)
	}
	dns := &dnscheck.Resolver{Servers: []string{f.cfg.DNS.Resolver}}
	f.worker = func(without string) *worker.Worker {
		seed := ledger.NewSeed()
		w := &worker.Worker{
			Name: "fast/" + hex.EncodeToString(seed[:4]), Redis: rdb, Store: f.store, Tokens: ring, Sealer: sealer, Paths: f.paths,
			Mailer: &mailer.Deliverer{Resolver: mailer.NewResolver(f.cfg.DNS.Resolver), DNS: dns, STS: &dnscheck.STSSender{DNS: dns, Kept: f.store, Now: f.store.Now}}, Log: f.log, Realms: f.desk.Realms, Templates: templates,
			Routes: routes, Signers: f.signers, PublicURL: f.cfg.HTTP.PublicURL, Merge: time.Duration(f.cfg.Throttle.Merge), Concurrency: 8,
			AccountLimit: store.Limit{N: f.cfg.Throttle.Account.N, Per: time.Duration(f.cfg.Throttle.Account.Per)},
			SourceLimit:  store.Limit{N: f.cfg.Throttle.Source.N, Per: time.Duration(f.cfg.Throttle.Source.Per)},
			Deny:         f.cfg.Denied(), Caps: caps, Domains: f.desk.Outside.Domains, DNS: f.desk.Outside.DNS,
		}
		w.Realms = slices.DeleteFunc(slices.Clone(w.Realms), func(r realm.Realm) bool { return r.Name == without })
		if s.Slow() {
			w.Mailer.Limits.Dial = 2 * time.Second // no story has the half minute of real life
		}
		for _, g := range f.cfg.Delivery.Retry {
			w.Retry = append(w.Retry, time.Duration(g))
		}
		return w
	}
	f.keep = func(ctx context.Context, id ledger.MessageID, _ string, raw []byte) error {
		p, err := ledger.Partition(string(id))
		if err != nil {
			return err
		}
		var seed ledger.Seed
		sum := sha256.Sum256(append([]byte(id), raw...))
		copy(seed[:], sum[:])
		ret := ledger.NewReturnID(p, seed)
		r, err := f.store.Keep(ctx, id, ret, sealer.Seal(raw, string(ret)))
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrEnough) {
			return nil
		}
		if err != nil {
			return err
		}
		return client.Ring(ctx, r.ID, r.TaskID())
	}
	srv := httptest.NewServer(api.New(api.Options{Desk: f.desk, Keys: f.keys(), PublicURL: f.cfg.HTTP.PublicURL, Log: f.log, Ready: f.store.Ping,
		Hooks: f.hooks(), KeepEvents: f.keepEvents(sealer, client)}))
	t.Cleanup(srv.Close)
	f.House = House{URL: srv.URL, Secrets: secrets(), Stage: st, Bounces: f.bounces, Advance: f.advance, Parts: f.parts, Step: f.step, Lose: f.lose}
	f.start("intake", func(ctx context.Context) { f.beat(ctx, "intake") })
	if f.desk.Bounces {
		must(f.parts(t.Context(), "receiver", "starts"))
	}
	must(f.parts(t.Context(), "worker", "starts"))
	t.Cleanup(f.stopAll)
	return f
}

// domains are ours, each with how it is meant to send, and whom the checks of them ask.
func (f *fast) domains() ([]dnscheck.Question, dnscheck.Deps) {
	dns, err := dnscheck.NewResolver(f.cfg.DNS.Resolver)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []dnscheck.Question
	for _, d := range f.cfg.Domains {
		q := dnscheck.Question{Domain: d.Name, EnvelopeDomain: f.cfg.SMTP.BounceDomain, IPs: f.cfg.OutgoingIPs(), HELO: f.cfg.SMTP.Helo}
		for _, s := range f.cfg.DKIM(d.Name) {
			q.Selectors = append(q.Selectors, dnscheck.Selector{Name: s.Selector, Public: s.Key.Public()})
		}
		out = append(out, q)
	}
	return out, dnscheck.Deps{DNS: dns, Lists: dnscheck.Blocklists()}
}

func (f *fast) hooks() map[string]api.Hook {
	out := map[string]api.Hook{}
	for _, h := range f.cfg.Hooks {
		r, err := hook.New(hook.Config{Provider: h.Provider, Secret: string(h.Secret), Topics: h.Topics, Now: f.store.Now, Own: f.paths.ParseMessageIDHeader})
		if err != nil {
			f.t.Fatal(err)
		}
		out[h.Provider] = r
		f.start("events of "+h.Provider, func(ctx context.Context) { f.beat(ctx, "events:"+h.Provider) })
	}
	return out
}

// keepEvents stores what a provider says, as work for the worker.
func (f *fast) keepEvents(sealer *token.Sealer, client *task.Client) func(context.Context, string, string, hook.Batch) error {
	return func(ctx context.Context, provider, name string, b hook.Batch) error {
		telling, _ := b.Telling()
		if len(telling) == 0 {
			return nil
		}
		raw, err := hook.Unit{Source: provider, Events: telling}.Encode()
		if err != nil {
			return err
		}
		id := store.UnitID(provider, name)
		ring, isNew, err := f.store.KeepUnit(ctx, id, sealer.Seal(raw, string(id)))
		if err != nil || !isNew {
			return err
		}
		return client.Ring(ctx, ring.ID, ring.TaskID())
	}
}

func (f *fast) route(r config.Route) mailer.Route {
	route := mailer.Route{Name: r.Name, Smarthost: r.Smarthost, MX: r.MX, Port: r.Port, TLS: mailer.TLSMode(r.TLS), Username: r.Username, Password: string(r.Password),
		HELO: f.cfg.SMTP.Helo, AllowPrivate: true, MTASTS: r.MTASTS, DANE: r.DANE}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			f.t.Fatal(err)
		}
		route.RootCAs = x509.NewCertPool()
		route.RootCAs.AppendCertsFromPEM(pem)
	}
	return route
}

func (f *fast) signers(domain string) []mailer.Signer {
	var out []mailer.Signer
	for _, s := range f.cfg.DKIM(domain) {
		out = append(out, mailer.Signer{Domain: s.Domain, Selector: s.Selector, Key: s.Key})
	}
	return out
}

func (f *fast) keys() []api.Key {
	var out []api.Key
	for role, secret := range secrets() {
		out = append(out, api.Key{Name: "story-" + role, Role: desk.Role(role), SHA256: sha256.Sum256([]byte(secret))})
	}
	return out
}

// advance moves the clock of the house: the store's, and with it everybody's.
func (f *fast) advance(ctx context.Context, d time.Duration) error {
	return f.move(ctx, d, f.Stage.Sim.Advance)
}

// step moves the clock of the store, and with it resetd's, and nobody else's.
func (f *fast) step(ctx context.Context, d time.Duration) error {
	return f.move(ctx, d, f.Stage.Sim.StepRedis)
}

func (f *fast) move(ctx context.Context, d time.Duration, by func(time.Duration)) error {
	f.mu.Lock()
	var stopped []string
	for sensor, part := range map[string]string{"bounces": "receiver", "worker": "worker"} {
		if f.stop[part] == nil {
			stopped = append(stopped, sensor)
		}
	}
	f.mu.Unlock()
	if err := f.store.Carry(ctx, f.store.Now().Add(d), stopped...); err != nil {
		return err
	}
	by(d)
	_, err := f.store.SyncClock(ctx)
	return err
}

// lose takes the queue out of the store and leaves the ledgers.
func (f *fast) lose(ctx context.Context) error {
	rdb, err := store.Open(string(f.cfg.Store.Redis))
	if err != nil {
		return err
	}
	defer rdb.Close()
	for _, pattern := range QueueKeys() {
		keys, err := rdb.Keys(ctx, pattern).Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := rdb.Del(ctx, keys...).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// start runs a part until its stop is called.
func (f *fast) start(part string, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx) }()
	f.stop[part] = func() { cancel(); <-done }
}

func (f *fast) beat(ctx context.Context, sensor string) {
	for {
		if err := f.store.Beat(ctx, sensor); err != nil && ctx.Err() == nil {
			f.t.Errorf("%s: %v", sensor, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(store.SensorBeat):
		}
	}
}

// parts stops and starts. What crashes here only stops: the black-box house kills.
func (f *fast) parts(_ context.Context, part, what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	what, without, _ := strings.Cut(what, " without ")
	if what != "starts" {
		if f.stop[part] == nil {
			return errors.New("it does not run")
		}
		f.stop[part]()
		delete(f.stop, part)
		if part == "receiver" {
			f.receiver = nil
		}
		return nil
	}
	if part == "worker" {
		w := f.worker(without)
		f.start(part, func(ctx context.Context) {
			if err := w.Run(ctx); err != nil {
				f.t.Errorf("worker: %v", err)
			}
		})
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.receiver = l.Addr()
	r := &bounce.Receiver{Domain: BounceDomain, Verify: f.paths.ParseReturnPath, Keep: f.keep}
	f.start(part, func(ctx context.Context) {
		served := make(chan error, 1)
		go func() { served <- r.Serve(l) }()
		f.beat(ctx, "bounces")
		_ = r.Shutdown(context.Background())
		<-served
	})
	return nil
}

func (f *fast) bounces() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.receiver == nil {
		return ""
	}
	return f.receiver.String()
}

func (f *fast) stopAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Stage.release()
	for _, stop := range f.stop {
		stop()
	}
}
