package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer"
)

// admit decides whether this message goes out, and begins or repeats a generation of the token. done: it is settled.
func (w *Worker) admit(ctx context.Context, j *job) (done bool, err error) {
	if j.realm.ResetsOff {
		return true, w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyResetOff})
	}
	first := j.msg.Resend == nil
	if first {
		if ref, err := w.source(ctx, j); err != nil || ref != nil {
			return true, orRefuse(err, func() error { return w.refuse(ctx, j, ref) })
		}
	}
	found, err := w.lookup(ctx, j)
	if err != nil {
		return true, w.postpone(ctx, j, err)
	}
	acc, to, ref := decide(*j.realm, found)
	if ref != nil {
		return true, w.refuse(ctx, j, ref)
	}
	route, ref := w.route(j)
	if ref != nil {
		return true, w.refuse(ctx, j, ref)
	}
	sup, err := w.Store.Suppressed(ctx, acc.Address)
	if err != nil {
		return true, err
	}
	if sup != nil && !(j.msg.Resend != nil && j.msg.Resend.Resend != nil && j.msg.Resend.Resend.Forced) {
		ref := &ledger.Refusal{Why: ledger.WhySuppressed, Until: sup.Until, Account: acc.ID}
		if n := len(sup.Evidence); n > 0 {
			ref.Evidence = sup.Evidence[n-1]
		}
		return true, w.refuse(ctx, j, ref)
	}
	account := store.AccountOf(j.Realm, acc.ID)
	if first {
		if older := w.mergedInto(j); older != "" {
			return true, w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyMerged, First: older, Account: acc.ID})
		}
		limit := w.AccountLimit
		if j.reset.Asked.Role == "admin" {
			limit = store.Limit{}
		}
		in, err := w.Store.Admit(ctx, account, j.Reset, j.reset.Asked.At, w.Merge, limit)
		if err == nil && in.MergedInto != "" {
			var ok bool
			if ok, err = w.serves(ctx, j, in.MergedInto); err == nil && !ok {
				in, err = w.Store.Admit(ctx, account, j.Reset, j.reset.Asked.At, 0, limit)
			}
		}
		switch {
		case err != nil:
			return true, err
		case in.MergedInto != "":
			return true, w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyMerged, First: in.MergedInto, Account: acc.ID})
		case !in.Until.IsZero():
			return true, w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyThrottled, Scope: "account", Count: in.Count, Limit: words(limit), Until: in.Until, Account: acc.ID})
		}
	}
	if err := w.Store.Join(ctx, account, j.Ledger); err != nil {
		return true, err
	}
	return false, w.issue(ctx, j, acc, to, route)
}

// mergedInto finds an ask shortly before this one whose mail serves it too; "" = none. Two asks at once may reach two workers in any
// order: the ledger says which came first. Asks for the account by another login are found by Admit.
func (w *Worker) mergedInto(j *job) ledger.ResetID {
	for _, r := range j.all {
		if r.ID == j.Reset {
			break // those behind it were asked later
		}
		if r.State != ledger.IsRefused && !spent(r) && !r.Asked.At.IsZero() && j.reset.Asked.At.Sub(r.Asked.At) < w.Merge {
			return r.ID
		}
	}
	return ""
}

// spent says whether a reset's mail can serve nobody any more: its link was used, or it was taken back or ran out before it was sent. A
// mail that a host refused is not: another one at once would be refused too.
func spent(r *ledger.Reset) bool {
	return r.State == ledger.Used || r.State == ledger.Withdrawn || r.State == ledger.IsExpired
}

