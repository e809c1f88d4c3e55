package desk

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// LiveToken is what a living token is good for.
type LiveToken struct {
	Reset     ledger.ResetID
	Realm     string
	ExpiresAt time.Time
}

// Grant is what a redeemed token gives: the account whose password may be set now.
type Grant struct {
	Reset   ledger.ResetID
	Realm   string
	Account string
	Login   string
	Address string
}

// Dead says whether an error is one of the reasons why a token is dead; their texts are the codes of the API.
func Dead(err error) bool {
	for _, e := range []error{token.ErrMalformed, token.ErrOtherRealm, token.ErrUnknown, token.ErrUsed, token.ErrReplaced, token.ErrExpired} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// held is a token that is read and found in the record.
type held struct {
	at    store.Place
	reset *ledger.Reset
	gen   ledger.Generation
	live  store.Live
}

// hold reads a token and finds its record: ErrMalformed, ErrOtherRealm, ErrUnknown, in that order. realmName "" accepts any.
func (d *Desk) hold(ctx context.Context, tok, realmName string) (held, error) {
	id, n, err := d.Tokens.Parse(tok)
	if err != nil {
		return held{}, err
	}
	at, err := d.Store.Find(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return held{}, token.ErrUnknown
	}
	if err != nil {
		return held{}, err
	}
	if realmName != "" && at.Realm != realmName {
		return held{}, token.ErrOtherRealm
	}
	t, err := d.timeline(ctx, at.Ledger)
	if err != nil {
		return held{}, err
	}
	h := held{at: at, reset: t.Reset(id)}
	if h.reset == nil {
		return held{}, token.ErrUnknown
	}
	var ok bool
	if h.gen, ok = h.reset.Generation(n); !ok {
		return held{}, token.ErrUnknown
	}
	h.live = store.Live{
		Account: store.AccountOf(at.Realm, h.gen.Account), Ledger: at.Ledger, Reset: id,
		Gen: n, NewestGen: h.reset.Gen().N, Issued: h.gen.IssuedAt, Expires: h.gen.Expires(),
	}
	return h, nil
}

// tokenFor is hold behind role and realm.
func (d *Desk) tokenFor(ctx context.Context, a Actor, what Action, tok, realmName string) (held, error) {
	if err := d.Authorise(ctx, a, what, "", "", false); err != nil {
		return held{}, err
	}
	if _, err := d.realmFor(a, realmName); err != nil {
		return held{}, err
	}
	return d.hold(ctx, tok, realmName)
}

// Inspect says whether a token lives, and consumes nothing. A dead one is an error for which Dead is true.
func (d *Desk) Inspect(ctx context.Context, a Actor, tok, realmName string) (LiveToken, error) {
	h, err := d.tokenFor(ctx, a, DoInspect, tok, realmName)
	if err != nil {
		return LiveToken{}, err
	}
	if err := d.Store.Inspect(ctx, h.live); err != nil {
		return LiveToken{}, err
	}
	return LiveToken{Reset: h.reset.ID, Realm: h.at.Realm, ExpiresAt: h.gen.Expires()}, nil
}

// Redeem uses a token, exactly once; asking again with the same seed is the same use. A dead one is an error for which Dead is true; that somebody presented it is recorded.
func (d *Desk) Redeem(ctx context.Context, a Actor, seed ledger.Seed, tok, realmName string) (Grant, error) {
	h, err := d.tokenFor(ctx, a, DoRedeem, tok, realmName)
	if err != nil {
		return Grant{}, err
	}
	f := ledger.Fact{ID: ledger.EventIDFrom(seed.Derive("redeemed")), At: d.now(), Event: ledger.Redeemed, Reset: h.reset.ID, By: a.Name, Role: string(a.Role),
		Redemption: &ledger.Redemption{Gen: h.gen.N, Account: h.gen.Account}}
	if err := d.Store.Redeem(ctx, h.live, f); err != nil {
		if Dead(err) {
			_ = d.Store.Visit(ctx, h.at, ledger.Fact{ID: ledger.NewEventID(), At: d.now(), Event: ledger.Declined, Reset: h.reset.ID, By: a.Name, Role: string(a.Role),
				Visit: &ledger.Visit{Dead: err.Error(), Gen: h.gen.N}})
		}
		return Grant{}, err
	}
	d.proven(ctx, h, f, "the link of a mail to it was used")
	login := ""
	if h.reset.Asked.Ask != nil {
		login = h.reset.Asked.Ask.Login
	}
	return Grant{Reset: h.reset.ID, Realm: h.at.Realm, Account: h.gen.Account, Login: login, Address: h.gen.Address}, nil
}

// ReviveWithin is how long after a redeem a failed outcome revives the token.
const ReviveWithin = 10 * time.Minute

// Outcome records what became of the password after a redeem. failed within ReviveWithin makes the token live again, once.
func (d *Desk) Outcome(ctx context.Context, a Actor, seed ledger.Seed, id ledger.ResetID, result, detail string) error {
	if err := d.Authorise(ctx, a, DoOutcome, string(id), "", false); err != nil {
		return err
	}
	if result != "done" && result != "failed" {
		return &Bad{Code: "bad_request", Detail: "`result` is neither done nor failed."}
	}
	if len(detail) > MaxReason || control(detail) {
		return &Bad{Code: "bad_request", Detail: "`detail` is longer than 500 bytes or has control characters."}
	}
	at, r, err := d.find(ctx, a, id)
	if err != nil {
		return err
	}
	f := ledger.Fact{ID: ledger.EventIDFrom(seed.Derive("outcome")), At: d.now(), Event: ledger.Reported, Reset: id, By: a.Name, Role: string(a.Role),
		Report: &ledger.Report{Kind: result, Detail: detail}}
	if result == "failed" && r.Redeemed != nil && r.Redeemed.Redemption != nil {
		g, _ := r.Generation(r.Redeemed.Redemption.Gen)
		f.Report.Revived = true
		live := store.Live{Account: store.AccountOf(at.Realm, g.Account), Ledger: at.Ledger, Reset: id}
		if revived, err := d.Store.Revive(ctx, live, ReviveWithin, f); err != nil || revived {
			return err
		}
		f.Report.Revived = false
	}
	return d.Store.Append(ctx, at.Ledger, f)
}

// Visitor is who, or what, fetched the link's page.
type Visitor struct {
	Method, IP, UserAgent string
}

// Landing is what the link's page shows.
type Landing struct {
	Realm     realm.Realm
	ExpiresAt time.Time
}

// Open records that somebody fetched the link's page. It consumes nothing. A dead token is an error for which Dead is true.
func (d *Desk) Open(ctx context.Context, tok string, v Visitor) (Landing, error) {
	l, _, err := d.visit(ctx, tok, v, ledger.Opened)
	return l, err
}

// Proceed records that the page's button was pressed and says where the new password is set. It consumes nothing either: the app redeems.
func (d *Desk) Proceed(ctx context.Context, tok string, v Visitor) (string, error) {
	_, target, err := d.visit(ctx, tok, v, ledger.Proceeded)
	return target, err
}

func (d *Desk) visit(ctx context.Context, tok string, v Visitor, what ledger.Event) (Landing, string, error) {
	h, err := d.hold(ctx, tok, "")
	if errors.Is(err, token.ErrMalformed) {
		d.cutLink(ctx, tok, v)
	}
	if err != nil {
		return Landing{}, "", err
	}
	dead := d.Store.Inspect(ctx, h.live)
	if dead != nil && !Dead(dead) {
		return Landing{}, "", dead
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: d.now(), Event: what, Reset: h.reset.ID,
		Visit: &ledger.Visit{Method: v.Method, IP: v.IP, UserAgent: clip(v.UserAgent, maxAgent), Gen: h.gen.N}}
	if dead != nil {
		// A button on a page that was loaded while the token lived: the visit is recorded as one of a dead link.
		f.Event, f.Visit.Dead = ledger.Opened, dead.Error()
	}
	if err := d.Store.Visit(ctx, h.at, f); err != nil {
		return Landing{}, "", err
	}
	if h.at.Realm != realm.Canary {
		d.countOpened(ctx, h.reset)
	}
	if dead != nil {
		return Landing{}, "", dead
	}
	if what == ledger.Proceeded {
		d.proven(ctx, h, f, "a person followed the link of a mail to it")
	}
	r := d.Realm(h.at.Realm)
	if r == nil {
		return Landing{}, "", token.ErrUnknown
	}
	return Landing{Realm: *r, ExpiresAt: h.gen.Expires()}, strings.ReplaceAll(r.ResetURL, "{token}", tok), nil
}

// cutLink remembers that somebody held a link that a mail program cut or altered, where it still says whose it was.
func (d *Desk) cutLink(ctx context.Context, tok string, v Visitor) {
	id, ok := token.Hint(tok)
	if !ok {
		return
	}
	at, err := d.Store.Find(ctx, id)
	if err != nil {
		return
	}
	_ = d.Store.Visit(ctx, at, ledger.Fact{ID: ledger.NewEventID(), At: d.now(), Event: ledger.Opened, Reset: id,
		Visit: &ledger.Visit{Method: v.Method, IP: v.IP, UserAgent: clip(v.UserAgent, maxAgent), Dead: token.ErrMalformed.Error()}})
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
