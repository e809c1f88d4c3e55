// Package desk is what people can do: ask for a reset, ask why, resend, redeem, release, hold. Whoever comes through a door (API, page,
// command line) stands at the same desk; roles and the audit trail are kept here and nowhere else.
package desk

import (
	"context"
	"slices"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// Ringer wakes a worker for a piece of work. A failed ring is no error: the reconciler rings again.
type Ringer interface {
	Ring(ctx context.Context, id, taskID string) error
}

// Desk serves people. Its fields are set once, before use.
type Desk struct {
	Store   *store.Store
	Ringer  Ringer
	Tokens  *token.Ring
	Realms  []realm.Realm
	Routes  []Route
	Bounces bool          // a receiver for returned mail is configured
	Since   time.Time     // when this installation's records begin
	Wakes   time.Duration // how long a due message normally waits to be taken; 0 = 15 s
	Outside Outside       // what may be asked of the world
	Rules   *Rules        // an operator's own about what hosts say; nil = there are none
	Us      diag.Us       // who we are to other hosts, for evidence packets: HELO and Bounces; the rest follows from each mail
	// ReturnPath gives the envelope sender of a mail; nil = not known here.
	ReturnPath func(ledger.MessageID) string
	Loops      Loops // loop checks that may be begun
	// AccountLimit is the throttle of an account, which a worker applies; here it only says where a flood for one login begins.
	AccountLimit store.Limit
	LookupLimit  time.Duration // how long a directory may take while a person waits; 0 = 3 s
}

// Route is what the desk must know of a way out.
type Route struct {
	Name  string
	Smart bool // it ends at a relay of ours, which may lose what it has accepted
	// Provider is whose relay it is, where that provider tells us by a hook what becomes of each mail; "" = nobody tells.
	Provider string
}

// Realm finds a configured realm, or that of canaries; nil = none such.
func (d *Desk) Realm(name string) *realm.Realm {
	if name == realm.Canary {
		return canaryRealm()
	}
	for i := range d.Realms {
		if d.Realms[i].Name == name {
			return &d.Realms[i]
		}
	}
	return nil
}

// realmFor finds a realm that an actor may act in. One outside the key's list is as unknown as one that does not exist.
func (d *Desk) realmFor(a Actor, name string) (*realm.Realm, error) {
	r := d.Realm(name)
	if r == nil || !a.mayIn(name) || name == realm.Canary && !slices.Contains(a.Realms, name) {
		return nil, &Bad{Code: "unknown_realm", Detail: "There is no such realm for this API key. The realms of a key stand in its [[api_key]] table."}
	}
	return r, nil
}

func (d *Desk) hasRoute(name string) bool {
	return slices.ContainsFunc(d.Routes, func(r Route) bool { return r.Name == name })
}

func (d *Desk) now() time.Time { return d.Store.Now() }

// ring wakes a worker, and forgets that it failed to.
func (d *Desk) ring(ctx context.Context, r store.Ring) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = d.Ringer.Ring(ctx, r.ID, r.TaskID())
}

// timeline reads and folds one ledger.
func (d *Desk) timeline(ctx context.Context, l store.LedgerID) (ledger.Timeline, error) {
	facts, err := d.Store.Facts(ctx, l)
	if err != nil {
		return ledger.Timeline{}, err
	}
	return ledger.Fold(facts), nil
}

// find looks up a reset for an actor; a reset of a realm that the actor may not see is as unknown as one that never was.
func (d *Desk) find(ctx context.Context, a Actor, id ledger.ResetID) (store.Place, *ledger.Reset, error) {
	at, err := d.Store.Find(ctx, id)
	if err != nil {
		return store.Place{}, nil, err
	}
	if !a.mayIn(at.Realm) {
		return store.Place{}, nil, store.ErrNotFound
	}
	t, err := d.timeline(ctx, at.Ledger)
	if err != nil {
		return store.Place{}, nil, err
	}
	r := t.Reset(id)
	if r == nil {
		return store.Place{}, nil, store.ErrNotFound
	}
	return at, r, nil
}
