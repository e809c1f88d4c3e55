package desk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// accounts is a directory in a map, by login.
type accounts map[string]realm.Found

func (a accounts) Lookup(_ context.Context, _, login string) (realm.Found, error) {
	return a[realm.Normal(login)], nil
}

// silence is a directory that nobody hears.
type silence struct{}

func (silence) Lookup(context.Context, string, string) (realm.Found, error) {
	return realm.Found{}, &realm.Unavailable{Kind: "silent", Detail: "it did not answer"}
}

// rings counts wake-ups.
type rings struct{ ids []string }

func (r *rings) Ring(_ context.Context, id, _ string) error {
	r.ids = append(r.ids, id)
	return errors.New("the queue is away: that is no error to anybody")
}

var (
	app     = desk.Actor{Name: "shop", Role: desk.App}
	support = desk.Actor{Name: "sue", Role: desk.Support}
	admin   = desk.Actor{Name: "ann", Role: desk.Admin}
	ops     = desk.Actor{Name: "otto", Role: desk.Ops}
)

type fixture struct {
	*desk.Desk
	t     testing.TB
	rings *rings
}

func newDesk(t testing.TB) *fixture {
	t.Helper()
	rdb, err := store.Open("redis://" + redistest.Start(t) + "/0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	ring, err := token.NewRing([]token.Key{token.NewKey("k1")})
	if err != nil {
		t.Fatal(err)
	}
	jo := realm.Account{ID: "u1", Realm: "shop", Login: "jo@a.example", Address: "jo@a.example", State: realm.Active, LoginMethod: realm.LoginPassword}
	dir := accounts{"jo@a.example": {Accounts: []realm.Account{jo}}, "jo": {Accounts: []realm.Account{jo}}}
	f := &fixture{t: t, rings: &rings{}}
	f.Desk = &desk.Desk{
		Store: store.New(rdb, store.Options{Retention: 24 * time.Hour, Durability: "memory"}), Ringer: f.rings, Tokens: ring,
		Realms: []realm.Realm{
			{Name: "shop", Login: realm.LoginPassword, Pages: []string{"https://shop.us.example/"}, ResetURL: "https://shop.us.example/new?t={token}", Routes: []string{"mx"}, TokenTTL: time.Hour, Directory: dir},
			{Name: "staff", Login: realm.LoginSSO, Pages: []string{"https://staff.us.example/"}, Provider: realm.Provider{Name: "Acme"}, Directory: accounts{}},
			{Name: "club", Login: realm.LoginPassword, Directory: silence{}},
		},
		Routes: []desk.Route{{Name: "mx"}, {Name: "relay", Smart: true}},
	}
	return f
}

func (f *fixture) ask(login string) ledger.ResetID {
	f.t.Helper()
	id, err := f.Request(f.t.Context(), app, ledger.NewSeed(), desk.Ask{Realm: "shop", Login: login})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// play is the worker: it issues a token for jo and lets a host answer.
func (f *fixture) play(id ledger.ResetID, outcome ledger.Outcome, change func(*ledger.Attempt)) (tok string) {
	f.t.Helper()
	at, err := f.Store.Find(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	facts, err := f.Store.Facts(f.t.Context(), at.Ledger)
	if err != nil {
		f.t.Fatal(err)
	}
	tl := ledger.Fold(facts)
	m := tl.Reset(id).Newest()
	c, err := f.Store.Claim(f.t.Context(), string(m.ID), "w", time.Minute)
	if err != nil {
		f.t.Fatal(err)
	}
	now := f.Store.Now()
	fact := func(e ledger.Event) ledger.Fact {
		return ledger.Fact{ID: ledger.NewEventID(), At: now, Event: e, Reset: id, Message: m.ID}
	}
	issued := fact(ledger.Issued)
	issued.Issue = &ledger.Issue{Generation: max(1, m.Gen), KeyID: "k1", TTL: 3600, Until: now.Add(ledger.MaxLife), Account: "u1", Address: "jo@a.example", Route: "mx"}
	attempted := fact(ledger.Attempted)
	attempted.Attempt = &ledger.Attempt{Try: 1, Route: "mx", Host: "mx.a.example", Stage: "dot", Code: 250, Text: "ok", Outcome: outcome}
	if change != nil {
		change(attempted.Attempt)
	}
	if err := f.Store.Settle(f.t.Context(), c, store.Plan{Next: attempted.Attempt.Next, Route: "mx"}, issued, attempted); err != nil {
		f.t.Fatal(err)
	}
	tok, err = f.Tokens.Make(id, issued.Issue.Generation, "k1")
	if err != nil {
		f.t.Fatal(err)
	}
	return tok
}

// Who may do what, in one table. A denial is written to the audit trail, whatever else is wrong with the request.
func TestRoles(t *testing.T) {
	f := newDesk(t)
	ctx, seed := t.Context(), ledger.NewSeed()
	id := f.ask("jo@a.example")
	calls := map[string]struct {
		who string // who may
		do  func(desk.Actor) error
	}{
		"request": {"app support admin", func(a desk.Actor) error {
			_, err := f.Request(ctx, a, seed, desk.Ask{Realm: "shop", Login: "x"})
			return err
		}},
		"read":    {"support admin", func(a desk.Actor) error { _, err := f.Reset(ctx, a, id); return err }},
		"resend":  {"support admin", func(a desk.Actor) error { _, err := f.Resend(ctx, a, seed, id, desk.Again{Reason: "x"}); return err }},
		"cancel":  {"admin", func(a desk.Actor) error { _, err := f.Cancel(ctx, a, id, "x"); return err }},
		"reveal":  {"admin", func(a desk.Actor) error { return f.Reveal(ctx, a, id, "x") }},
		"outcome": {"app", func(a desk.Actor) error { return f.Outcome(ctx, a, seed, id, "done", "") }},
		"report": {"app support", func(a desk.Actor) error {
			return f.Report(ctx, a, seed, desk.Reported{Realm: "shop", Login: "x", Kind: "locked"})
		}},
		"why":          {"support admin", func(a desk.Actor) error { _, err := f.Why(ctx, a, desk.Question{Login: "x"}); return err }},
		"inspect":      {"app", func(a desk.Actor) error { _, err := f.Inspect(ctx, a, "x", "shop"); return err }},
		"redeem":       {"app", func(a desk.Actor) error { _, err := f.Redeem(ctx, a, seed, "x", "shop"); return err }},
		"suppressions": {"admin", func(a desk.Actor) error { _, _, err := f.Suppressions(ctx, a, ""); return err }},
		"suppression":  {"support admin", func(a desk.Actor) error { _, err := f.Suppression(ctx, a, "x@a.example"); return err }},
		"release":      {"admin", func(a desk.Actor) error { return f.ReleaseSuppression(ctx, a, "x@a.example", "x") }},
		"queue":        {"ops admin", func(a desk.Actor) error { _, err := f.Queue(ctx, a); return err }},
		"pause":        {"ops admin", func(a desk.Actor) error { return f.Pause(ctx, a, "mx", "x") }},
		"resume":       {"ops admin", func(a desk.Actor) error { return f.Resume(ctx, a, "mx", "x") }},
		"audit":        {"admin", func(a desk.Actor) error { _, _, err := f.Audit(ctx, a, ""); return err }},
		"audit check":  {"admin", func(a desk.Actor) error { _, err := f.VerifyAudit(ctx, a); return err }},
	}
	denied := 0
	for name, c := range calls {
		for _, a := range []desk.Actor{app, support, admin, ops} {
			err := c.do(a)
			may := strings.Contains(c.who, string(a.Role))
			if may == errors.Is(err, desk.ErrForbidden) {
				t.Errorf("%s by %s: %v", name, a.Role, err)
			}
			if !may {
				denied++
			}
		}
	}
	written := 0
	for cursor := ""; ; {
		list, next, err := f.Audit(ctx, admin, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Denied {
				written++
			}
			if strings.Contains(e.Target+e.Reason, "@") {
				t.Errorf("an entry of the trail holds an address: %+v", e)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if written != denied {
		t.Errorf("%d of %d denials stand in the audit trail", written, denied)
	}
}

// An ask of any kind leaves the same: a fact, work, a ring that may fail. The directory is not asked.
func TestRequestAsksNoDirectory(t *testing.T) {
	f := newDesk(t)
	f.Realms[0].Directory = nil // a look-up would panic in decide, or vouch: neither is reached
	for _, ask := range []desk.Ask{{Realm: "shop", Login: "jo@a.example"}, {Realm: "shop", Login: "nobody"}, {Realm: "staff", Login: "ann"}, {Realm: "club", Login: "x"}} {
		id, err := f.Request(t.Context(), app, ledger.NewSeed(), ask)
		if err != nil || !strings.HasPrefix(string(id), "rst_") {
			t.Errorf("%+v: %v %v", ask, id, err)
		}
	}
	if len(f.rings.ids) != 4 {
		t.Errorf("%d rings", len(f.rings.ids))
	}
	if q, _ := f.Queue(t.Context(), ops); q.Due != 4 {
		t.Errorf("queue %+v", q)
	}
}

// What a request must not be, and the code that says so; nothing of the input is echoed.
func TestBadRequests(t *testing.T) {
	f := newDesk(t)
	long := strings.Repeat("x", desk.MaxLogin+1)
	for name, c := range map[string]struct {
		ask  desk.Ask
		code string
	}{
		"unknown realm":      {desk.Ask{Realm: "sh0p", Login: "jo"}, "unknown_realm"},
		"no realm":           {desk.Ask{Login: "jo"}, "unknown_realm"},
		"empty login":        {desk.Ask{Realm: "shop"}, "bad_login"},
		"blank login":        {desk.Ask{Realm: "shop", Login: " \u00a0 "}, "bad_login"},
		"invisible login":    {desk.Ask{Realm: "shop", Login: "\u200b\u2060"}, "bad_login"},
		"long login":         {desk.Ask{Realm: "shop", Login: long}, "bad_login"},
		"line break":         {desk.Ask{Realm: "shop", Login: "jo\r\nBcc: x"}, "bad_login"},
		"NUL":                {desk.Ask{Realm: "shop", Login: "jo\x00"}, "bad_login"},
		"C1 control":         {desk.Ask{Realm: "shop", Login: "jo\u0085"}, "bad_login"},
		"not UTF-8":          {desk.Ask{Realm: "shop", Login: "jo\xff"}, "bad_login"},
		"page is no URL":     {desk.Ask{Realm: "shop", Login: "jo", Page: "shop"}, "bad_request"},
		"page is a script":   {desk.Ask{Realm: "shop", Login: "jo", Page: "javascript:alert(1)"}, "bad_request"},
		"ip is none":         {desk.Ask{Realm: "shop", Login: "jo", IP: "1.2.3.4:5"}, "bad_request"},
		"agent with a break": {desk.Ask{Realm: "shop", Login: "jo", UserAgent: "a\nb"}, "bad_request"},
		"long locale":        {desk.Ask{Realm: "shop", Login: "jo", Locale: long}, "bad_request"},
		"long reason":        {desk.Ask{Realm: "shop", Login: "jo", Reason: long}, "bad_request"},
	} {
		_, err := f.Request(t.Context(), app, ledger.NewSeed(), c.ask)
		var bad *desk.Bad
		if !errors.As(err, &bad) || bad.Code != c.code || strings.Contains(bad.Detail, "sh0p") || strings.Contains(bad.Detail, "Bcc") {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if len(f.rings.ids) != 0 {
		t.Error("something was accepted")
	}
	limited := desk.Actor{Name: "crm", Role: desk.App, Realms: []string{"staff"}}
	var bad *desk.Bad
	if _, err := f.Request(t.Context(), limited, ledger.NewSeed(), desk.Ask{Realm: "shop", Login: "jo"}); !errors.As(err, &bad) || bad.Code != "unknown_realm" {
		t.Errorf("a realm outside the key's list: %v", err)
	}
}

// The page is kept without what may stand in a query, and the user's address without its zone.
func TestWhatIsKeptOfAnAsk(t *testing.T) {
	f := newDesk(t)
	id, err := f.Request(t.Context(), app, ledger.NewSeed(), desk.Ask{Realm: "shop", Login: "jo@a.example", Page: "https://me:pw@shop.us.example/login?email=jo@a.example#x", IP: "::ffff:192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	at, _ := f.Store.Find(t.Context(), id)
	facts, _ := f.Store.Facts(t.Context(), at.Ledger)
	if a := facts[0].Ask; a.Page != "https://shop.us.example/login" || a.IP != "192.0.2.7" || facts[0].By != "shop" {
		t.Errorf("%+v", facts[0])
	}
}

// The life of a link at the desk: opened without being consumed, redeemed once, refused with the first reason that fits.
func TestLink(t *testing.T) {
	f := newDesk(t)
	id := f.ask("jo@a.example")
	tok := f.play(id, ledger.Accepted, nil)
	visitor := desk.Visitor{Method: "GET", IP: "192.0.2.1", UserAgent: "Mozilla\r\n\x1b[31m"}
	for range 2 {
		l, err := f.Open(t.Context(), tok, visitor)
		if err != nil || l.Realm.Name != "shop" || !l.ExpiresAt.After(time.Now()) {
			t.Fatalf("%+v, %v", l, err)
		}
	}
	if to, err := f.Proceed(t.Context(), tok, visitor); to != "https://shop.us.example/new?t="+tok || err != nil {
		t.Errorf("proceeds to %q, %v", to, err)
	}
	if l, err := f.Inspect(t.Context(), app, tok, "shop"); err != nil || l.Reset != id {
		t.Errorf("%+v, %v", l, err)
	}
	for what, c := range map[string]struct {
		tok, realm string
		want       error
	}{"cut": {tok[:40], "shop", token.ErrMalformed}, "other realm": {tok, "staff", token.ErrOtherRealm}} {
		if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), c.tok, c.realm); !errors.Is(err, c.want) || !desk.Dead(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	never, _ := f.Tokens.Make(ledger.NewResetID(3, ledger.NewSeed()), 1, "k1")
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), never, "shop"); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("a token without a record: %v", err)
	}
	g, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop")
	if err != nil || g != (desk.Grant{Reset: id, Realm: "shop", Account: "u1", Login: "jo@a.example", Address: "jo@a.example"}) {
		t.Fatalf("%+v, %v", g, err)
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop"); !errors.Is(err, token.ErrUsed) {
		t.Errorf("again: %v", err)
	}
	if _, err := f.Open(t.Context(), tok, visitor); !errors.Is(err, token.ErrUsed) {
		t.Errorf("opened after use: %v", err)
	}
	at, _ := f.Store.Find(t.Context(), id)
	facts, _ := f.Store.Facts(t.Context(), at.Ledger)
	var events []string
	for _, x := range facts {
		events = append(events, string(x.Event))
		if x.Visit != nil && strings.ContainsAny(x.Visit.UserAgent, "\r\n\x1b") {
			t.Errorf("a visitor's words are kept raw: %q", x.Visit.UserAgent)
		}
	}
	if got, want := strings.Join(events, " "), "requested issued attempted opened opened proceeded redeemed declined opened"; got != want {
		t.Errorf("facts: %s\nwant:  %s", got, want)
	}
	if err := f.Outcome(t.Context(), app, ledger.NewSeed(), id, "failed", "database down"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop"); err != nil {
		t.Errorf("after a failed outcome: %v", err)
	}
	if v, _ := f.Reset(t.Context(), support, id); v.State != ledger.Used || v.Login != "jo@a.example" || len(v.Messages) != 1 || v.Messages[0].Attempts[0].Host != "mx.a.example" {
		t.Errorf("%+v", v)
	}
}

// A second ask leaves the first link alive; using one replaces the other, and so does a password that the app set; a person's word does not.
func TestOtherLinksOfTheAccount(t *testing.T) {
	f := newDesk(t)
	a := f.play(f.ask("jo@a.example"), ledger.Accepted, nil)
	b := f.play(f.ask("jo"), ledger.Accepted, nil) // by another login of the same account, in another ledger
	live := func(tok string) error { _, err := f.Inspect(t.Context(), app, tok, "shop"); return err }
	if err := errors.Join(live(a), live(b)); err != nil {
		t.Fatal(err)
	}
	set := desk.Reported{Realm: "shop", Login: "jo", Kind: "password_set"}
	if err := f.Report(t.Context(), support, ledger.NewSeed(), set); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(live(a), live(b)); err != nil {
		t.Errorf("support's word killed a link: %v", err)
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), b, "shop"); err != nil {
		t.Fatal(err)
	}
	if err := live(a); !errors.Is(err, token.ErrReplaced) {
		t.Errorf("the account's other link: %v", err)
	}
	// A token of the very millisecond of a redeem counts as replaced by it: the next one is made in a later one.
	for at := f.Store.Now(); !f.Store.Now().After(at); {
		time.Sleep(time.Millisecond / 4)
	}
	// A link that is issued in the very millisecond of a redeem counts as issued before it.
	for was := f.Store.Now(); !f.Store.Now().After(was); {
		time.Sleep(time.Millisecond)
	}
	c := f.play(f.ask("jo@a.example"), ledger.Accepted, nil)
	if err := live(c); err != nil {
		t.Fatal(err)
	}
	if err := f.Report(t.Context(), app, ledger.NewSeed(), set); err != nil {
		t.Fatal(err)
	}
	if err := live(c); !errors.Is(err, token.ErrReplaced) {
		t.Errorf("after the app set a password: %v", err)
	}
}

// A resend asks the diagnosis first.
func TestResend(t *testing.T) {
	refusal := func(err error) *desk.ResendRefused {
		var r *desk.ResendRefused
		errors.As(err, &r)
		return r
	}
	resend := func(f *fixture, id ledger.ResetID, w desk.Again) (ledger.MessageID, error) {
		w.Reason = "asked by phone"
		return f.Resend(t.Context(), support, ledger.NewSeed(), id, w)
	}
	t.Run("helps once, and repeats the link", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		tok := f.play(id, ledger.Accepted, nil)
		m, err := resend(f, id, desk.Again{})
		if err != nil || !strings.HasPrefix(string(m), "msg_") {
			t.Fatal(m, err)
		}
		if again := f.play(id, ledger.Accepted, nil); again != tok {
			t.Error("the resend carries another link")
		}
		if r := refusal(errOf(resend(f, id, desk.Again{}))); r == nil || !r.Repeated {
			t.Errorf("a second resend: %+v", r)
		}
		if _, err := resend(f, id, desk.Again{Force: true}); err != nil {
			t.Errorf("forced: %v", err)
		}
	})
	t.Run("futile where there is no such mailbox", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		f.play(id, ledger.Rejected, func(a *ledger.Attempt) { a.Stage, a.Code, a.Enhanced, a.Text = "rcpt", 550, "5.1.1", "No such user" })
		r := refusal(errOf(resend(f, id, desk.Again{})))
		if r == nil || r.Impossible || r.Case.Verdict.Cause != "recipient.unknown_mailbox" || r.Case.Verdict.Resend.Helps != "futile" {
			t.Fatalf("%+v", r)
		}
		if _, err := resend(f, id, desk.Again{Force: true}); err != nil {
			t.Errorf("forced: %v", err)
		}
	})
	t.Run("impossible where no mail can help", func(t *testing.T) {
		f := newDesk(t)
		id, err := f.Request(t.Context(), app, ledger.NewSeed(), desk.Ask{Realm: "staff", Login: "jo@a.example"})
		if err != nil {
			t.Fatal(err)
		}
		at, _ := f.Store.Find(t.Context(), id)
		facts, _ := f.Store.Facts(t.Context(), at.Ledger)
		c, err := f.Store.Claim(t.Context(), string(facts[0].Message), "w", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		refused := ledger.Fact{ID: ledger.NewEventID(), At: f.Store.Now(), Event: ledger.Refused, Reset: id, Message: facts[0].Message, Refusal: &ledger.Refusal{Why: ledger.WhySSO, Provider: "Acme"}}
		if err := f.Store.Settle(t.Context(), c, store.Plan{}, refused); err != nil {
			t.Fatal(err)
		}
		if r := refusal(errOf(resend(f, id, desk.Again{Force: true}))); r == nil || !r.Impossible || r.Case.Verdict.Cause != "account.sso" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("after the fix is seen", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		f.play(id, ledger.Deferred, func(a *ledger.Attempt) {
			a.Smart, a.Stage, a.Code, a.Enhanced, a.Text, a.Next = true, "auth", 535, "5.7.8", "authentication failed", f.Store.Now().Add(time.Hour)
		})
		if r := refusal(errOf(resend(f, id, desk.Again{}))); r == nil || r.Case.Verdict.Cause != "relay.auth_failed" {
			t.Fatalf("%+v", r)
		}
		if err := f.Store.RouteWorks(t.Context(), "mx", "", f.Store.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := resend(f, id, desk.Again{}); err != nil {
			t.Fatalf("after a host took a mail by that route: %v", err)
		}
		v, _ := f.Reset(t.Context(), support, id)
		if len(v.Messages) != 2 || v.Messages[0].State != ledger.Withdrawn || v.State != ledger.Waiting {
			t.Errorf("the older message's booked attempt is not taken back: %+v", v.Messages)
		}
	})
	t.Run("the same request again is the same message", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		f.play(id, ledger.Accepted, nil)
		seed := ledger.NewSeed()
		one, err1 := f.Resend(t.Context(), support, seed, id, desk.Again{Reason: "x"})
		two, err2 := f.Resend(t.Context(), support, seed, id, desk.Again{Reason: "x"})
		if one != two || err1 != nil || err2 != nil {
			t.Error(one, two, err1, err2)
		}
	})
	t.Run("of another realm, or never made", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		stranger := desk.Actor{Name: "x", Role: desk.Support, Realms: []string{"staff"}}
		_, one := f.Resend(t.Context(), stranger, ledger.NewSeed(), id, desk.Again{Reason: "x"})
		_, two := f.Resend(t.Context(), support, ledger.NewSeed(), ledger.NewResetID(1, ledger.NewSeed()), desk.Again{Reason: "x"})
		if !errors.Is(one, store.ErrNotFound) || !errors.Is(two, store.ErrNotFound) || one.Error() != two.Error() {
			t.Errorf("%v, %v", one, two)
		}
	})
}

func errOf(_ ledger.MessageID, err error) error { return err }

// One case per realm where the login is known or was asked, the newest ask first; a page is told apart; an unknown login is an answer.
func TestWhy(t *testing.T) {
	f := newDesk(t)
	cases := func(q desk.Question, a desk.Actor) (out []string) {
		t.Helper()
		list, err := f.Why(t.Context(), a, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			out = append(out, c.Realm+":"+c.Verdict.Cause)
		}
		return out
	}
	expect := func(what string, got []string, want ...string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("an unknown login", cases(desk.Question{Login: "stranger@b.example"}, support), ":request.none")
	expect("known, never asked", cases(desk.Question{Login: "jo@a.example"}, support), "shop:request.none")
	expect("its own realm's page", cases(desk.Question{Login: "jo@a.example", Page: "https://staff.us.example/in"}, support), "shop:request.other_page", "staff:account.sso")
	if list, _ := f.Why(t.Context(), support, desk.Question{Login: "stranger@b.example"}); list[0].Account != nil || list[0].Reset != "" {
		t.Errorf("%+v", list[0])
	}
	id := f.ask("jo@a.example")
	f.play(id, ledger.Accepted, nil)
	expect("accepted", cases(desk.Question{Login: " JO@a.example"}, support), "shop:accepted.no_further_trace")
	expect("asked by another login of the account", cases(desk.Question{Login: "jo"}, support), "shop:request.none")
	expect("by the reset", cases(desk.Question{Reset: id}, support), "shop:accepted.no_further_trace")
	if _, err := f.Request(t.Context(), app, ledger.NewSeed(), desk.Ask{Realm: "club", Login: "jo@a.example"}); err != nil {
		t.Fatal(err)
	}
	got := cases(desk.Question{Login: "jo@a.example"}, support)
	if len(got) != 2 || !strings.HasPrefix(got[0], "club:") || got[1] != "shop:accepted.no_further_trace" {
		t.Errorf("newest ask first: %v", got)
	}
	limited := desk.Actor{Name: "x", Role: desk.Support, Realms: []string{"shop"}}
	expect("a key for one realm", cases(desk.Question{Login: "jo@a.example"}, limited), "shop:accepted.no_further_trace")
	if _, err := f.Why(t.Context(), limited, desk.Question{Login: "jo@a.example", Realm: "club"}); err == nil {
		t.Error("a realm outside the key's list is answered")
	}
}

// A flood of asks for one login is work up to a bound, then recorded and refused at once, then counted into the last one that was. The
// answer is the same all the way.
func TestFloodForOneLogin(t *testing.T) {
	f := newDesk(t)
	f.AccountLimit = store.Limit{N: 5, Per: time.Hour}
	ids := map[ledger.ResetID]bool{}
	for range 400 {
		ids[f.ask("jo@a.example")] = true
	}
	if q, _ := f.Queue(t.Context(), ops); q.Due != 60 {
		t.Errorf("%d pieces of work, want 60", q.Due)
	}
	facts, err := f.Store.Facts(t.Context(), store.LedgerOf("shop", "jo@a.example"))
	if err != nil || len(facts) != 60+2*240 || len(ids) != 300 {
		t.Errorf("%d facts, %d resets, %v", len(facts), len(ids), err)
	}
	tl := ledger.Fold(facts)
	for id := range ids {
		if r := tl.Reset(id); r == nil || r.State != ledger.Waiting && (r.State != ledger.IsRefused || r.Refusal.Why != ledger.WhyThrottled) {
			t.Fatalf("%s leaves no row: %+v", id, r)
		}
	}
	other := f.ask("ann@a.example")
	if r, err := f.Reset(t.Context(), support, other); err != nil || r.State != ledger.Waiting {
		t.Errorf("another login: %+v, %v", r, err)
	}
}

// A link that a mail program cut leaves a row where it still says whose it was; anything else leaves nothing.
func TestCutLinkLeavesARow(t *testing.T) {
	f := newDesk(t)
	id := f.ask("jo@a.example")
	tok := f.play(id, ledger.Accepted, nil)
	for _, cut := range []string{tok[:40], tok[:len(tok)-1], tok + "x", tok[:10], ""} {
		if _, err := f.Open(t.Context(), cut, desk.Visitor{Method: "GET"}); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("%q: %v", cut, err)
		}
	}
	at, _ := f.Store.Find(t.Context(), id)
	facts, _ := f.Store.Facts(t.Context(), at.Ledger)
	n := 0
	for _, x := range facts {
		if x.Event == ledger.Opened && x.Visit.Dead == "malformed" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
	if list, _ := f.Why(t.Context(), support, desk.Question{Login: "jo@a.example"}); list[0].Verdict.Cause != "link.truncated" {
		t.Errorf("why says %s", list[0].Verdict.Cause)
	}
}

// A caller that never heard the answer to a redeem asks again with the same seed and hears it; with another it is used.
func TestRedeemAskedAgain(t *testing.T) {
	f := newDesk(t)
	tok, seed := f.play(f.ask("jo@a.example"), ledger.Accepted, nil), ledger.NewSeed()
	for range 2 {
		if g, err := f.Redeem(t.Context(), app, seed, tok, "shop"); err != nil || g.Account != "u1" {
			t.Errorf("%+v, %v", g, err)
		}
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop"); !errors.Is(err, token.ErrUsed) {
		t.Error(err)
	}
}

// A key that is limited to some realms does nothing that reaches beyond them.
func TestLimitedKeys(t *testing.T) {
	f := newDesk(t)
	limited := desk.Actor{Name: "x", Role: desk.Admin, Realms: []string{"shop"}}
	_, _, list := f.Suppressions(t.Context(), limited, "")
	_, _, audit := f.Audit(t.Context(), limited, "")
	for what, err := range map[string]error{"suppressions": list, "audit": audit, "pause": f.Pause(t.Context(), limited, "mx", "x"), "resume": f.Resume(t.Context(), limited, "mx", "x")} {
		if !errors.Is(err, desk.ErrForbidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := f.Why(t.Context(), limited, desk.Question{Login: "jo@a.example"}); err != nil {
		t.Error(err)
	}
}

// A mail whose last try ended without an answer has nothing booked: cancelling it says so, and changes nothing.
func TestCancelWhatRestsAmbiguous(t *testing.T) {
	f := newDesk(t)
	id := f.ask("jo@a.example")
	f.play(id, ledger.Ambiguous, nil)
	_, err := f.Cancel(t.Context(), admin, id, "not needed")
	var bad *desk.Bad
	if !errors.As(err, &bad) || bad.Code != "not_cancellable" || !strings.Contains(bad.Detail, "ambiguous") {
		t.Errorf("%v", err)
	}
}
