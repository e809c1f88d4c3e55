package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
)

// loopWorld is an installation whose mail goes through a relay of a made-up world, to people there and to its own receiver.
type loopWorld struct {
	t            *testing.T
	sim          *sim.World
	relay        *sim.Host
	home         *sim.Host // the MX of home.example
	store        *store.Store
	url          string
	support, ops *api.Client
}

// loopOptions change the world before it starts.
type loopOptions struct {
	within   time.Duration // of a canary; 0 = 20 s
	every    time.Duration
	relay    string // host:port; "" = the world's own
	deaf     bool   // no process receives: the address is there and nobody listens
	split    bool   // API, worker and receiver are three processes that share the store
	bounceAt string // host:port of the receiver; "" = a free one
	mx       bool   // mail goes straight to the MX of each recipient, and so to our own
	noPage   bool   // nobody answers at public_url
	noSPF    bool
}

func newLoopWorld(t *testing.T, o loopOptions) *loopWorld {
	t.Helper()
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	w := &loopWorld{t: t, sim: world}
	w.relay = world.Host("relay.us.example", sim.Smarthost(sim.SmarthostTimes{}))
	w.home = world.Host("mx.home.example", sim.Accept())
	world.Domain("home.example", w.home)
	if o.relay == "" {
		o.relay = w.relay.Addr()
	}
	if o.within == 0 {
		o.within = 20 * time.Second
	}
	if o.bounceAt == "" {
		o.bounceAt = freePort(t)
	}
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), bounceAt: o.bounceAt,
		accounts: []string{account("u1", "jo@home.example"), account("u2", "ann@home.example")},
		routes:   "[[route]]\nname = \"out\"\nsmarthost = \"" + o.relay + "\"\ntls = \"none\"\n"}
	if o.mx {
		in.routes = fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort())
		// As in most installations the MX of the bounce domain has the name that we say in EHLO.
		world.Domain("bounces.us.example", world.Host("mail.us.example", sim.Forward(o.bounceAt)))
	}
	file := in.write()
	if !o.noSPF {
		world.DNS().SetTXT("bounces.us.example", "v=spf1 ip4:127.0.0.0/8 -all")
	} else {
		world.DNS().SetTXT("bounces.us.example", "v=spf1 ip4:192.0.2.1 -all")
	}
	world.DNS().SetTXT("_dmarc.us.example", "v=DMARC1; p=reject")
	in.publishKeys(world)
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listen.Addr().String()
	groups := [][]string{partNames}
	if o.split {
		groups = [][]string{{"api"}, {"worker"}, {"bounce"}}
	}
	var daemons []*daemon
	for _, only := range groups {
		p, err := partsOf(cfg, only, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel))
		if err != nil {
			t.Fatal(err)
		}
		if p.redis, err = store.Open("redis://" + in.redis + "/0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.redis.Close() })
		p.store = store.New(p.redis, store.Options{Retention: time.Hour * 24, Durability: "memory"})
		p.publicURL, p.canary.within, p.canary.every = w.url, o.within, o.every
		if o.noPage {
			p.publicURL = "http://" + freePort(t)
		}
		if slices.Contains(only, "api") {
			p.apiListen = listen
		}
		if slices.Contains(only, "bounce") && !o.deaf {
			if p.bounceListen, err = net.Listen("tcp", in.bounceAt); err != nil {
				t.Fatal(err)
			}
		}
		d, err := assemble(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		daemons = append(daemons, d)
		w.store = p.store
	}
	world.BounceTo("bounces.us.example", in.bounceAt)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, len(daemons))
	for _, d := range daemons {
		go func() { ended <- d.run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range daemons {
			if err := <-ended; err != nil {
				t.Errorf("a process ended with %v", err)
			}
		}
	})
	w.support = &api.Client{URL: w.url, Key: supportSecret}
	w.ops = &api.Client{URL: w.url, Key: opsSecret}
	w.until("the API answers and a worker is there", func() bool { q, err := w.ops.Queue(t.Context()); return err == nil && q.Workers > 0 })
	return w
}

// until asks again until something is so.
func (w *loopWorld) until(what string, ok func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		if wait(ctx, 50*time.Millisecond) != nil {
			w.t.Fatalf("%s: not within a minute", what)
		}
	}
}

// check begins a loop check and waits for its end.
func (w *loopWorld) check() diag.LoopRun {
	w.t.Helper()
	out, err := w.ops.CheckLoop(w.t.Context(), "us.example", "")
	if err != nil || len(out.Loops) != 1 || out.Domain != "us.example" {
		w.t.Fatalf("%+v, %v", out.Loops, err)
	}
	return w.ends(out.Loops[0].Reset)
}

