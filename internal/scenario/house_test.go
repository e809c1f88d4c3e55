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
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/mailer/bounce"
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
	worker func() *worker.Worker
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
	routes := map[string]mailer.Route{}
	for _, r := range f.cfg.Routes {
		routes[r.Name] = f.route(r)
		f.desk.Routes = append(f.desk.Routes, desk.Route{Name: r.Name, Smart: r.Smarthost != ""})
	}
	templates := map[string]*mailer.Templates{}
	for _, r := range f.cfg.Realms() {
		templates[r.Name], err = mailer.LoadTemplates(r.Templates)
		must(err)
	}
	f.worker = func() *worker.Worker {
		seed := ledger.NewSeed()
		w := &worker.Worker{
			Name: "fast/" + hex.EncodeToString(seed[:4]), Redis: rdb, Store: f.store, Tokens: ring, Sealer: sealer, Paths: f.paths,
			Mailer: &mailer.Deliverer{Resolver: mailer.NewResolver(f.cfg.DNS.Resolver)}, Log: f.log, Realms: f.desk.Realms, Templates: templates,
			Routes: routes, Signers: f.signers, PublicURL: f.cfg.HTTP.PublicURL, Merge: time.Duration(f.cfg.Throttle.Merge), Concurrency: 8,
			AccountLimit: store.Limit{N: f.cfg.Throttle.Account.N, Per: time.Duration(f.cfg.Throttle.Account.Per)},
			SourceLimit:  store.Limit{N: f.cfg.Throttle.Source.N, Per: time.Duration(f.cfg.Throttle.Source.Per)},
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
	srv := httptest.NewServer(api.New(api.Options{Desk: f.desk, Keys: f.keys(), PublicURL: f.cfg.HTTP.PublicURL, Log: f.log, Ready: f.store.Ping}))
	t.Cleanup(srv.Close)
	f.House = House{URL: srv.URL, Secrets: secrets(), Stage: st, Bounces: f.bounces, Advance: f.advance, Parts: f.parts}
	f.start("intake", func(ctx context.Context) { f.beat(ctx, "intake") })
	if f.desk.Bounces {
		must(f.parts(t.Context(), "receiver", "starts"))
	}
	must(f.parts(t.Context(), "worker", "starts"))
	t.Cleanup(f.stopAll)
	return f
}

func (f *fast) route(r config.Route) mailer.Route {
	route := mailer.Route{Name: r.Name, Smarthost: r.Smarthost, MX: r.MX, Port: r.Port, TLS: mailer.TLSMode(r.TLS), Username: r.Username, Password: string(r.Password),
		HELO: f.cfg.SMTP.Helo, AllowPrivate: true}
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
	f.Stage.Sim.Advance(d)
	_, err := f.store.SyncClock(ctx)
	return err
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
		w := f.worker()
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
	for _, part := range []string{"worker", "receiver", "intake"} {
		if stop := f.stop[part]; stop != nil {
			stop()
		}
	}
}
