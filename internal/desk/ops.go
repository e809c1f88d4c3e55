package desk

import (
	"context"
	"strconv"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// QueueView is how the queue stands.
type QueueView struct {
	Paused    *store.Hold `json:"paused"`
	Workers   int         `json:"workers"`
	Due       int         `json:"due"`
	Waiting   int         `json:"waiting"`
	InFlight  int         `json:"in_flight"`
	OldestDue float64     `json:"oldest_due_s"`
	Returns   int         `json:"returns"` // returned mails still to be read
	Routes    []RouteView `json:"routes"`
}

// RouteView is how it stands on one route.
type RouteView struct {
	Route    string      `json:"route"`
	Waiting  int         `json:"waiting"`
	Deferred int         `json:"deferred"`
	Paused   *store.Hold `json:"paused"`
}

// Queue looks at the queue.
func (d *Desk) Queue(ctx context.Context, a Actor) (QueueView, error) {
	if err := d.Authorise(ctx, a, DoQueue, "", "", false); err != nil {
		return QueueView{}, err
	}
	q, err := d.Store.Status(ctx)
	if err != nil {
		return QueueView{}, err
	}
	holds, err := d.Store.Holds(ctx)
	if err != nil {
		return QueueView{}, err
	}
	workers, _, err := d.Store.Workers(ctx)
	if err != nil {
		return QueueView{}, err
	}
	v := QueueView{Workers: workers, Due: q.Due, Waiting: q.Waiting, InFlight: q.InFlight, OldestDue: q.OldestDue.Seconds(), Returns: q.Returns, Routes: []RouteView{}}
	if h, ok := holds[""]; ok {
		v.Paused = &h
	}
	counted := map[string]store.RouteQueue{}
	for _, r := range q.Routes {
		counted[r.Route] = r
	}
	for _, r := range d.Routes {
		rv := RouteView{Route: r.Name, Waiting: counted[r.Name].Waiting, Deferred: counted[r.Name].Deferred}
		if h, ok := holds[r.Name]; ok {
			rv.Paused = &h
		}
		v.Routes = append(v.Routes, rv)
	}
	return v, nil
}

// Pause holds sending on a route, or on all ("").
func (d *Desk) Pause(ctx context.Context, a Actor, route, reason string) error {
	if err := d.checkHold(a, DoPause, route, reason); err != nil {
		return err
	}
	if err := d.Authorise(ctx, a, DoPause, route, reason, false); err != nil {
		return err
	}
	_, err := d.Store.Pause(ctx, route, store.Hold{By: a.Name, Reason: reason, Since: d.now()})
	return err
}

// Resume lets sending go on.
func (d *Desk) Resume(ctx context.Context, a Actor, route, reason string) error {
	if err := d.checkHold(a, DoResume, route, reason); err != nil {
		return err
	}
	if err := d.Authorise(ctx, a, DoResume, route, reason, false); err != nil {
		return err
	}
	held, err := d.Store.Resume(ctx, route, a.Name, reason)
	if err == nil && !held {
		return &Bad{Code: "not_paused", Detail: "Sending is not held there. `GET /v1/queue` says what is."}
	}
	return err
}

func (d *Desk) checkHold(a Actor, what Action, route, reason string) error {
	if err := checkReason(reason, true); err != nil {
		return d.denyFirst(a, what, err)
	}
	if route != "" && !d.hasRoute(route) {
		return d.denyFirst(a, what, &Bad{Code: "bad_request", Detail: "`route` is no configured route. `GET /v1/queue` lists them."})
	}
	return nil
}

// page is how many rows a list has.
const page = 100

// Suppressions lists the addresses that are not written to. next is the cursor of the following page, "" at the end.
func (d *Desk) Suppressions(ctx context.Context, a Actor, cursor string) (items []store.Suppression, next string, err error) {
	offset, err := number(cursor)
	if err != nil {
		return nil, "", d.denyFirst(a, DoSuppressions, err)
	}
	if err := d.Authorise(ctx, a, DoSuppressions, "", "", false); err != nil {
		return nil, "", err
	}
	items, err = d.Store.Suppressions(ctx, int(offset), page)
	if len(items) == page {
		next = strconv.FormatInt(offset+page, 10)
	}
	return items, next, err
}

// Suppression looks one address up; nil = it may be written to.
func (d *Desk) Suppression(ctx context.Context, a Actor, address string) (*store.Suppression, error) {
	if err := checkAddress(address); err != nil {
		return nil, d.denyFirst(a, DoSuppression, err)
	}
	if err := d.Authorise(ctx, a, DoSuppression, string(store.AccountOf("address", store.ExactAddress(address))), "", false); err != nil {
		return nil, err
	}
	return d.Store.Suppressed(ctx, address)
}

// ReleaseSuppression lifts one, and records that where a ledger of the address's own login is known.
func (d *Desk) ReleaseSuppression(ctx context.Context, a Actor, address, reason string) error {
	if err := checkAddress(address); err != nil {
		return d.denyFirst(a, DoRelease, err)
	}
	if err := checkReason(reason, true); err != nil {
		return d.denyFirst(a, DoRelease, err)
	}
	if err := d.Authorise(ctx, a, DoRelease, string(store.AccountOf("address", store.ExactAddress(address))), reason, false); err != nil {
		return err
	}
	sup, err := d.Store.Suppressed(ctx, address)
	if err != nil {
		return err
	}
	if sup == nil {
		return store.ErrNotFound
	}
	if _, err := d.Store.Release(ctx, address); err != nil {
		return err
	}
	for _, r := range d.Realms {
		l := store.LedgerOf(r.Name, address)
		facts, err := d.Store.Facts(ctx, l)
		if err != nil {
			return err
		}
		if len(facts) == 0 {
			continue
		}
		f := ledger.Fact{ID: ledger.NewEventID(), At: d.now(), Event: ledger.Released, By: a.Name, Role: string(a.Role), Reason: reason,
			Hold: &ledger.Hold{Until: sup.Until, Evidence: sup.Evidence, Cause: sup.Cause}}
		if err := d.Store.Append(ctx, l, f); err != nil {
			return err
		}
	}
	return nil
}

func checkAddress(address string) error {
	if address == "" || len(address) > 320 || control(address) {
		return &Bad{Code: "bad_request", Detail: "`address` is empty, longer than 320 bytes or has control characters."}
	}
	return nil
}

func number(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 32)
	if err != nil || n < 0 {
		return 0, &Bad{Code: "bad_request", Detail: "`cursor` is none that a list gave."}
	}
	return n, nil
}

