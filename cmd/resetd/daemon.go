package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/api"
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

// parts are what one process runs. serve makes them from a configuration, demo makes them up.
type parts struct {
	log   zerolog.Logger
	redis redis.UniversalClient
	store *store.Store
	keys  []token.Key

	realms    []realm.Realm
	routes    []mailer.Route
	signers   func(domain string) []mailer.Signer
	templates map[string]*mailer.Templates
	resolver  mailer.Resolver
	outside   desk.Outside // its prober speaks with our return paths once the parts are joined
	replies   *reply.Book  // what hosts' words mean; nil = the built-in rules
	publicURL string
	bounceAt  string // bounce domain

	reportBoxes []string // local parts there that take reports about our mail in bulk

	retry                     []time.Duration
	merge                     time.Duration
	accountLimit, sourceLimit store.Limit
	deny                      []netip.Prefix         // no ask from these networks is served
	caps                      map[string]store.Limit // mails by route; absent = no limit
	wakes                     time.Duration          // 0 = the desk's own
	lookout                   time.Duration          // how often incidents are looked for; 0 = the worker's own

	apiKeys []api.Key
	proxies []netip.Prefix    // reverse proxies that are believed
	hooks   []hook.Config     // provider events in, one for each provider
	tellers map[string]string // route -> the provider that tells what becomes of its mails

	// What is nil does not run here.
	mailbox                            *bounce.Mailbox
	apiListen, opsListen, bounceListen net.Listener
	work                               bool
	bounces                            bool // some process takes in returned mail, this one or another
	receives                           bool // some process receives it over SMTP
	canary                             canary

	unused []string // sensors that this configuration does not have

	ready func(context.Context) error // what /readyz asks beside the store; nil = nothing
}

// daemon is the running process.
type daemon struct {
	parts
	tokens   *token.Ring
	sealer   *token.Sealer
	paths    *mailer.Paths
	client   *task.Client
	desk     *desk.Desk
	receiver *bounce.Receiver // nil = returned mail is received elsewhere, or nowhere
	events   *events
	hooked   map[string]api.Hook
}

// assemble joins the parts; nothing runs yet.
func assemble(ctx context.Context, p parts) (*daemon, error) {
	d := &daemon{parts: p, client: task.NewClient(p.redis)}
	var err error
	if d.tokens, err = token.NewRing(p.keys); err != nil {
		return nil, err
	}
	if d.sealer, err = token.NewSealer(p.keys); err != nil {
		return nil, err
	}
	var pathKeys []mailer.Key
	for _, k := range p.keys {
		pathKeys = append(pathKeys, mailer.Key{ID: k.ID, Secret: k.Secret})
	}
	if d.paths, err = mailer.NewPaths(p.bounceAt, pathKeys); err != nil {
		return nil, err
	}
	d.events = newEvents(p.log, p.store, d.sealer, d.client)
	if d.hooked, err = hooks(p.hooks, d.paths, p.store.Now); err != nil {
		return nil, err
	}
	since, err := p.store.Since(ctx)
	if err != nil {
		return nil, err
	}
	d.desk = &desk.Desk{Store: p.store, Ringer: d.client, Tokens: d.tokens, Realms: p.realms, Bounces: p.bounces, Since: since, Wakes: p.wakes, AccountLimit: p.accountLimit}
	if d.desk.Outside = p.outside; p.outside.Prober != nil {
		p.outside.Prober.ReturnPath = probePath(d.paths)
	}
	if d.desk.Rules, err = desk.NewRules(p.replies); err != nil {
		return nil, err
	}
	d.desk.Us.Bounces, d.desk.ReturnPath = p.bounceAt, d.paths.ReturnPath
	if p.receives {
		d.desk.Loops = desk.Loops{Lanes: realm.Lanes(p.realms), Within: p.canary.within, Receives: true, Mailbox: p.canary.mailbox}
	}
	if p.bounceListen != nil {
		d.receiver = &bounce.Receiver{Domain: p.bounceAt, Verify: d.paths.ParseReturnPath, Keep: d.keep, Canary: d.paths.ParseCanary, KeepCanary: d.keepCanary, Boxes: map[string]bounce.Box{}}
		for _, box := range p.reportBoxes {
			d.receiver.Boxes[strings.ToLower(box)] = func(ctx context.Context, raw []byte) error { return d.events.keepReport(ctx, "smtp", "", raw) }
		}
	}
	for _, r := range p.routes {
		d.desk.Us.HELO = r.HELO
		d.desk.Routes = append(d.desk.Routes, desk.Route{Name: r.Name, Smart: r.Smarthost != "", Provider: p.tellers[r.Name]})
	}
	return d, nil
}

