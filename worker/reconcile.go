package worker

import (
	"context"
	"time"

	"github.com/resetd/resetd/internal/store"
)

// ringsAtOnce is how many due messages of a partition are rung for in one look; those behind them come up as these are done.
const ringsAtOnce = 200

// reconcile rings for what is due and unclaimed: fresh asks whose ring was lost, attempts whose time has come, work of a worker that
// died. One worker at a time does it; when that one goes, another takes over within a few looks.
func (w *Worker) reconcile(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	mine, err := w.Store.Sweep(ctx, w.Name, 3*reconcileAt)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn().Err(err).Msg("reconciler cannot look")
		}
		return
	}
	if !mine {
		return
	}
	holds, err := w.Store.Holds(ctx)
	if err != nil {
		w.Log.Warn().Err(err).Msg("reconciler cannot look")
		return
	}
	kinds := []store.Kind{store.Digest}
	if _, held := holds[""]; !held {
		kinds = append(kinds, store.Deliver)
	}
	for _, kind := range kinds {
		rings, err := w.Store.Rings(ctx, kind, ringsAtOnce, store.RingPatience)
		if err != nil {
			w.Log.Warn().Err(err).Msg("reconciler cannot look")
			return
		}
		for _, r := range rings {
			if err := w.client.Ring(ctx, r.ID, r.TaskID()); err != nil {
				w.Log.Warn().Err(err).Msg("reconciler cannot ring")
				return
			}
		}
	}
	if n, err := w.Store.PayOwed(ctx); err != nil {
		w.Log.Warn().Err(err).Msg("owed facts stay owed")
	} else if n > 0 {
		w.Log.Info().Int("facts", n).Msg("wrote facts that a process left owed")
	}
}
