package desk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// Question is what somebody wants to know: about a login, or about one reset.
type Question struct {
	Login string
	Reset ledger.ResetID
	Realm string // "" = every realm
	Page  string // the URL where the user asked; "" = not said
}

// Why gives one case for each realm where the login or its account is known or was asked: the newest ask first, then by realm name. An
// unknown login is an answer, never an error.
func (d *Desk) Why(ctx context.Context, a Actor, q Question) ([]diag.Case, error) {
	if q.Realm != "" {
		if _, err := d.realmFor(a, q.Realm); err != nil {
			return nil, d.denyFirst(a, DoWhy, err)
		}
	}
	if len(q.Page) > maxPage || control(q.Page) {
		return nil, d.denyFirst(a, DoWhy, &Bad{Code: "bad_request", Detail: "`page` is longer than 2,048 bytes or has control characters."})
	}
	if q.Reset == "" {
		if err := checkLogin(q.Login); err != nil {
			return nil, d.denyFirst(a, DoWhy, err)
		}
		if err := d.Authorise(ctx, a, DoWhy, string(store.LedgerOf(q.Realm, q.Login)), "", false); err != nil {
			return nil, err
		}
		return d.cases(ctx, a, q)
	}
	if err := d.Authorise(ctx, a, DoWhy, string(q.Reset), "", false); err != nil {
		return nil, err
	}
	at, r, err := d.find(ctx, a, q.Reset)
	if err != nil {
		return nil, err
	}
	c, err := d.caseOf(ctx, a, at, r, q.Page)
	if err != nil {
		return nil, err
	}
	return []diag.Case{c}, nil
}

// caseOf is the case of one reset, whatever was asked after it.
func (d *Desk) caseOf(ctx context.Context, a Actor, at store.Place, r *ledger.Reset, page string) (diag.Case, error) {
	login := ""
	if r.Asked.Ask != nil {
		login = r.Asked.Ask.Login
	}
	sight, err := d.look(ctx, a, login, at.Realm, at.Ledger)
	if err != nil {
		return diag.Case{}, err
	}
	for i := range sight.views {
		v := &sight.views[i]
		if v.realm.Name != at.Realm {
			continue
		}
		in := sight.input(d, v, d.pageOf(a, page))
		in.Reset = r.ID
		return sight.diagnose(in), nil
	}
	return diag.Case{}, store.ErrNotFound // its realm is no longer configured
}

func (d *Desk) cases(ctx context.Context, a Actor, q Question) ([]diag.Case, error) {
	sight, err := d.look(ctx, a, q.Login, "", "")
	if err != nil {
		return nil, err
	}
	page := d.pageOf(a, q.Page)
	var out []diag.Case
	asked := map[string]time.Time{}
	for i := range sight.views {
		v := &sight.views[i]
		// A realm counts where the login is known or was asked, where the page is its own, or where only a look-alike is known.
		wanted := v.known() || page != nil && page.Realm == v.realm.Name
		if q.Realm != "" {
			wanted = q.Realm == v.realm.Name
		}
		if wanted {
			out = append(out, sight.diagnose(sight.input(d, v, page)))
			asked[v.realm.Name] = v.lastAsk()
		}
	}
	if len(out) == 0 {
		return []diag.Case{diag.Diagnose(sight.nowhere(d, page))}, nil
	}
	slices.SortStableFunc(out, func(x, y diag.Case) int {
		if c := asked[y.Realm].Compare(asked[x.Realm]); c != 0 {
			return c
		}
		return strings.Compare(x.Realm, y.Realm)
	})
	return out, nil
}

// view is what one realm knows of a login.
type view struct {
	realm       realm.Realm
	found       realm.Found
	unavailable *realm.Unavailable
	vouched     bool // the realm has no directory: its answer proves nothing
	facts       []ledger.Fact
	dns         map[string]dnscheck.Reading // what DNS said as the newest mails were built
	fold        *ledger.Timeline
	suppression *diag.Suppression
}

func (v *view) timeline() ledger.Timeline {
	if v.fold == nil {
		t := ledger.Fold(v.facts)
		v.fold = &t
	}
	return *v.fold
}

func (v *view) known() bool {
	return len(v.facts) > 0 || len(v.found.Accounts) > 0 && !v.vouched || len(v.found.Near) > 0
}

