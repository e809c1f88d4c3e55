package worker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer"
)

// Loops are the loop checks: resets of our own through the whole chain. The zero value makes none.
type Loops struct {
	Lanes    []realm.Lane
	Every    time.Duration // how often each lane is checked by itself; 0 = never
	Within   time.Duration // how long a canary may take
	OpenPage bool          // whether its link is fetched over HTTP
	Mailbox  bool          // a bounce mailbox is fetched as well: what does not come to the receiver may be there
	// Ask begins one, as somebody who presses the button does.
	Ask func(context.Context, realm.Lane) error
	// Redeem uses a canary's token, as the application does.
	Redeem func(ctx context.Context, token string) error
}

const (
	loopsAt = time.Second
	// firstLoop is how long after its start a worker waits with the first check of a lane: keys are looked for, and parts that start with
	// it come up. It is counted in looks, so that a step of the clock does not shorten it.
	firstLoop = 5 * time.Minute
	// loopGap is a pause between two looks in which nobody can say what arrived: the machine slept, the clock was set, no worker led.
	loopGap = 30 * time.Second
	// returnAgain is the gap between two offers of a mail to a return path that a host has put off.
	returnAgain = 30 * time.Second
	// loopStale is the least age at which the outcome of a check says nothing any more.
	loopStale = 6 * time.Hour
)

// loops is what the clock of the loop checks remembers; it is the clock's alone.
type loops struct {
	looks   int                          // as the one that leads
	last    time.Time                    // the last one
	whole   time.Time                    // since when there was no gap between looks
	offered map[ledger.ResetID]time.Time // when a mail to the return path was last offered and put off
	swept   time.Time                    // when stale outcomes were last looked for
}

// checkLoops begins what is due and brings what is under way to its end. The worker that leads does it.
func (w *Worker) checkLoops(ctx context.Context) {
	one, cancel := context.WithTimeout(ctx, 5*time.Second)
	mine, err := w.Store.Sweep(one, w.Name, 3*reconcileAt)
	cancel()
	if err != nil || !mine {
		return
	}
	now := w.Store.Now()
	if now.Sub(w.loops.last) > loopGap {
		w.loops.whole = now
	}
	w.loops.last = now
	w.loops.looks++
	if err := errors.Join(w.beginLoops(ctx), w.followLoops(ctx), w.forgetLoops(ctx)); err != nil && ctx.Err() == nil {
		w.Log.Warn().Err(err).Msg("loop checks cannot be looked after")
	}
}

