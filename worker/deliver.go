package worker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
)

// job is one message in a worker's hands.
type job struct {
	store.Claim
	realm *realm.Realm
	reset *ledger.Reset
	msg   *ledger.Message
	all   []*ledger.Reset // of the ledger, in the order they were asked
	now   time.Time
}

// deliver does what is due for a message: decide, issue, build, offer. Each step is written before or after it is taken so that whoever
// comes next, after a crash, goes on from there.
func (w *Worker) deliver(ctx context.Context, id string) error {
	holds, err := w.Store.Holds(ctx)
	if err != nil {
		return err
	}
	if _, held := holds[""]; held {
		return nil // it stays due; the reconciler rings when sending is resumed
	}
	c, ctx, release, ok, err := w.claim(ctx, id)
	if err != nil || !ok {
		return err
	}
	defer release()
	j, err := w.load(ctx, c)
	if err != nil {
		return err
	}
	if done, err := w.over(ctx, j); done || err != nil {
		return err
	}
	if !j.begun() {
		if done, err := w.admit(ctx, j); done || err != nil {
			return err
		}
	}
	gen, _ := j.reset.Generation(j.msg.Gen)
	if _, held := holds[j.msg.Route]; held {
		return w.settle(ctx, c, store.Plan{Next: j.now.Add(5 * time.Second), Route: j.msg.Route, Deferred: j.msg.Tries > 0})
	}
	if dead := w.Store.Inspect(ctx, live(j, gen)); errors.Is(dead, token.ErrUsed) || errors.Is(dead, token.ErrReplaced) {
		f := w.fact(c, ledger.Cancelled)
		f.Reason = "the link was used or replaced in the meantime"
		return w.settle(ctx, c, store.Plan{}, f)
	}
	return w.send(ctx, j, gen)
}

// load reads the message's ledger.
func (w *Worker) load(ctx context.Context, c store.Claim) (*job, error) {
	facts, err := w.Store.Facts(ctx, c.Ledger)
	if err != nil {
		return nil, err
	}
	t := ledger.Fold(facts)
	j := &job{Claim: c, realm: w.realm(c.Realm), reset: t.Reset(c.Reset), all: t.Resets, now: w.Store.Now()}
	if j.reset != nil {
		j.msg = j.reset.Message(c.Message)
	}
	return j, nil
}

// begun says whether it is decided that this message goes out: its receiver and its token's generation are known.
func (j *job) begun() bool {
	if j.msg.Resend != nil {
		// A resend repeats a generation; that it may do so is decided anew, and written as Issued, or seen by its first attempt.
		return j.msg.Gen > 0 && (j.msg.Tries > 0 || j.issuedBy(j.msg.ID))
	}
	return j.msg.Gen > 0
}

func (j *job) issuedBy(m ledger.MessageID) bool {
	for _, f := range j.reset.Facts {
		if f.Event == ledger.Issued && f.Message == m {
			return true
		}
	}
	return false
}

// over ends work whose message is no longer to be sent.
func (w *Worker) over(ctx context.Context, j *job) (bool, error) {
	if j.msg == nil {
		// Its facts are gone: retention, or somebody deleted them. There is nothing left to say about it but in the log.
		w.Log.Error().Str("mail", string(j.Message)).Msg("a message has no facts any more")
		return true, w.settle(ctx, j.Claim, store.Plan{})
	}
	if j.msg.State != ledger.Waiting && !(j.msg.State == ledger.Unsure && !j.msg.NextAt.IsZero()) {
		return true, w.settle(ctx, j.Claim, store.Plan{})
	}
	until := j.msg.Born.Add(ledger.MaxLife)
	if g, ok := j.reset.Generation(j.msg.Gen); ok {
		until = g.Until
	}
	if !j.now.Before(until) {
		w.count(ctx, "expired")
		return true, w.settle(ctx, j.Claim, store.Plan{}, w.fact(j.Claim, ledger.Expired))
	}
	if j.realm == nil {
		return true, w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyUnconfigured})
	}
	return false, nil
}

func (w *Worker) refuse(ctx context.Context, j *job, ref *ledger.Refusal) error {
	f := w.fact(j.Claim, ledger.Refused)
	f.Refusal = ref
	w.count(ctx, "refused:"+string(ref.Why))
	w.Log.Info().Str("reset", string(j.Reset)).Str("mail", string(j.Message)).Str("why", string(ref.Why)).Msg("refused")
	return w.settle(ctx, j.Claim, store.Plan{}, f)
}

