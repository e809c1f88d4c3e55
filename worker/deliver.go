package worker

import (
	"context"
	"errors"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// job is one message in a worker's hands.
type job struct {
	store.Claim
	realm *realm.Realm
	style string // the realm whose templates its mail has
	reset *ledger.Reset
	msg   *ledger.Message
	all   []*ledger.Reset // of the ledger, in the order they were asked
	now   time.Time
}

// deliver does what is due for a message: decide, issue, build, offer. Each step is written before or after it is taken so that whoever
// comes next, after a crash, goes on from there.
func (w *Worker) deliver(ctx context.Context, id string) error {
	holds, err := w.Store.Holds(ctx)
	if err != nil {
		return err
	}
	if _, held := holds[""]; held {
		return nil // it stays due; the reconciler rings when sending is resumed
	}
	c, ctx, release, ok, err := w.claim(ctx, id)
	if err != nil || !ok {
		return err
	}
	defer release()
	j, err := w.load(ctx, c)
	if err != nil {
		return err
	}
	if done, err := w.over(ctx, j); done || err != nil {
		return err
	}
	if !j.begun() {
		if done, err := w.admit(ctx, j); done || err != nil {
			return err
		}
	}
	gen, _ := j.reset.Generation(j.msg.Gen)
	if _, held := holds[j.msg.Route]; held {
		return w.settle(ctx, c, store.Plan{Next: j.now.Add(5 * time.Second), Route: j.msg.Route, Deferred: j.msg.Tries > 0})
	}
	if dead := w.Store.Inspect(ctx, live(j, gen)); errors.Is(dead, token.ErrUsed) || errors.Is(dead, token.ErrReplaced) {
		f := w.fact(c, ledger.Cancelled)
		f.Reason = "the link was used or replaced in the meantime"
		return w.settle(ctx, c, store.Plan{}, f)
	}
	return w.send(ctx, j, gen)
}

// load reads the message's ledger.
func (w *Worker) load(ctx context.Context, c store.Claim) (*job, error) {
	facts, err := w.Store.Facts(ctx, c.Ledger)
	if err != nil {
		return nil, err
	}
	t := ledger.Fold(facts)
	j := &job{Claim: c, realm: w.realm(c.Realm), style: c.Realm, reset: t.Reset(c.Reset), all: t.Resets, now: w.Store.Now()}
	if j.reset != nil {
		j.msg = j.reset.Message(c.Message)
	}
	if j.canary() {
		w.asCanary(j)
	}
	return j, nil
}

// begun says whether it is decided that this message goes out: its receiver and its token's generation are known.
func (j *job) begun() bool {
	if j.msg.Resend != nil {
		// A resend repeats a generation; that it may do so is decided anew, and written as Issued, or seen by its first attempt.
		return j.msg.Gen > 0 && (j.msg.Tries > 0 || j.issuedBy(j.msg.ID))
	}
	return j.msg.Gen > 0
}

func (j *job) issuedBy(m ledger.MessageID) bool {
	for _, f := range j.reset.Facts {
		if f.Event == ledger.Issued && f.Message == m {
			return true
		}
	}
	return false
}

// over ends work whose message is no longer to be sent.
func (w *Worker) over(ctx context.Context, j *job) (bool, error) {
	if j.msg == nil {
		// Its facts are gone: retention, or somebody deleted them. There is nothing left to say about it but in the log.
		w.Log.Error().Str("mail", string(j.Message)).Msg("a message has no facts any more")
		return true, w.settle(ctx, j.Claim, store.Plan{})
	}
	if j.msg.State != ledger.Waiting && !(j.msg.State == ledger.Unsure && !j.msg.NextAt.IsZero()) {
		return true, w.settle(ctx, j.Claim, store.Plan{})
	}
	until := j.msg.Born.Add(ledger.MaxLife)
	if g, ok := j.reset.Generation(j.msg.Gen); ok {
		until = g.Until
	}
	if !j.now.Before(until) {
		w.countOf(ctx, j.Realm, "expired")
		return true, w.settle(ctx, j.Claim, store.Plan{}, w.fact(j.Claim, ledger.Expired))
	}
	if j.realm == nil {
		return true, w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyUnconfigured})
	}
	return false, nil
}

func (w *Worker) refuse(ctx context.Context, j *job, ref *ledger.Refusal) error {
	f := w.fact(j.Claim, ledger.Refused)
	f.Refusal = ref
	w.countOf(ctx, j.Realm, "refused:"+string(ref.Why))
	w.Log.Info().Str("reset", string(j.Reset)).Str("mail", string(j.Message)).Str("why", string(ref.Why)).Msg("refused")
	return w.settle(ctx, j.Claim, store.Plan{}, f)
}
