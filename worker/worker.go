// Package worker is everything that happens by itself: it is woken by the queue, claims work in the record, does it, and turns what the
// packages that touch the world saw into facts. It is the one place where that is done.
package worker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/mailer/bounce"
	"github.com/resetd/resetd/worker/task"
)

// Worker does the work. Its fields are set once, before Run.
type Worker struct {
	Name   string // unique among all workers; shows in claims
	Redis  redis.UniversalClient
	Store  *store.Store
	Tokens *token.Ring
	Sealer *token.Sealer
	Paths  *mailer.Paths
	Mailer *mailer.Deliverer
	Log    zerolog.Logger

	Realms    []realm.Realm
	Templates map[string]*mailer.Templates // by realm name
	Routes    map[string]mailer.Route
	Signers   func(domain string) []mailer.Signer
	PublicURL string
	Domains   []dnscheck.Question // our domains, and how each is meant to send
	DNS       dnscheck.Deps       // whom the checks of these ask; nil DNS in it = they are not checked

	Replies *reply.Book // what hosts' words mean; nil = the built-in rules

	Retry        []time.Duration // gaps between attempts; the last repeats while the link lives
	Merge        time.Duration   // a second ask within this uses the first mail; 0 = never merged
	AccountLimit store.Limit
	SourceLimit  store.Limit
	Deny         []netip.Prefix         // networks from which no ask is served
	Caps         map[string]store.Limit // by route: mails that may leave in a time; absent = no limit

	Concurrency int           // messages at a time; 0 = 64
	FinalDot    time.Duration // how long the reply to a final dot may take: a stop waits for it; 0 = 10 min
	Lease       time.Duration // how long a claim holds without renewal; 0 = 12 s
	Watch       time.Duration // how often incidents are looked for; 0 = 30 s
	SeekKeys    time.Duration // how often the records of keys that were never seen are looked for; 0 = 1 min

	Loops Loops // loop checks

	client *task.Client
	reader bounce.Reader // of returned mail, by Replies
	tally  tally
	dns    domains
	loops  loops
}

// The times of a claim. After a crash, the next attempt begins once the lease is over (12 s at most), the reconciler has looked (1 s) and
// a worker has been woken: within 25 s.
const (
	leaseFor    = 12 * time.Second
	reconcileAt = time.Second
)

// Run works until ctx ends, and then until every dialogue that has sent its final dot has its answer.
func (w *Worker) Run(ctx context.Context) error {
	if w.Lease == 0 {
		w.Lease = leaseFor
	}
	if w.Concurrency == 0 {
		w.Concurrency = 64
	}
	if w.FinalDot == 0 {
		w.FinalDot = 10 * time.Minute
	}
	if len(w.Retry) == 0 {
		return errors.New("worker: no retry gaps are configured")
	}
	if w.Watch == 0 {
		w.Watch = watchAt
	}
	if w.SeekKeys == 0 {
		w.SeekKeys = seekKeysAt
	}
	var err error
	if w.reader, err = bounce.NewReader(w.Replies); err != nil {
		return fmt.Errorf("worker: rules for replies: %w", err)
	}
	w.client = task.NewClient(w.Redis)
	w.learnKeys(ctx)
	w.dns.cache = &dnscheck.Cache{DNS: w.DNS.DNS, Now: w.Store.Now}

	srv := asynq.NewServerFromRedisClient(w.Redis, asynq.Config{
		Concurrency:       w.Concurrency,
		Queues:            map[string]int{task.Queue: 1},
		TaskCheckInterval: 200 * time.Millisecond,
		ShutdownTimeout:   w.FinalDot + time.Minute,
		// The schedule is ours: to asynq nothing fails and nothing is tried again.
		IsFailure: func(error) bool { return false },
		BaseContext: func() context.Context {
			return context.WithoutCancel(ctx)
		},
		Logger:   queueLog{w.Log},
		LogLevel: asynq.WarnLevel,
	})
	mux := asynq.NewServeMux()
	handle := func(do func(context.Context, string) error) asynq.HandlerFunc {
		return func(tctx context.Context, t *asynq.Task) error {
			id, err := task.Work(t)
			if err != nil {
				w.Log.Error().Err(err).Str("type", t.Type()).Msg("a task is none of ours")
				return err
			}
			// What was seen is written even when asynq no longer believes in this task; a stop ends only what has not reached its final dot.
			wctx, cancel := context.WithCancel(context.WithoutCancel(tctx))
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			if err := do(wctx, id); err != nil {
				w.Log.Error().Err(err).Str("id", id).Msg("work is left for the next ring")
			}
			return nil
		}
	}
	mux.Handle(task.TypeDeliver, handle(w.deliver))
	mux.Handle(task.TypeDigest, handle(w.digest))
	if err := srv.Start(mux); err != nil {
		return fmt.Errorf("worker: queue: %w", err)
	}
	var clocks sync.WaitGroup
	clockCtx, stopClocks := context.WithCancel(context.WithoutCancel(ctx))
	clocks.Go(func() { w.every(clockCtx, store.WorkerBeat, w.beat) })
	clocks.Go(func() { w.every(ctx, reconcileAt, w.reconcile) })
	clocks.Go(func() { w.every(clockCtx, tallyAt, w.flush) })
	clocks.Go(func() { w.everyOfStore(ctx, w.Watch, w.watch) })
	clocks.Go(func() { w.every(ctx, verifyAt, w.verify) })
	clocks.Go(func() { w.every(ctx, loopsAt, w.checkLoops) })
	clocks.Go(func() { w.everyOfStore(ctx, min(domainsAt, w.SeekKeys), w.lookAtDomains) })
	w.Log.Info().Str("worker", w.Name).Int("concurrency", w.Concurrency).Msg("working")

	<-ctx.Done()
	srv.Shutdown()
	stopClocks()
	clocks.Wait()
	w.flush(ctx)
	_ = w.Mailer.Close()
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := w.Store.Leave(bye, w.Name); err != nil {
		w.Log.Warn().Err(err).Msg("could not say goodbye")
	}
	w.Log.Info().Str("worker", w.Name).Msg("stopped")
	return nil
}