// serves says whether the mail of another ask for the account, perhaps by another login, can serve this one too.
func (w *Worker) serves(ctx context.Context, j *job, id ledger.ResetID) (bool, error) {
	for _, r := range j.all {
		if r.ID == id {
			return !spent(r), nil
		}
	}
	at, err := w.Store.Find(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	facts, err := w.Store.Facts(ctx, at.Ledger)
	if err != nil {
		return false, err
	}
	t := ledger.Fold(facts)
	r := t.Reset(id)
	return r != nil && !spent(r), nil
}

// orRefuse gives the error, or what refusing gives.
func orRefuse(err error, refuse func() error) error {
	if err != nil {
		return err
	}
	return refuse()
}

// source counts the ask against the address that it came from.
func (w *Worker) source(ctx context.Context, j *job) (*ledger.Refusal, error) {
	ask := j.reset.Asked.Ask
	if ask == nil || ask.IP == "" {
		return nil, nil
	}
	// Support and admin ask for a user whom they have checked: that is the way past the deny list.
	role := j.reset.Asked.Role
	if rule := w.denied(ask.IP); rule != "" && role != "admin" && role != "support" {
		return &ledger.Refusal{Why: ledger.WhyBlockedSource, Detail: rule}, nil
	}
	if w.SourceLimit.N == 0 || role == "admin" {
		return nil, nil
	}
	in, err := w.Store.AdmitSource(ctx, ask.IP, j.Reset, j.reset.Asked.At, w.SourceLimit)
	if err != nil || in.Until.IsZero() {
		return nil, err
	}
	return &ledger.Refusal{Why: ledger.WhyThrottled, Scope: "source", Count: in.Count, Limit: words(w.SourceLimit), Until: in.Until}, nil
}

func words(l store.Limit) string {
	per := l.Per.String()
	per = strings.TrimSuffix(per, "0s")
	per = strings.TrimSuffix(per, "0m")
	return fmt.Sprintf("%d/%s", l.N, per)
}

// lookup asks the directory whose login it is.
func (w *Worker) lookup(ctx context.Context, j *job) (realm.Found, error) {
	login := ""
	if j.reset.Asked.Ask != nil {
		login = j.reset.Asked.Ask.Login
	}
	if j.realm.Directory == nil {
		return realm.None{}.Lookup(ctx, j.Realm, login)
	}
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	return j.realm.Directory.Lookup(ctx, j.Realm, login)
}

// postpone books the question to a silent directory again, by the same plan as a mail.
func (w *Worker) postpone(ctx context.Context, j *job, err error) error {
	n := 1
	for _, f := range j.reset.Facts {
		if f.Event == ledger.Postponed && f.Message == j.Message {
			n++
		}
	}
	f := w.fact(j.Claim, ledger.Postponed)
	f.Delay = &ledger.Delay{Why: "directory_unavailable", Detail: "it did not answer", Next: capped(f.At.Add(w.gap(n)), j.msg.Born.Add(ledger.MaxLife))}
	var u *realm.Unavailable
	if errors.As(err, &u) {
		f.Delay.Detail = u.Detail
	}
	w.tallyFailure(j, f.At, diag.Marks{Realm: j.Realm}, "account.directory_unavailable", "", true)
	w.countOf(ctx, j.Realm, "postponed")
	return w.settle(ctx, j.Claim, store.Plan{Next: f.Delay.Next}, f)
}

func (w *Worker) route(j *job) (string, *ledger.Refusal) {
	name := ""
	if j.msg.Resend != nil && j.msg.Resend.Resend != nil {
		name = j.msg.Resend.Resend.Route
	}
	if name == "" && len(j.realm.Routes) > 0 {
		name = j.realm.Routes[0]
	}
	if _, ok := w.Routes[name]; !ok {
		return "", &ledger.Refusal{Why: ledger.WhyMailOff}
	}
	return name, nil
}

// issue begins a generation, or repeats the one that a resend names while it still fits: same address, token alive.
func (w *Worker) issue(ctx context.Context, j *job, acc realm.Account, to mailer.Address, route string) error {
	n, keyID := len(j.reset.Gens)+1, w.Tokens.Current()
	f := w.fact(j.Claim, ledger.Issued)
	until := f.At.Add(ledger.MaxLife)
	if g, ok := j.reset.Generation(j.msg.Gen); ok && j.msg.Resend != nil && g.Account == acc.ID &&
		store.ExactAddress(g.Address) == store.ExactAddress(to.String()) && w.Store.Inspect(ctx, live(j, g)) == nil {
		n, keyID, until = g.N, g.KeyID, g.Until
	}
	f.Issue = &ledger.Issue{
		Generation: n, KeyID: keyID, TTL: ledger.Seconds(j.realm.TokenTTL / time.Second), Until: until,
		Account: acc.ID, Address: to.String(), Username: acc.Username, Locale: locale(acc, j.reset.Asked.Ask), Route: route, Since: acc.Since,
	}
	if err := w.Store.Intend(ctx, j.Claim, f); err != nil {
		return err
	}
	if err := w.Store.Write(ctx, f.Issue.Address, j.Message); err != nil {
		// A return that names nothing but the recipient will not be found to be about this mail.
		w.Log.Warn().Err(err).Str("mail", string(j.Message)).Msg("not remembered under its address")
	}
	// Later steps look at the reset with this fact in it.
	t := ledger.Fold(append(j.reset.Facts, f))
	j.reset = t.Reset(j.Reset)
	j.msg = j.reset.Message(j.Message)
	return nil
}

// locale is the account's, else the one that the app sent along.
func locale(acc realm.Account, ask *ledger.Ask) string {
	if acc.Locale == "" && ask != nil {
		return ask.Locale
	}
	return acc.Locale
}

func live(j *job, g ledger.Generation) store.Live {
	return store.Live{Account: store.AccountOf(j.Realm, g.Account), Ledger: j.Ledger, Reset: j.Reset, Gen: g.N, NewestGen: j.reset.Gen().N, Issued: g.IssuedAt, Expires: g.Expires()}
}