// admit decides whether this message goes out, and begins or repeats a generation of the token. done: it is settled.
func (w *Worker) admit(ctx context.Context, j *job) (done bool, err error) {
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
		if r.State != ledger.IsRefused && !r.Asked.At.IsZero() && j.reset.Asked.At.Sub(r.Asked.At) < w.Merge {
			return r.ID
		}
	}
	return ""
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
	if ask == nil || ask.IP == "" || w.SourceLimit.N == 0 || j.reset.Asked.Role == "admin" {
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
	w.count(ctx, "postponed")
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
		Account: acc.ID, Address: to.String(), Username: acc.Username, Locale: locale(acc, j.reset.Asked.Ask), Route: route,
	}
	if err := w.Store.Intend(ctx, j.Claim, f); err != nil {
		return err
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

// send builds the mail and offers it.
func (w *Worker) send(ctx context.Context, j *job, g ledger.Generation) error {
	route, ok := w.Routes[j.msg.Route]
	if !ok {
		return w.refuse(ctx, j, &ledger.Refusal{Why: ledger.WhyMailOff})
	}
	mail, raw, signers, err := w.compose(j, g)
	if err != nil {
		return w.unbuildable(ctx, j, err)
	}
	var intents []ledger.Fact
	if j.msg.Tries == 0 {
		f := w.fact(j.Claim, ledger.Composed)
		f.Composition = &ledger.Composition{MessageID: mail.MessageID, From: mail.From, Locale: mail.Locale, Size: len(raw), LinkHost: mail.LinkHost}
		for _, s := range signers {
			f.Composition.Selectors = append(f.Composition.Selectors, s.Name())
		}
		intents = append(intents, f)
	}
	try := j.msg.Tries + 1
	dialed := w.fact(j.Claim, ledger.Dialed)
	dialed.Attempt = &ledger.Attempt{Try: try, Route: route.Name}
	// From here on a host may have the mail. If the claim is no longer ours, or the message was taken back, nothing goes out.
	if err := w.Store.Intend(ctx, j.Claim, append(intents, dialed)...); err != nil {
		return err
	}
	attempts := w.Mailer.Deliver(ctx, route, w.envelope(j, g), raw)
	return w.record(ctx, j, g, try, attempts)
}

func (w *Worker) envelope(j *job, g ledger.Generation) mailer.Envelope {
	e := mailer.Envelope{From: w.Paths.ReturnPath(j.Message), To: g.Address, MessageID: j.Message, ENVID: string(j.Message)}
	if to, err := mailer.ParseAddress(g.Address); err == nil {
		e.UTF8 = to.NeedsUTF8
	}
	return e
}

// compose builds and signs. The same message gives the same token and the same Message-ID each time.
func (w *Worker) compose(j *job, g ledger.Generation) (mailer.Mail, []byte, []mailer.Signer, error) {
	tok, err := w.Tokens.Make(j.Reset, g.N, g.KeyID)
	if err != nil {
		return mailer.Mail{}, nil, nil, err
	}
	to, err := mailer.ParseAddress(g.Address)
	if err != nil {
		return mailer.Mail{}, nil, nil, err
	}
	data := mailer.Data{Realm: j.realm.Name, RealmName: realmTitle(*j.realm), Username: g.Username, Link: w.PublicURL + "/r/" + tok, ExpiresIn: mailer.Life(g.TTL.Duration())}
	if ask := j.reset.Asked.Ask; ask != nil && ask.Page != "" {
		if u, err := url.Parse(ask.Page); err == nil {
			data.Page = u.Hostname()
		}
	}
	mail, err := mailer.Compose(w.Templates[j.realm.Name], w.Paths, mailer.Draft{
		ID: j.Message, From: j.realm.From, To: to, Locale: g.Locale, Date: j.msg.Born, Data: data, Token: tok, PublicURL: w.PublicURL,
	})
	if err != nil {
		return mailer.Mail{}, nil, nil, err
	}
	signers := w.Signers(mail.Domain)
	raw, err := mailer.Sign(mail.Raw, signers)
	return mail, raw, signers, err
}

// realmTitle is the realm's name for people: the display name of its From, else its own.
func realmTitle(r realm.Realm) string {
	if name, _, ok := strings.Cut(r.From, "<"); ok {
		if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" {
			return name
		}
	}
	return r.Name
}