func (v *view) lastAsk() time.Time {
	t := v.timeline()
	if r := t.Newest(); r != nil {
		return r.Asked.At
	}
	return time.Time{}
}

// sight is everything that a diagnosis looks at: gathered once, for all realms.
type sight struct {
	now    time.Time
	login  string
	views  []view
	queue  diag.Queue
	crowd  crowd
	blind  []diag.Blind
	checks []ledger.Fact // what DNS said about our domains, whenever it changed
}

// look gathers what all realms that the actor may see know of a login. only and its ledger restrict what is read of ledgers to one realm.
func (d *Desk) look(ctx context.Context, a Actor, login, only string, own store.LedgerID) (*sight, error) {
	s := &sight{now: d.now(), login: login}
	realms := d.Realms
	if only == realm.Canary {
		realms = []realm.Realm{*canaryRealm()}
	}
	for _, r := range realms {
		if a.mayIn(r.Name) {
			s.views = append(s.views, view{realm: r})
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(s.views)+1)
	for i := range s.views {
		wg.Go(func() {
			l := store.LedgerOf(s.views[i].realm.Name, login)
			if s.views[i].realm.Name == only {
				l = own
			}
			errs[i] = d.lookIn(ctx, &s.views[i], login, l)
		})
	}
	wg.Go(func() { errs[len(s.views)] = errors.Join(d.health(ctx, s), d.compare(ctx, s)) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, d.sameAccountElsewhere(ctx, s)
}

// lookIn asks one realm's directory and reads its ledgers.
func (d *Desk) lookIn(ctx context.Context, v *view, login string, l store.LedgerID) error {
	d.askDirectory(ctx, v, login)
	d.askSpellings(ctx, v, login)
	ledgers := []store.LedgerID{l}
	for _, acc := range v.found.Accounts {
		if v.vouched {
			continue
		}
		more, err := d.Store.Joined(ctx, store.AccountOf(v.realm.Name, acc.ID))
		if err != nil {
			return err
		}
		for _, m := range more {
			if !slices.Contains(ledgers, m) {
				ledgers = append(ledgers, m)
			}
		}
	}
	for _, l := range ledgers {
		facts, err := d.Store.Facts(ctx, l)
		if err != nil {
			return err
		}
		if v.facts == nil {
			v.facts = facts // most people have one ledger, and it may be long
		} else {
			v.facts = append(v.facts, facts...)
		}
	}
	var err error
	if v.dns, err = d.Store.DNS(ctx, dnsOfMails(v.facts)...); err != nil {
		return err
	}
	address := ""
	if len(v.found.Accounts) > 0 {
		address = v.found.Accounts[0].Address
	} else if t := v.timeline(); t.Newest() != nil {
		address = t.Newest().Gen().Address
	}
	if address == "" {
		return nil
	}
	sup, err := d.Store.Suppressed(ctx, address)
	if sup != nil {
		v.suppression = &diag.Suppression{Since: sup.Since, Until: sup.Until, Cause: sup.Cause, Evidence: sup.Evidence, Proof: sup.Proof}
	}
	return err
}

// mailsRead is of how many of the newest mails it is read what DNS said as they were built: verdicts are about the last ones.
const mailsRead = 8

// dnsOfMails lists the hashes that the newest mails note, each once.
func dnsOfMails(facts []ledger.Fact) []string {
	var out []string
	n := 0
	for _, f := range slices.Backward(facts) {
		if f.Composition == nil || f.Composition.DNS == "" {
			continue
		}
		if n++; n > mailsRead {
			break
		}
		if !slices.Contains(out, f.Composition.DNS) {
			out = append(out, f.Composition.DNS)
		}
	}
	return out
}

func (d *Desk) askDirectory(ctx context.Context, v *view, login string) {
	if v.realm.Directory == nil {
		v.vouched = true
		return
	}
	_, v.vouched = v.realm.Directory.(realm.None)
	limit := d.LookupLimit
	if limit == 0 {
		limit = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := v.realm.Directory.Lookup(ctx, v.realm.Name, login)
	if err != nil {
		if !errors.As(err, &v.unavailable) {
			v.unavailable = &realm.Unavailable{Kind: "silent", Detail: "it did not answer", Err: err}
		}
		return
	}
	v.found = found
}

// sameAccountElsewhere looks in the realms that do not know the login for the address of the account that it names.
func (d *Desk) sameAccountElsewhere(ctx context.Context, s *sight) error {
	addresses := map[string]bool{}
	for _, v := range s.views {
		for _, acc := range v.found.Accounts {
			if acc.Address != "" && !v.vouched && realm.Normal(acc.Address) != realm.Normal(s.login) {
				addresses[acc.Address] = true
			}
		}
	}
	for i := range s.views {
		v := &s.views[i]
		if v.vouched || len(v.found.Accounts) > 0 || v.unavailable != nil {
			continue
		}
		for address := range addresses {
			other := view{realm: v.realm}
			d.askDirectory(ctx, &other, address)
			if len(other.found.Accounts) == 0 {
				continue
			}
			if err := d.lookIn(ctx, &other, address, store.LedgerOf(v.realm.Name, address)); err != nil {
				return err
			}
			other.facts = append(other.facts, v.facts...)
			*v = other
			break
		}
	}
	return nil
}

// health reads how the queue stands and what could not be seen.
func (d *Desk) health(ctx context.Context, s *sight) error {
	q, err := d.Store.Status(ctx)
	if err != nil {
		return err
	}
	workers, seen, err := d.Store.Workers(ctx)
	if err != nil {
		return err
	}
	holds, err := d.Store.Holds(ctx)
	if err != nil {
		return err
	}
	house, blind, err := d.Store.House(ctx)
	if err != nil {
		return err
	}
	for _, f := range house {
		if f.Event == ledger.Checked && f.Check != nil {
			s.checks = append(s.checks, f)
		}
	}
	s.queue = diag.Queue{Workers: workers, WorkerSeen: seen, Due: q.Due, Waiting: q.Waiting, InFlight: q.InFlight, OldestDue: q.OldestDue, Wakes: d.Wakes, RoutePaused: map[string]diag.Hold{}}
	if s.queue.Wakes == 0 {
		s.queue.Wakes = 15 * time.Second
	}
	for route, h := range holds {
		hold := diag.Hold{By: h.By, Reason: h.Reason, Since: h.Since}
		if route == "" {
			s.queue.Paused = &hold
		} else {
			s.queue.RoutePaused[route] = hold
		}
	}
	for _, b := range blind {
		s.blind = append(s.blind, diag.Blind{Sensor: b.Sensor, From: b.From, To: b.To})
	}
	return nil
}

func (s *sight) base(d *Desk, page *diag.Page) diag.Input {
	in := diag.Input{
		Now: s.now, Login: s.login, Page: page, Queue: s.queue, Blind: s.blind, Bounces: d.Bounces,
		Retention: d.Store.Retention(), Since: d.Since, Smart: map[string]bool{}, Replies: d.Rules.Book(),
	}
	in.Checks = s.checks
	in.Unanswered = s.crowd.unanswered
	in.Outages, in.Opens, in.Events = s.crowd.outages, s.crowd.opens, map[string]diag.Events{}
	for _, r := range d.Routes {
		in.Smart[r.Name] = r.Smart
		if r.Provider != "" {
			in.Events[r.Name] = diag.Events{Provider: r.Provider, Last: s.crowd.heard[r.Provider]}
		}
	}
	return in
}

// nowhere is the question about a login that no realm knows.
func (s *sight) nowhere(d *Desk, page *diag.Page) diag.Input { return s.base(d, page) }

// input is the question about one realm.
func (s *sight) input(d *Desk, v *view, page *diag.Page) diag.Input {
	in := s.base(d, page)
	in.Realm = &v.realm
	in.Timeline = v.timeline()
	in.Suppression = v.suppression
	in.DNS = v.dns
	in.Directory = diag.Directory{Asked: true, Accounts: v.found.Accounts, Near: v.found.Near, Unavailable: v.unavailable}
	in.AskPages = d.askPages(in.Timeline)
	for i := range s.views {
		o := &s.views[i]
		if o == v || !o.known() {
			continue
		}
		other := diag.Other{Realm: o.realm}
		if len(o.found.Accounts) > 0 && !o.vouched {
			other.Account = &o.found.Accounts[0]
		}
		t := o.timeline()
		if r := t.Newest(); r != nil {
			other.LastAsk, other.Ask, other.State, other.Reset = r.Asked.At, r.Asked.ID, r.State, r.ID
		}
		other.Reports = t.Loose
		in.Others = append(in.Others, other)
	}
	return in
}
