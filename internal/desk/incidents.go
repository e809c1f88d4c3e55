package desk

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// A resend of all is paced, so that the host that has just come back is not run over; one call looks at a bounded number.
const (
	resendPace  = 20 // a second
	resendMost  = 2000
	resendHands = 8
)

// Incidents lists what concerned many people at once, the newest first.
func (d *Desk) Incidents(ctx context.Context, a Actor) ([]diag.Trouble, error) {
	if err := d.Authorise(ctx, a, DoIncidents, "", "", false); err != nil {
		return nil, err
	}
	return d.troubles(ctx)
}

// AllAgain is what a resend of an incident's mails did.
type AllAgain struct {
	Incident  string         `json:"incident"`
	Resent    int            `json:"resent"`
	Skipped   map[string]int `json:"skipped"`        // why -> resets: used, sent, newer, refused, cancelled, resent, ineligible, unknown
	Remaining int            `json:"remaining"`      // not looked at in this call: ask again
	Until     time.Time      `json:"until,omitzero"` // when the last of them is due
}

// ResendAll sends another mail to exactly those who still wait because of an incident: their newest mail failed, expired, or is booked for
// later; they have not used a link since, and their account may still have one. It wants the incident to be over, unless forced.
func (d *Desk) ResendAll(ctx context.Context, a Actor, seed ledger.Seed, id string, w Again) (AllAgain, error) {
	out := AllAgain{Incident: id, Skipped: map[string]int{}}
	if err := checkReason(w.Reason, true); err != nil {
		return out, d.denyFirst(a, DoBulkResend, err)
	}
	if w.Route != "" && !d.hasRoute(w.Route) {
		return out, d.denyFirst(a, DoBulkResend, &Bad{Code: "bad_request", Detail: "`route` is no configured route. `GET /v1/queue` lists them."})
	}
	if !isIncidentID(id) {
		return out, d.denyFirst(a, DoBulkResend, ledger.ErrBadID)
	}
	if err := d.Authorise(ctx, a, DoBulkResend, id, w.Reason, w.Force); err != nil {
		return out, err
	}
	t, err := d.trouble(ctx, id)
	if err != nil {
		return out, err
	}
	if t.Until.IsZero() && !w.Force {
		return out, &Bad{Code: "incident_open", Detail: "The incident is not over, so that another mail would meet the same end. Wait until `until` is set, or force it, perhaps by another `route`."}
	}
	resets, err := d.waitingFor(ctx, t)
	if err != nil {
		return out, err
	}
	if len(resets) > resendMost {
		out.Remaining, resets = len(resets)-resendMost, resets[:resendMost]
	}
	return d.resendEach(ctx, a, seed, id, w, resets, out)
}

func (d *Desk) trouble(ctx context.Context, id string) (diag.Trouble, error) {
	all, err := d.troubles(ctx)
	if err != nil {
		return diag.Trouble{}, err
	}
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	return diag.Trouble{}, store.ErrNotFound
}

// waitingFor lists the resets that failed because of an incident, each once, the oldest failure first.
func (d *Desk) waitingFor(ctx context.Context, t diag.Trouble) ([]ledger.ResetID, error) {
	rows, err := d.Store.FailingSince(ctx, t.Since.Add(-diag.Slice))
	if err != nil {
		return nil, err
	}
	var out []ledger.ResetID
	seen := map[ledger.ResetID]bool{}
	for _, r := range rows {
		if f, ok := diag.ReadFailing(r.At, r.Text); ok && !seen[f.Reset] && t.Holds(f) {
			seen[f.Reset] = true
			out = append(out, f.Reset)
		}
	}
	return out, nil
}

func (d *Desk) resendEach(ctx context.Context, a Actor, seed ledger.Seed, id string, w Again, resets []ledger.ResetID, out AllAgain) (AllAgain, error) {
	var mu sync.Mutex // holds out and failed
	var failed error
	next := make(chan ledger.ResetID)
	var hands sync.WaitGroup
	began := d.now()
	for range resendHands {
		hands.Go(func() {
			for r := range next {
				mu.Lock()
				delay := time.Duration(out.Resent) * time.Second / resendPace
				mu.Unlock()
				skip, err := d.resendOf(ctx, a, seed, id, w, r, delay)
				mu.Lock()
				switch {
				case err != nil && failed == nil:
					failed = err
				case err != nil:
				case skip != "":
					out.Skipped[skip]++
				default:
					out.Resent++
					out.Until = began.Add(delay)
				}
				mu.Unlock()
			}
		})
	}
	for _, r := range resets {
		next <- r
	}
	close(next)
	hands.Wait()
	return out, failed
}