// Audit reads the trail, the newest entry first.
func (d *Desk) Audit(ctx context.Context, a Actor, cursor string) (items []store.Entry, next string, err error) {
	before, err := number(cursor)
	if err != nil {
		return nil, "", d.denyFirst(a, DoAudit, err)
	}
	if err := d.Authorise(ctx, a, DoAudit, "", "", false); err != nil {
		return nil, "", err
	}
	items, err = d.Store.AuditTrail(ctx, before, page)
	if n := len(items); n == page && items[n-1].N > 1 {
		next = strconv.FormatInt(items[n-1].N, 10)
	}
	return items, next, err
}

// AuditCheck is what a walk along the audit trail found.
type AuditCheck struct {
	Good  int64  `json:"good"`            // entries in an unbroken row from the beginning
	Wrong string `json:"wrong,omitempty"` // what is wrong with the next one; "" = nothing
}

// VerifyAudit walks the trail and says whether an entry was changed.
func (d *Desk) VerifyAudit(ctx context.Context, a Actor) (AuditCheck, error) {
	if err := d.Authorise(ctx, a, DoAudit, "verify", "", false); err != nil {
		return AuditCheck{}, err
	}
	good, wrong, err := d.Store.VerifyAudit(ctx)
	return AuditCheck{Good: good, Wrong: wrong}, err
}

// Once begins an idempotent request under an actor's key; see store.Once.
func (d *Desk) Once(ctx context.Context, a Actor, name, bodyHash string) (store.Once, error) {
	return d.Store.Begin(ctx, a.Name, name, bodyHash)
}

// Remember keeps the answer of an idempotent request.
func (d *Desk) Remember(ctx context.Context, a Actor, name string, status int, body []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return d.Store.End(ctx, a.Name, name, status, body)
}