// run runs the parts until ctx ends or one of them fails, and then stops them in the order in which mail flows: nothing new comes in,
// what came back is stored, dialogues that have sent their final dot get their answer.
func (d *daemon) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	start := func(what string, f func() error) {
		running.Go(func() {
			if err := f(); err != nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if d.apiListen != nil {
		start("api", func() error { return d.serveHTTP(ctx, "api", d.apiListen, api.New(d.apiOptions(d.opsListen == nil))) })
		start("api", func() error { return d.heartbeat(ctx, "intake") })
		for provider := range d.hooked {
			start("api", func() error {
				return d.every(ctx, store.SensorBeat, func(ctx context.Context) error { return d.events.beat(ctx, provider) })
			})
		}
	}
	if d.opsListen != nil {
		start("ops", func() error { return d.serveHTTP(ctx, "ops", d.opsListen, api.Ops(d.apiOptions(true))) })
	}
	if d.bounceListen != nil {
		start("bounce", func() error { return d.receive(ctx) })
		start("bounce", func() error { return d.heartbeat(ctx, "bounces") })
	}
	if d.mailbox != nil {
		start("bounce mailbox", func() error { return d.fetch(ctx) })
		start("bounce mailbox", func() error { return d.every(ctx, store.SensorBeat, d.mailboxBeat) })
	}
	if d.work {
		start("worker", func() error { return d.newWorker().Run(ctx) })
	}
	start("store", func() error { return d.watch(ctx) })
	start("store", func() error { return d.keepTime(ctx) })
	for _, sensor := range d.unused {
		if err := d.store.Forget(ctx, sensor); err != nil {
			d.log.Warn().Err(err).Str("sensor", sensor).Msg("a sensor that is gone is still on the list")
		}
	}
	<-ctx.Done()
	running.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (d *daemon) apiOptions(metrics bool) api.Options {
	o := api.Options{Desk: d.desk, Keys: d.apiKeys, PublicURL: d.publicURL, TrustProxy: d.proxies, Log: d.log, Ready: d.isReady,
		Hooks: d.hooked, KeepEvents: d.events.keep, RefusedEvents: d.events.refused}
	if metrics {
		o.Metrics = metricsHandler(d.store, d.receiver, d.loops().Every, d.log)
	}
	return o
}

func (d *daemon) isReady(ctx context.Context) error {
	if err := d.store.Ping(ctx); err != nil || d.ready == nil {
		return err
	}
	return d.ready(ctx)
}

// serveHTTP serves until ctx ends, and then lets requests under way finish.
func (d *daemon) serveHTTP(ctx context.Context, part string, l net.Listener, h http.Handler) error {
	srv := api.Server(h)
	srv.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	d.log.Info().Str("part", part).Str("addr", l.Addr().String()).Msg("listening")
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := srv.Shutdown(stop)
	<-done
	return err
}

// receive takes returned mail: sealed and stored before the sender hears 250.
func (d *daemon) receive(ctx context.Context) error {
	r := d.receiver
	d.log.Info().Str("part", "bounce").Str("addr", d.bounceListen.Addr().String()).Msg("listening")
	done := make(chan error, 1)
	go func() { done <- r.Serve(d.bounceListen) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := r.Shutdown(stop)
	<-done
	return err
}

// keep seals and stores one returned mail. What no longer belongs to any record is taken and dropped: an error would make its sender
// try again for days, and there is nothing left that it could tell us.
func (d *daemon) keep(ctx context.Context, id ledger.MessageID, from string, raw []byte) error {
	return d.keepFrom(ctx, store.Origin{Source: "smtp"}, id, raw)
}

func (d *daemon) keepFrom(ctx context.Context, from store.Origin, id ledger.MessageID, raw []byte) error {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return err
	}
	// The same mail for the same message has the same id: its sender may offer it again.
	var seed ledger.Seed
	sum := sha256.Sum256(append([]byte(id), raw...))
	copy(seed[:], sum[:])
	ret := ledger.NewReturnID(p, seed)
	ring, err := d.store.KeepFrom(ctx, from, id, ret, d.sealer.Seal(raw, string(ret)))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrEnough) {
		d.log.Info().Str("mail", string(id)).Str("why", err.Error()).Msg("returned mail dropped")
		return nil
	}
	if err != nil {
		d.log.Warn().Err(err).Str("mail", string(id)).Msg("returned mail not stored; its sender will try again")
		return err
	}
	if err := d.client.Ring(ctx, ring.ID, ring.TaskID()); err != nil {
		d.log.Debug().Err(err).Msg("not rung; the reconciler will")
	}
	return nil
}

// heartbeat says every few seconds that a part that makes facts can see.
func (d *daemon) heartbeat(ctx context.Context, sensor string) error {
	return d.every(ctx, store.SensorBeat, func(ctx context.Context) error { return d.store.Beat(ctx, sensor) })
}

// watch keeps the store's memory in sight.
func (d *daemon) watch(ctx context.Context) error {
	return d.every(ctx, 5*time.Second, d.store.Watch)
}

// keepTime follows the store's clock: after a step of it, all processes agree again within a second.
func (d *daemon) keepTime(ctx context.Context) error {
	return d.every(ctx, time.Second, func(ctx context.Context) error {
		_, err := d.store.SyncClock(ctx)
		return err
	})
}

func (d *daemon) every(ctx context.Context, interval time.Duration, do func(context.Context) error) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, interval)
		if err := do(one); err != nil && ctx.Err() == nil {
			d.log.Warn().Err(err).Msg("the store does not answer")
		}
		cancel()
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// deliverer finds recipients' hosts and policies through the resolver of the checks; without one, the system's finds hosts, and no policy is
// obeyed.
func (d *daemon) deliverer() *mailer.Deliverer {
	m := &mailer.Deliverer{Resolver: d.resolver}
	if deps := d.outside.DNS; deps.DNS != nil {
		m.DNS = deps.DNS
		m.STS = &dnscheck.STSSender{DNS: deps.DNS, HTTP: deps.HTTP, Kept: d.store, Now: d.store.Now}
	}
	return m
}

func (d *daemon) newWorker() *worker.Worker {
	routes := map[string]mailer.Route{}
	for _, r := range d.routes {
		routes[r.Name] = r
	}
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	seed := ledger.NewSeed()
	return &worker.Worker{
		Name:  fmt.Sprintf("%s/%d/%x", host, os.Getpid(), seed[:4]),
		Redis: d.redis, Store: d.store, Tokens: d.tokens, Sealer: d.sealer, Paths: d.paths,
		Mailer: d.deliverer(), Log: d.log,
		Realms: d.realms, Templates: d.templates, Routes: routes, Signers: d.signers, PublicURL: d.publicURL, Domains: d.outside.Domains, DNS: d.outside.DNS,
		Retry: d.retry, Merge: d.merge, AccountLimit: d.accountLimit, SourceLimit: d.sourceLimit, Deny: d.deny, Caps: d.caps, Replies: d.replies, Watch: d.lookout,
		Loops: d.loops(),
	}
}