// unbuildable ends a message that cannot be built: our fault, which no later attempt mends by itself.
func (w *Worker) unbuildable(ctx context.Context, j *job, err error) error {
	f := w.fact(j.Claim, ledger.Failed)
	f.Failure = &ledger.Failure{Why: "not_configured", Detail: err.Error()}
	switch {
	case errors.Is(err, mailer.ErrTemplate):
		f.Failure.Why = "template_error"
	case errors.Is(err, mailer.ErrBadLink):
		f.Failure.Why = "bad_link"
	}
	w.count(ctx, "failed:"+f.Failure.Why)
	w.Log.Error().Err(err).Str("reset", string(j.Reset)).Str("mail", string(j.Message)).Msg("the mail cannot be built")
	return w.settle(ctx, j.Claim, store.Plan{}, f)
}

// record turns the dialogues of an attempt into facts and books what follows.
func (w *Worker) record(ctx context.Context, j *job, g ledger.Generation, try int, attempts []ledger.Attempt) error {
	stopped := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	now := w.Store.Now()
	var facts []ledger.Fact
	for i := range attempts {
		a := attempts[i]
		a.Try = try
		f := w.fact(j.Claim, ledger.Attempted)
		// The last dialogue ended now; those before it ended when the next one began.
		f.At = now
		if i+1 < len(attempts) && !attempts[i+1].Began.IsZero() {
			f.At = now.Add(-attempts[len(attempts)-1].Began.Sub(attempts[i+1].Began)).Add(-time.Duration(attempts[len(attempts)-1].Millis) * time.Millisecond)
		}
		f.Attempt = &a
		facts = append(facts, f)
	}
	last := facts[len(facts)-1].Attempt
	plan := store.Plan{Next: w.next(now, j.msg, *last, g.Until), Route: last.Route, Deferred: true}
	if stopped && last.Outcome == ledger.Unreachable {
		plan.Next = now // we hung up ourselves: another worker goes on at once
	}
	last.Next = plan.Next
	if sup, err := w.fault(ctx, j, g, facts[len(facts)-1]); err != nil {
		w.Log.Warn().Err(err).Str("mail", string(j.Message)).Msg("a recipient's fault is not counted")
	} else if sup != nil {
		facts = append(facts, *sup)
	}
	for _, f := range facts {
		if f.Attempt != nil {
			w.count(ctx, "attempts:"+string(f.Attempt.Outcome))
		}
	}
	w.Log.Info().Str("reset", string(j.Reset)).Str("mail", string(j.Message)).Int("try", try).Str("route", last.Route).Str("host", last.Host).
		Str("stage", last.Stage).Int("code", last.Code).Str("outcome", string(last.Outcome)).Int64("ms", last.Millis).Msg("attempted")
	if last.Outcome == ledger.Accepted {
		if err := w.Store.RouteWorks(ctx, last.Route); err != nil {
			w.Log.Debug().Err(err).Msg("route not marked")
		}
	}
	return w.settle(ctx, j.Claim, plan, facts...)
}

// fault counts a final refusal against the recipient, where it is theirs, and gives the Suppressed fact when that was one too many.
func (w *Worker) fault(ctx context.Context, j *job, g ledger.Generation, f ledger.Fact) (*ledger.Fact, error) {
	r, theirs := recipientFault(*f.Attempt)
	if !theirs {
		return nil, nil
	}
	return w.suppress(ctx, j.Claim, g.Address, f.ID, f.At, r.Cause, f.Attempt.Text)
}

func (w *Worker) suppress(ctx context.Context, c store.Claim, address string, event ledger.EventID, at time.Time, cause, proof string) (*ledger.Fact, error) {
	sup, err := w.Store.Fault(ctx, address, c.Message, event, at, cause, proof)
	if err != nil || sup == nil {
		return nil, err
	}
	w.count(ctx, "suppressed")
	s := w.fact(c, ledger.Suppressed)
	s.Hold = &ledger.Hold{Until: sup.Until, Evidence: sup.Evidence, Cause: cause}
	return &s, nil
}
