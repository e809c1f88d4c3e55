package desk

import (
	"context"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// proofLimit is how long somebody at the link waits for it to be counted as a proof.
const proofLimit = 2 * time.Second

// proven takes the use of a link as the proof that its address works: a suppression that rested on older faults is lifted, by nobody but
// the person who read the mail. What fails here is only not counted; the person goes on.
func (d *Desk) proven(ctx context.Context, h held, f ledger.Fact, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofLimit)
	defer cancel()
	sup, err := d.Store.Prove(ctx, h.gen.Address, f.At)
	if err != nil || sup == nil {
		return
	}
	_ = d.Store.Append(ctx, h.at.Ledger, ledger.Fact{ID: ledger.NewEventID(), At: d.now(), Event: ledger.Released, Reset: h.reset.ID, Reason: reason,
		Hold: &ledger.Hold{Until: sup.Until, Evidence: append(sup.Evidence, f.ID), Cause: sup.Cause}})
}
