package worker

import (
	"context"
	"net/netip"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// denied names the network of the deny list in which an address lies; "" = none.
func (w *Worker) denied(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	for _, p := range w.Deny {
		if p.Contains(addr.Unmap()) {
			return p.String()
		}
	}
	return ""
}

// spend counts a mail against the cap of its route. Where that is used up, the mail is booked for when room comes; the caller stops.
func (w *Worker) spend(ctx context.Context, j *job, g ledger.Generation) (store.Allowance, error) {
	limit := w.Caps[j.msg.Route]
	if limit.N == 0 {
		return store.Allowance{OK: true}, nil
	}
	a, err := w.Store.Spend(ctx, j.msg.Route, limit)
	if err != nil || a.OK {
		return a, err
	}
	f := w.fact(j.Claim, ledger.Postponed)
	f.Delay = &ledger.Delay{Why: "quota", Count: a.Count, Limit: words(limit), Route: j.msg.Route, Next: capped(a.Next, g.Until)}
	w.tallyFailure(j, f.At, j.marks("", j.msg.Route), "request.quota_exhausted", "", true)
	w.countOf(ctx, j.Realm, "postponed:quota")
	return a, w.settle(ctx, j.Claim, store.Plan{Next: f.Delay.Next, Route: j.msg.Route, Deferred: j.msg.Tries > 0}, f)
}

// refund gives back what spend counted for a mail that did not leave.
func (w *Worker) refund(ctx context.Context, route string, a store.Allowance) {
	if w.Caps[route].N == 0 {
		return
	}
	if err := w.Store.Refund(context.WithoutCancel(ctx), route, a); err != nil {
		w.Log.Debug().Err(err).Str("route", route).Msg("a mail that did not leave counts against the cap")
	}
}

// taken tells whether a host has, or may have, the mail.
func taken(attempts []ledger.Attempt) bool {
	for _, a := range attempts {
		if a.Outcome == ledger.Accepted || a.Outcome == ledger.Ambiguous {
			return true
		}
	}
	return false
}
