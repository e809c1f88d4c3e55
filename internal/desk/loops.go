package desk

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// Loops are the loop checks that people may begin. The zero value allows none.
type Loops struct {
	Lanes  []realm.Lane
	Within time.Duration // how long a canary may take
	// Receives says that some process receives returned mail over SMTP; without, no canary can come back.
	Receives bool
	Mailbox  bool // a bounce mailbox is fetched as well
}

// loopsPerMinute is how often one API key may begin a loop check: each is a real mail.
var loopsPerMinute = store.Limit{N: 6, Per: time.Minute}

// canaryRealm is what the link's page shows of the realm of canaries, and where its button leads.
func canaryRealm() *realm.Realm {
	return &realm.Realm{Name: realm.Canary, Login: realm.LoginPassword, ResetURL: "/"}
}

// asCanary is the actor for whom a canary is asked for and redeemed: the one that may act in their realm, and in no other.
func asCanary(name string) Actor { return Actor{Name: name, Role: App, Realms: []string{realm.Canary}} }

// CheckLoop begins a loop check of a domain of ours, by one route or ("") by each that its mail takes. It gives each as it stands now, which is
// at its beginning; Loop tells how it goes on.
func (d *Desk) CheckLoop(ctx context.Context, a Actor, domain, route string) ([]diag.LoopRun, error) {
	domain = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(domain), "."))
	var lanes []realm.Lane
	for _, l := range d.Loops.Lanes {
		if l.Domain == domain && (route == "" || l.Route == route) {
			lanes = append(lanes, l)
		}
	}
	// The target is left out: it is what somebody typed.
	switch {
	case !d.Loops.Receives:
		return nil, d.denyFirst(a, DoLoop, &Bad{Code: "no_receiver", Detail: "No receiver is configured that a canary could come back to. Set [smtp] bounce_listen, and let the MX of bounce_domain lead there."})
	case len(lanes) == 0 && route != "":
		return nil, d.denyFirst(a, DoLoop, &Bad{Code: "bad_domain", Detail: "No realm sends mail from this domain by this route."})
	case len(lanes) == 0:
		return nil, d.denyFirst(a, DoLoop, &Bad{Code: "bad_domain", Detail: "No realm sends mail from this domain, so that there is no way to check."})
	}
	if err := d.Authorise(ctx, a, DoLoop, domain, "", false); err != nil {
		return nil, err
	}
	if err := d.patience(ctx, "loop "+a.Name, loopsPerMinute); err != nil {
		return nil, err
	}
	var out []diag.LoopRun
	for _, l := range lanes {
		id, err := d.BeginLoop(ctx, l, a.Name)
		if err != nil {
			return nil, err
		}
		run, err := d.loop(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, run)
	}
	return out, nil
}

// BeginLoop asks for a canary, as an application asks for a reset. by is who wanted it; "" = resetd itself, by its clock.
func (d *Desk) BeginLoop(ctx context.Context, l realm.Lane, by string) (ledger.ResetID, error) {
	seed := ledger.NewSeed()
	ask := Ask{Realm: realm.Canary, Login: l.CanaryLogin(strings.ToLower(rand.Text()[:10]))}
	// It is on the list before it is in the record: what is on the list alone is taken off again.
	id := ledger.NewResetID(store.LedgerOf(ask.Realm, ask.Login).Partition(), seed)
	if err := d.Store.BeginLoop(ctx, l.Name(), id); err != nil {
		return "", err
	}
	return d.Request(ctx, asCanary(by), seed, ask)
}

// RedeemCanary uses the token of a canary.
func (d *Desk) RedeemCanary(ctx context.Context, tok string) error {
	_, err := d.Redeem(ctx, asCanary(""), ledger.NewSeed(), tok, realm.Canary)
	return err
}

// Loop says how far a loop check has come.
func (d *Desk) Loop(ctx context.Context, a Actor, id ledger.ResetID) (diag.LoopRun, error) {
	if err := d.Authorise(ctx, a, DoDomains, "", "", false); err != nil {
		return diag.LoopRun{}, err
	}
	return d.loop(ctx, id)
}

// loop judges a canary by its facts, until it is concluded by those of its end: a run is over once, and not judged anew each day.
func (d *Desk) loop(ctx context.Context, id ledger.ResetID) (diag.LoopRun, error) {
	at, err := d.Store.Find(ctx, id)
	if err != nil {
		return diag.LoopRun{}, err
	}
	if at.Realm != realm.Canary {
		return diag.LoopRun{}, store.ErrNotFound
	}
	results, err := d.loopResults(ctx)
	if err != nil {
		return diag.LoopRun{}, err
	}
	for _, r := range results {
		if r.Reset == id {
			return r, nil
		}
	}
	t, err := d.timeline(ctx, at.Ledger)
	if err != nil {
		return diag.LoopRun{}, err
	}
	r := t.Reset(id)
	if r == nil || r.Asked.Ask == nil {
		return diag.LoopRun{}, store.ErrNotFound
	}
	lane, ok := realm.LaneOf(d.Loops.Lanes, r.Asked.Ask.Login)
	if !ok {
		return diag.LoopRun{}, store.ErrNotFound // configured no more
	}
	s := &sight{now: d.now()}
	if err := d.health(ctx, s); err != nil {
		return diag.LoopRun{}, err
	}
	in := diag.LoopInput{Now: s.now, Domain: lane.Domain, Route: lane.Route, Began: r.Asked.At, Within: d.Loops.Within, ID: id, Reset: r, Queue: s.queue, Blind: s.blind, Mailbox: d.Loops.Mailbox, Replies: d.Rules.Book()}
	in.Smart = slices.ContainsFunc(d.Routes, func(o Route) bool { return o.Name == lane.Route && o.Smart })
	return diag.Loop(in), nil
}

// loopResults gives the newest outcome of each lane.
func (d *Desk) loopResults(ctx context.Context) (map[string]diag.LoopRun, error) {
	bodies, err := d.Store.LoopResults(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]diag.LoopRun, len(bodies))
	for lane, b := range bodies {
		var r diag.LoopRun
		if json.Unmarshal(b, &r) == nil {
			out[lane] = r
		}
	}
	return out, nil
}

// loopsOf are the newest loop checks of a domain, one for each lane, those under way included.
func (d *Desk) loopsOf(results map[string]diag.LoopRun, running []diag.LoopRun, domain string) []diag.LoopRun {
	var out []diag.LoopRun
	for _, l := range d.Loops.Lanes {
		if l.Domain != domain {
			continue
		}
		newest, ok := results[l.Name()]
		for _, r := range running {
			if r.Domain == l.Domain && r.Route == l.Route && !r.Began.Before(newest.Began) {
				newest, ok = r, true
			}
		}
		if ok {
			out = append(out, newest)
		}
	}
	return out
}

// runningLoops judges the canaries that are under way.
func (d *Desk) runningLoops(ctx context.Context) ([]diag.LoopRun, error) {
	ids, err := d.Store.RunningLoops(ctx)
	if err != nil {
		return nil, err
	}
	var out []diag.LoopRun
	for id := range ids {
		if r, err := d.loop(ctx, id); err == nil {
			out = append(out, r)
		}
	}
	return out, nil
}
