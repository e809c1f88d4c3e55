package desk

import (
	"context"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// Again is the wish for another mail of a reset.
type Again struct {
	Reason string
	Route  string // "" = the realm's first
	Force  bool   // send although the diagnosis says that it will not help
}

// Resend asks the diagnosis first. Where another mail would not help it returns *ResendRefused with what would; force overrides that
// except where no mail can help at all, and stands in the audit trail. A live token is repeated; for a dead one a new generation begins.
func (d *Desk) Resend(ctx context.Context, a Actor, seed ledger.Seed, id ledger.ResetID, w Again) (ledger.MessageID, error) {
	if err := checkReason(w.Reason, true); err != nil {
		return "", d.denyFirst(a, DoResend, err)
	}
	if w.Route != "" && !d.hasRoute(w.Route) {
		return "", d.denyFirst(a, DoResend, &Bad{Code: "bad_request", Detail: "`route` is no configured route. `GET /v1/queue` lists them."})
	}
	if err := d.Authorise(ctx, a, DoResend, string(id), w.Reason, w.Force); err != nil {
		return "", err
	}
	at, r, err := d.find(ctx, a, id)
	if err != nil {
		return "", err
	}
	message := ledger.NewMessageID(at.Ledger.Partition(), seed.Derive("resend"))
	if r.Message(message) != nil {
		return message, nil // the same request again
	}
	if err := d.preflight(ctx, a, at, r, w); err != nil {
		return "", err
	}
	now := d.now()
	f := ledger.Fact{
		ID: ledger.EventIDFrom(seed.Derive("resent")), At: now, Event: ledger.Resent, Reset: id, Message: message,
		By: a.Name, Role: string(a.Role), Reason: w.Reason,
		Resend: &ledger.Resend{Route: w.Route, Forced: w.Force, Gen: d.repeatable(ctx, at, r)},
	}
	if m := r.Newest(); m != nil {
		f.Resend.From = m.ID
	}
	ring, err := d.Store.Resend(ctx, at, f, withdrawals(r, now, a, "replaced by a resend"))
	if err != nil {
		return "", err
	}
	d.ring(ctx, ring)
	return message, nil
}

// repeatable is the generation that a resend repeats: the newest, if its token lives; else 0.
func (d *Desk) repeatable(ctx context.Context, at store.Place, r *ledger.Reset) int {
	g := r.Gen()
	if g.N == 0 {
		return 0
	}
	live := store.Live{Account: store.AccountOf(at.Realm, g.Account), Ledger: at.Ledger, Reset: r.ID, Gen: g.N, NewestGen: g.N, Issued: g.IssuedAt, Expires: g.Expires()}
	if d.Store.Inspect(ctx, live) != nil {
		return 0
	}
	return g.N
}

// withdrawals makes a Cancelled fact for each message that may still be sent.
func withdrawals(r *ledger.Reset, now time.Time, a Actor, reason string) []ledger.Fact {
	var out []ledger.Fact
	for _, m := range r.Messages {
		// One whose tries ended without an answer has nothing booked to take back.
		if m.State == ledger.Waiting || m.State == ledger.Unsure && !m.NextAt.IsZero() {
			out = append(out, ledger.Fact{ID: ledger.NewEventID(), At: now, Event: ledger.Cancelled, Reset: r.ID, Message: m.ID, By: a.Name, Role: string(a.Role), Reason: reason})
		}
	}
	return out
}

// preflight decides whether another mail may go out: nil, or *ResendRefused.
func (d *Desk) preflight(ctx context.Context, a Actor, at store.Place, r *ledger.Reset, w Again) error {
	c, err := d.caseOf(ctx, a, at, r, "")
	if err != nil {
		return err
	}
	help := diag.CanHelp(c)
	if help.Impossible {
		return &ResendRefused{Impossible: true, Case: c}
	}
	if w.Force {
		return nil
	}
	switch help.Helps {
	case diag.HelpsYes, diag.HelpsAskAPerson:
		return nil
	case diag.HelpsOnce:
		if m := r.Newest(); m == nil || m.Resend == nil {
			return nil
		}
		return &ResendRefused{Repeated: true, Case: c}
	case diag.HelpsAfterFix:
		fixed, err := d.fixSeen(ctx, c, r)
		if err != nil || fixed {
			return err
		}
	}
	return &ResendRefused{Case: c}
}

// fixSeen says whether what stood in the way was mended since the newest message: the account has another address, or, where the fault was
// ours or the relay's, a host took a mail by the same route since: where hosts judge us, one of the provider that refused.
func (d *Desk) fixSeen(ctx context.Context, c diag.Case, r *ledger.Reset) (bool, error) {
	m := r.Newest()
	if m == nil {
		return false, nil
	}
	if rl := d.Realm(c.Realm); rl != nil && rl.Directory != nil && r.Gen().Address != "" {
		v := view{realm: *rl}
		d.askDirectory(ctx, &v, c.Login)
		if acc := v.found.Accounts; len(acc) == 1 && acc[0].Address != "" && store.ExactAddress(acc[0].Address) != store.ExactAddress(r.Gen().Address) {
			return true, nil
		}
	}
	if b := c.Verdict.Blame; b != "us" && b != "relay" && b != "network" {
		return false, nil
	}
	provider, known := judge(c.Verdict.Cause, m)
	if !known {
		return false, nil
	}
	last := m.Born
	if n := len(m.Attempts); n > 0 {
		last = m.Attempts[n-1].At
	}
	// A relay that took this very mail, which then came back, has mended nothing.
	for _, f := range m.Returns {
		if f.At.After(last) {
			last = f.At
		}
	}
	ok, err := d.Store.RouteWorked(ctx, m.Route, provider)
	return ok.After(last), err
}

// judge says whose taking of a mail shows that a cause is mended: a provider's, or "" for any host's of the route. Hosts differ in what they
// think of a sender and ask of TLS, so that only the one that refused counts. Where that stands behind a relay which took the mail, nobody tells.
func judge(cause string, m *ledger.Message) (provider string, known bool) {
	if family, _, _ := strings.Cut(cause, "."); family != "sender" && family != "tls" {
		return "", true
	}
	if len(m.Attempts) == 0 {
		return "", false
	}
	a := m.Attempts[len(m.Attempts)-1].Attempt
	if a.Smart {
		return "", a.Outcome != ledger.Accepted
	}
	provider = diag.ProviderOf(a)
	return provider, provider != ""
}

// Cancel takes back what is still booked for a reset. It returns the reset's state afterwards.
func (d *Desk) Cancel(ctx context.Context, a Actor, id ledger.ResetID, reason string) (ledger.State, error) {
	if err := checkReason(reason, true); err != nil {
		return "", d.denyFirst(a, DoCancel, err)
	}
	if err := d.Authorise(ctx, a, DoCancel, string(id), reason, false); err != nil {
		return "", err
	}
	at, r, err := d.find(ctx, a, id)
	if err != nil {
		return "", err
	}
	w := withdrawals(r, d.now(), a, reason)
	if len(w) == 0 {
		return r.State, &Bad{Code: "not_cancellable", Detail: "Nothing of this reset is waiting to be sent: its state is " + string(r.State) + "."}
	}
	n, err := d.Store.Cancel(ctx, at, w)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return r.State, &Bad{Code: "not_cancellable", Detail: "It was sent or refused just now."}
	}
	return ledger.Withdrawn, nil
}

// Reveal would show a link to an admin. Every realm's configuration switches it off in this version.
func (d *Desk) Reveal(ctx context.Context, a Actor, id ledger.ResetID, reason string) error {
	if err := checkReason(reason, true); err != nil {
		return d.denyFirst(a, DoReveal, err)
	}
	if err := d.Authorise(ctx, a, DoReveal, string(id), reason, false); err != nil {
		return err
	}
	if _, _, err := d.find(ctx, a, id); err != nil {
		return err
	}
	return ErrRevealOff
}