// resendOf sends one again, or says why not. The ids follow from the seed: the same call again does nothing twice.
func (d *Desk) resendOf(ctx context.Context, a Actor, seed ledger.Seed, incident string, w Again, id ledger.ResetID, delay time.Duration) (skip string, err error) {
	at, r, skip, err := d.stillWaits(ctx, a, incident, id)
	if err != nil || skip != "" {
		return skip, err
	}
	m := r.Newest()
	if !d.eligible(ctx, at, r) {
		return "ineligible", nil
	}
	own := seed.Derive(string(id))
	now := d.now()
	f := ledger.Fact{ID: ledger.EventIDFrom(own.Derive("resent")), At: now, Event: ledger.Resent, Reset: id,
		Message: ledger.NewMessageID(at.Ledger.Partition(), own.Derive("resend")), By: a.Name, Role: string(a.Role), Reason: w.Reason,
		Resend: &ledger.Resend{From: m.ID, Route: w.Route, Forced: w.Force, Gen: d.repeatable(ctx, at, r), Incident: incident}}
	return "", d.Store.ResendLater(ctx, at, delay, f, withdrawals(r, now, a, "replaced by a resend of all mails of an incident"))
}

// stillWaits finds a reset, and says why it waits no more for a mail because of an incident; "" = it does.
func (d *Desk) stillWaits(ctx context.Context, a Actor, incident string, id ledger.ResetID) (at store.Place, r *ledger.Reset, skip string, err error) {
	if at, r, err = d.find(ctx, a, id); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return at, nil, "unknown", nil
		}
		return at, nil, "", err
	}
	m := r.Newest()
	switch {
	case r.State == ledger.Used:
		skip = "used"
	case m == nil:
		skip = "unknown"
	case m.Resend != nil && m.Resend.Resend != nil && m.Resend.Resend.Incident == incident:
		skip = "resent"
	case m.State == ledger.Waiting && m.InFlight, m.State == ledger.Sent, m.State == ledger.Unsure:
		skip = "sent"
	case m.State == ledger.IsRefused:
		skip = "refused"
	case m.State == ledger.Withdrawn:
		skip = "cancelled"
	}
	if skip == "" {
		skip, err = d.askedAnew(ctx, at, m)
	}
	return at, r, skip, err
}

// askedAnew says what became of a later ask of the same login: who has that one's mail, or has used it, does not wait for this one's. A
// later ask that waits too is another of the incident's, or has an obstacle of its own. "" = there is none that counts.
func (d *Desk) askedAnew(ctx context.Context, at store.Place, m *ledger.Message) (string, error) {
	t, err := d.timeline(ctx, at.Ledger)
	if err != nil {
		return "", err
	}
	skip := ""
	for _, r := range t.Resets {
		if !r.Asked.At.After(m.Born) {
			continue
		}
		switch r.State {
		case ledger.Used:
			return "used", nil
		case ledger.Sent, ledger.Unsure:
			skip = "sent"
		case ledger.Waiting, ledger.IsFailed, ledger.IsExpired:
			if skip == "" {
				skip = "newer"
			}
		}
	}
	return skip, nil
}

// eligible asks the directory whether the account may still have a mail. One that does not answer is asked again by the worker.
func (d *Desk) eligible(ctx context.Context, at store.Place, r *ledger.Reset) bool {
	rl := d.Realm(at.Realm)
	if rl == nil {
		return false
	}
	login := ""
	if r.Asked.Ask != nil {
		login = r.Asked.Ask.Login
	}
	v := view{realm: *rl}
	d.askDirectory(ctx, &v, login)
	if v.vouched || v.unavailable != nil {
		return true
	}
	if len(v.found.Accounts) != 1 {
		return false
	}
	acc := v.found.Accounts[0]
	return (acc.State == realm.Active || acc.State == "") && rl.MethodOf(acc) == realm.LoginPassword && acc.Address != ""
}