func (w *loopWorld) ends(id ledger.ResetID) (run diag.LoopRun) {
	w.t.Helper()
	w.until("the loop check ends", func() bool {
		if running, err := w.store.RunningLoops(w.t.Context()); err != nil || !running[id].IsZero() {
			return false // not concluded
		}
		views, err := w.ops.Domains(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if len(views[0].Loops) == 0 {
			return false
		}
		run = views[0].Loops[0]
		return run.Reset == id && run.State != "running"
	})
	return run
}

// holds holds a run to the links that must have failed and those that must not have been reached; all others are ok.
func (w *loopWorld) holds(run diag.LoopRun, state string, failed, notReached, unknown []string) {
	w.t.Helper()
	if run.State != state {
		w.t.Errorf("the run is %s, want %s", run.State, state)
	}
	var names []string
	for _, l := range run.Links {
		want := diag.LoopOK
		switch {
		case slices.Contains(failed, l.Name):
			want = diag.LoopFailed
		case slices.Contains(notReached, l.Name):
			want = diag.LoopNotReached
		case slices.Contains(unknown, l.Name):
			want = diag.LoopUnknown
		}
		if l.Result != want {
			w.t.Errorf("%s is %s, want %s: %s", l.Name, l.Result, want, l.Says)
		}
		if l.Says == "" || strings.Contains(l.Says, "@") {
			w.t.Errorf("%s says %q", l.Name, l.Says)
		}
		names = append(names, l.Name)
	}
	if !slices.Equal(names, diag.LoopLinks()) {
		w.t.Errorf("the links are %q", names)
	}
}

// person asks for a reset and waits until why says a cause.
func (w *loopWorld) person(login, cause string) diag.Case {
	w.t.Helper()
	if _, err := (&api.Client{URL: w.url, Key: appSecret}).Request(w.t.Context(), api.AskBody{Realm: "shop", Login: login}); err != nil {
		w.t.Fatal(err)
	}
	return w.why(login, cause)
}

func (w *loopWorld) why(login, cause string) (c diag.Case) {
	w.t.Helper()
	last := ""
	defer func() {
		if w.t.Failed() {
			w.t.Logf("why said %s", last)
		}
	}()
	w.until(fmt.Sprintf("why says %s of %s", cause, login), func() bool {
		cases, err := w.support.Why(w.t.Context(), api.WhyBody{Login: login})
		if err != nil || len(cases) != 1 {
			w.t.Fatalf("%+v, %v", cases, err)
		}
		c = cases[0]
		last = c.Verdict.Cause + ": " + c.Verdict.Says
		return c.Verdict.Cause == cause
	})
	return c
}

// undisturbed holds the realms of people, their numbers and the audit trail to what they were: loop checks leave nothing there.
func (w *loopWorld) undisturbed() {
	w.t.Helper()
	ctx := w.t.Context()
	counters, err := w.store.Counters(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for name := range counters {
		if !strings.HasPrefix(name, "loop_") && name != "domain_errors" && name != "dkim_mismatch" {
			w.t.Errorf("%s was counted", name)
		}
	}
	now := w.store.Now()
	tallies, err := w.store.Tallies(ctx, now.Add(-time.Hour), now, diag.Slice)
	if err != nil || len(tallies) != 0 {
		w.t.Errorf("tallied: %v, %v", tallies, err)
	}
	failing, err := w.store.FailingSince(ctx, now.Add(-time.Hour))
	if err != nil || len(failing) != 0 {
		w.t.Errorf("failing: %v, %v", failing, err)
	}
	incidents, err := w.ops.Incidents(ctx)
	if err != nil || len(incidents) != 0 {
		w.t.Errorf("incidents: %v, %v", incidents, err)
	}
	entries, _, err := (&api.Client{URL: w.url, Key: adminSecret}).Audit(ctx, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action != "loop_check" && e.Action != "audit" && e.Action != "read_reset" {
			w.t.Errorf("audited: %+v", e)
		}
	}
	var p *api.Problem
	if _, err := (&api.Client{URL: w.url, Key: appSecret}).Request(ctx, api.AskBody{Realm: ".canary", Login: "us.example by out #x"}); !errors.As(err, &p) || p.Code != "unknown_realm" || p.Status != http.StatusBadRequest {
		w.t.Errorf("an application may ask in the realm of canaries: %v", err)
	}
}

// behaves changes what the relay does.
func (w *loopWorld) behaves(b sim.Behaviour) {
	w.t.Helper()
	if err := w.relay.Set(b); err != nil {
		w.t.Fatal(err)
	}
}