func (w *Worker) beginLoops(ctx context.Context) error {
	now := w.Store.Now()
	if w.Loops.Every == 0 || w.Loops.Ask == nil || time.Duration(w.loops.looks)*loopsAt < min(firstLoop, w.Loops.Every) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	begun, err := w.Store.LoopsBegun(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range w.Loops.Lanes {
		if now.Sub(begun[l.Name()]) >= w.Loops.Every {
			errs = append(errs, w.Loops.Ask(ctx, l))
		}
	}
	return errors.Join(errs...)
}

// followLoops looks at each canary under way: offers the mail to its return path once it is sent itself, and concludes it.
func (w *Worker) followLoops(ctx context.Context) error {
	running, err := w.Store.RunningLoops(ctx)
	if err != nil || len(running) == 0 {
		return err
	}
	q, blind, err := w.loopHealth(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(running))
	var mu sync.Mutex // holds loops.offered
	for id, began := range running {
		wg.Go(func() { errs <- w.followLoop(ctx, id, began, q, blind, &mu) })
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// loopHealth is how the queue stands, as far as a canary waits for it.
func (w *Worker) loopHealth(ctx context.Context) (diag.Queue, []diag.Blind, error) {
	holds, err := w.Store.Holds(ctx)
	if err != nil {
		return diag.Queue{}, nil, err
	}
	_, blind, err := w.Store.House(ctx)
	if err != nil {
		return diag.Queue{}, nil, err
	}
	q := diag.Queue{Workers: 1, RoutePaused: map[string]diag.Hold{}}
	for route, h := range holds {
		hold := diag.Hold{By: h.By, Reason: h.Reason, Since: h.Since}
		if route == "" {
			q.Paused = &hold
		} else {
			q.RoutePaused[route] = hold
		}
	}
	var out []diag.Blind
	for _, b := range blind {
		out = append(out, diag.Blind{Sensor: b.Sensor, From: b.From, To: b.To})
	}
	return q, out, nil
}

func (w *Worker) followLoop(ctx context.Context, id ledger.ResetID, began time.Time, q diag.Queue, blind []diag.Blind, mu *sync.Mutex) error {
	at, err := w.Store.Find(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		if w.Store.Now().Sub(began) > time.Minute {
			return w.Store.EndLoop(ctx, "", id, nil) // it was never asked for
		}
		return nil
	}
	if err != nil {
		return err
	}
	facts, err := w.Store.Facts(ctx, at.Ledger)
	if err != nil {
		return err
	}
	t := ledger.Fold(facts)
	r := t.Reset(id)
	if r == nil || r.Asked.Ask == nil {
		return w.Store.EndLoop(ctx, "", id, nil)
	}
	lane, ok := realm.LaneOf(w.Loops.Lanes, r.Asked.Ask.Login)
	if !ok {
		return w.Store.EndLoop(ctx, "", id, nil) // the lane is configured no more
	}
	in := diag.LoopInput{Now: w.Store.Now(), Domain: lane.Domain, Route: lane.Route, Smart: w.Routes[lane.Route].Smarthost != "", Began: r.Asked.At,
		Within: w.Loops.Within, ID: id, Reset: r, Queue: q, Blind: blind, Mailbox: w.Loops.Mailbox, Replies: w.Replies}
	run := diag.Loop(in)
	if run.State == "failed" && in.Now.Sub(in.Began) >= in.Within && in.Began.Before(w.loops.whole) {
		// Nobody was there for a part of its time, so that what is missing proves nothing.
		return errors.Join(w.withdraw(ctx, at, r), w.Store.EndLoop(ctx, lane.Name(), id, nil))
	}
	if run.State != "running" {
		return w.concludeLoop(ctx, at, lane, r, run)
	}
	if _, offered := stepOf(r, ledger.LoopReturnSent); !offered && run.Link("send").Result == diag.LoopOK && run.Link("return").Result == diag.LoopNotReached {
		return w.offerReturn(ctx, at, lane, r, mu)
	}
	return nil
}

// offerReturn sends the mail to a canary's return path by its route. A host that puts it off is asked again a little later.
func (w *Worker) offerReturn(ctx context.Context, at store.Place, lane realm.Lane, r *ledger.Reset, mu *sync.Mutex) error {
	now := w.Store.Now()
	mu.Lock()
	last, again := w.loops.offered[r.ID]
	mu.Unlock()
	if again && now.Sub(last) < returnAgain {
		return nil
	}
	m, route := r.Newest(), w.Routes[lane.Route]
	route.ToUs = true
	raw, err := w.Paths.ReturnTest(m.ID, lane.Realm.From, lane.Domain, route.HELO, now)
	if err != nil {
		return err
	}
	if raw, err = mailer.Sign(raw, w.signers(lane.Domain)); err != nil {
		return err
	}
	attempts := w.Mailer.Deliver(ctx, route, mailer.Envelope{To: w.Paths.ReturnPath(m.ID), MessageID: m.ID}, raw)
	a := attempts[len(attempts)-1]
	f := ledger.Fact{ID: ledger.NewEventID(), At: w.Store.Now(), Event: ledger.Checked, Reset: r.ID, Message: m.ID, Check: &ledger.Check{Domain: lane.Domain,
		Loop: &ledger.Loop{Route: lane.Route, Step: ledger.LoopReturnSent, OK: taken(attempts), Code: a.Code, Why: strings.TrimSpace(a.Host + " " + a.Text), Millis: a.Millis}}}
	final := taken(attempts) || a.Outcome == ledger.Rejected || a.Outcome == ledger.Blocked
	if !final && now.Sub(r.Asked.At) < w.Loops.Within-2*returnAgain {
		mu.Lock()
		defer mu.Unlock()
		if w.loops.offered == nil {
			w.loops.offered = map[ledger.ResetID]time.Time{}
		}
		w.loops.offered[r.ID] = now
		return nil
	}
	mu.Lock()
	delete(w.loops.offered, r.ID)
	mu.Unlock()
	return w.Store.Append(context.WithoutCancel(ctx), at.Ledger, f)
}

// concludeLoop keeps how a run came out; where that is another outcome than the last one's, it is a fact of the house. The way back for
// bounces is a sensor: it is lost, or back.
func (w *Worker) concludeLoop(ctx context.Context, at store.Place, lane realm.Lane, r *ledger.Reset, run diag.LoopRun) error {
	if err := w.withdraw(ctx, at, r); err != nil {
		return err
	}
	results, err := w.Store.LoopResults(ctx)
	if err != nil {
		return err
	}
	var last diag.LoopRun
	known := json.Unmarshal(results[lane.Name()], &last) == nil
	if known && last.Began.After(run.Began) {
		return w.Store.EndLoop(ctx, lane.Name(), run.Reset, nil) // a newer one has told already
	}
	if err := w.noteLoop(ctx, lane, run, last, known); err != nil {
		return err
	}
	if run.LastOK = last.LastOK; run.State == "ok" {
		run.LastOK = run.Ended
	}
	body, err := json.Marshal(run)
	if err != nil {
		return err
	}
	return w.Store.EndLoop(ctx, lane.Name(), run.Reset, body)
}

func (w *Worker) noteLoop(ctx context.Context, lane realm.Lane, run, last diag.LoopRun, known bool) error {
	sensor := store.ReturnSensor + lane.Route
	switch run.Link("return").Result {
	case diag.LoopFailed:
		if err := w.Store.NoteSensor(ctx, sensor, run.Began, false); err != nil {
			return err
		}
	case diag.LoopOK:
		if err := w.Store.NoteSensor(ctx, sensor, w.Store.Now(), true); err != nil {
			return err
		}
	}
	failed := run.Failed()
	if known && last.State == run.State && slices.Equal(last.Failed(), failed) && slices.Equal(last.Causes, run.Causes) {
		return nil
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: run.Began, Event: ledger.Checked, Check: &ledger.Check{Domain: lane.Domain, Severity: "ok", Causes: run.Causes,
		Loop: &ledger.Loop{Route: lane.Route, Run: run.Reset, Failed: failed, OK: len(failed) == 0}}}
	for _, l := range run.Links {
		if l.Result == diag.LoopFailed && len(f.Check.Errors) < 3 {
			f.Check.Severity, f.Check.Errors = "error", append(f.Check.Errors, l.Says)
		}
	}
	if err := w.Store.NoteHouse(ctx, f); err != nil {
		return err
	}
	if len(failed) > 0 {
		w.count(ctx, "loop_failed")
		w.Log.Error().Str("domain", lane.Domain).Str("route", lane.Route).Str("reset", string(run.Reset)).Strs("failed", failed).Msg("a canary did not go through")
	} else {
		w.Log.Info().Str("domain", lane.Domain).Str("route", lane.Route).Str("reset", string(run.Reset)).Str("state", run.State).Msg("a canary went through")
	}
	return nil
}

// withdraw takes back what is still booked of a canary: once it is told, nobody waits for it.
func (w *Worker) withdraw(ctx context.Context, at store.Place, r *ledger.Reset) error {
	m := r.Newest()
	if m == nil || m.State != ledger.Waiting && m.NextAt.IsZero() {
		return nil
	}
	_, err := w.Store.Cancel(ctx, at, []ledger.Fact{{ID: ledger.NewEventID(), At: w.Store.Now(), Event: ledger.Cancelled, Reset: r.ID, Message: m.ID, Reason: "the loop check is over"}})
	return err
}

// forgetLoops takes a way back off the list of what is blind when nobody has looked at it for long: its lane is configured no more, or
// checks were switched off.
func (w *Worker) forgetLoops(ctx context.Context) error {
	now := w.Store.Now()
	if now.Sub(w.loops.swept) < time.Minute {
		return nil
	}
	w.loops.swept = now
	_, blind, err := w.Store.House(ctx)
	if err != nil {
		return err
	}
	begun, err := w.Store.LoopsBegun(ctx)
	if err != nil {
		return err
	}
	for name, at := range begun {
		gone := !slices.ContainsFunc(w.Loops.Lanes, func(l realm.Lane) bool { return l.Name() == name })
		if gone && now.Sub(at) > loopStale {
			if err := w.Store.ForgetLane(ctx, name); err != nil {
				return err
			}
		}
	}
	for _, b := range blind {
		route, ok := strings.CutPrefix(b.Sensor, store.ReturnSensor)
		if !ok || !b.To.IsZero() {
			continue
		}
		watched := slices.ContainsFunc(w.Loops.Lanes, func(l realm.Lane) bool {
			return l.Route == route && now.Sub(begun[l.Name()]) < max(loopStale, 3*w.Loops.Every)
		})
		if !watched {
			if err := w.Store.NoteSensor(ctx, b.Sensor, now, true); err != nil {
				return err
			}
		}
	}
	return nil
}