// every calls do at once and then at each interval until ctx ends.
func (w *Worker) every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// everyOfStore is every by the store's clock, which all processes share: where that clock is moved, what is due is done within a second.
func (w *Worker) everyOfStore(ctx context.Context, interval time.Duration, do func(context.Context)) {
	var last time.Time
	w.every(ctx, min(interval, time.Second), func(ctx context.Context) {
		if now := w.Store.Now(); now.Sub(last).Abs() >= interval {
			last = now
			do(ctx)
		}
	})
}

func (w *Worker) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, store.WorkerBeat)
	defer cancel()
	if err := errors.Join(w.Store.Alive(ctx, w.Name), w.Store.Beat(ctx, "worker")); err != nil && ctx.Err() == nil {
		w.Log.Warn().Err(err).Msg("no heartbeat")
	}
}

// claim takes a piece of work and keeps hold of it until release is called. The context ends when the claim is lost or the worker stops. ok
// is false when there is nothing to do.
func (w *Worker) claim(ctx context.Context, id string) (c store.Claim, held context.Context, release func(), ok bool, err error) {
	c, err = w.Store.Claim(ctx, id, w.Name, w.Lease)
	switch {
	case errors.Is(err, store.ErrGone), errors.Is(err, store.ErrTaken), errors.Is(err, store.ErrEarly):
		return c, nil, nil, false, nil
	case err != nil:
		return c, nil, nil, false, err
	}
	held, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	done := make(chan struct{})
	renewing.Go(func() {
		t := time.NewTicker(w.Lease / 3)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
			}
			// A stop does not end the renewal: the dialogue may have sent its final dot.
			rctx, stop := context.WithTimeout(context.WithoutCancel(ctx), w.Lease/3)
			err := w.Store.Renew(rctx, c, w.Lease)
			stop()
			if errors.Is(err, store.ErrStale) {
				cancel()
				return
			}
		}
	})
	return c, held, func() { close(done); renewing.Wait(); cancel() }, true, nil
}

// settle writes what was seen and what becomes of the work. It tries for as long as a lease of asynq would last twice over: what happened
// must not be lost because Redis was away for a moment.
func (w *Worker) settle(ctx context.Context, c store.Claim, plan store.Plan, facts ...ledger.Fact) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for {
		one, stop := context.WithTimeout(ctx, 10*time.Second)
		err := w.Store.Settle(one, c, plan, facts...)
		stop()
		if errors.Is(err, store.ErrStale) {
			w.Log.Warn().Str("id", c.ID).Int64("fence", c.Fence).Msg("the claim was lost; what was seen is written, the schedule is another's")
			return nil
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		w.Log.Warn().Err(err).Str("id", c.ID).Msg("what was seen is not written yet; trying again")
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// fact begins a fact about a claim's message.
func (w *Worker) fact(c store.Claim, e ledger.Event) ledger.Fact {
	return ledger.Fact{ID: ledger.NewEventID(), At: w.Store.Now(), Event: e, Reset: c.Reset, Message: c.Message}
}

func (w *Worker) realm(name string) *realm.Realm {
	for i := range w.Realms {
		if w.Realms[i].Name == name {
			return &w.Realms[i]
		}
	}
	return nil
}

func (w *Worker) count(ctx context.Context, counter string) {
	if err := w.Store.Add(context.WithoutCancel(ctx), counter, 1); err != nil {
		w.Log.Debug().Err(err).Msg("not counted")
	}
}

// queueLog lets asynq speak through our log.
type queueLog struct{ log zerolog.Logger }

func (q queueLog) Debug(args ...any) {}
func (q queueLog) Info(args ...any)  {}
func (q queueLog) Warn(args ...any)  { q.log.Warn().Str("part", "queue").Msg(fmt.Sprint(args...)) }
func (q queueLog) Error(args ...any) { q.log.Error().Str("part", "queue").Msg(fmt.Sprint(args...)) }
func (q queueLog) Fatal(args ...any) { q.log.Error().Str("part", "queue").Msg(fmt.Sprint(args...)) }
