package worker

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer"
)

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
	allowed, err := w.spend(ctx, j, g)
	if err != nil || !allowed.OK {
		return err
	}
	if route.ToUs = j.canary(); route.ToUs {
		w.keepSent(ctx, j, raw)
	}
	if len(signers) > 0 {
		w.dns.sample.Store(&raw)
	}
	var intents []ledger.Fact
	if j.msg.Tries == 0 {
		f := w.fact(j.Claim, ledger.Composed)
		f.Composition = &ledger.Composition{MessageID: mail.MessageID, From: mail.From, Locale: mail.Locale, Size: len(raw), LinkHost: mail.LinkHost}
		f.Composition.DNS, f.Composition.Read = w.dnsNow(mail.Domain)
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
		w.refund(ctx, route.Name, allowed)
		return err
	}
	attempts := w.Mailer.Deliver(ctx, route, w.envelope(j, g), raw)
	if !taken(attempts) {
		w.refund(ctx, route.Name, allowed)
	}
	return w.record(ctx, j, g, try, attempts)
}

func (w *Worker) envelope(j *job, g ledger.Generation) mailer.Envelope {
	e := mailer.Envelope{From: w.Paths.ReturnPath(j.Message), To: g.Address, MessageID: j.Message, ENVID: string(j.Message), Since: g.Since}
	if untold(j.reset) {
		e.Since = time.Time{}
	}
	if to, err := mailer.ParseAddress(g.Address); err == nil {
		e.UTF8 = to.NeedsUTF8
	}
	return e
}

// untold says whether a host has said of this reset that it cannot tell whose the mailbox was when (RFC 7293 section 14.4). A person who sends
// it again all the same wants it to go without the question.
func untold(r *ledger.Reset) bool {
	for _, f := range r.Facts {
		if f.Return != nil && f.Return.Matched && strings.HasSuffix(f.Return.Status, ledger.CannotTell) ||
			f.Attempt != nil && strings.HasSuffix(f.Attempt.Enhanced, ledger.CannotTell) {
			return true
		}
	}
	return false
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
	mail, err := mailer.Compose(w.Templates[j.style], w.Paths, mailer.Draft{
		ID: j.Message, From: j.realm.From, To: to, Locale: g.Locale, Date: j.msg.Born, Data: data, Token: tok, PublicURL: w.PublicURL,
	})
	if err != nil {
		return mailer.Mail{}, nil, nil, err
	}
	signers := w.signers(mail.Domain)
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
	w.tallyFailure(j, f.At, j.marks("", j.msg.Route), "compose."+f.Failure.Why, "", true)
	w.countOf(ctx, j.Realm, "failed:"+f.Failure.Why)
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
	w.tallyAttempt(j, facts[len(attempts)-1])
	for _, f := range facts {
		if f.Attempt != nil {
			w.countOf(ctx, j.Realm, "attempts:"+string(f.Attempt.Outcome))
			if how := secured(f.Attempt); how != "" {
				w.countOf(ctx, j.Realm, "tls:"+how)
			}
		}
	}
	w.Log.Info().Str("reset", string(j.Reset)).Str("mail", string(j.Message)).Int("try", try).Str("route", last.Route).Str("host", last.Host).
		Str("stage", last.Stage).Int("code", last.Code).Str("outcome", string(last.Outcome)).Int64("ms", last.Millis).Msg("attempted")
	if last.Outcome == ledger.Accepted {
		if err := w.Store.RouteWorks(ctx, last.Route, diag.ProviderOf(last), now); err != nil {
			w.Log.Debug().Err(err).Msg("route not marked")
		}
	}
	return w.settle(ctx, j.Claim, plan, facts...)
}

// fault counts a final refusal against the recipient, where it is theirs, and gives the Suppressed fact when that was one too many.
func (w *Worker) fault(ctx context.Context, j *job, g ledger.Generation, f ledger.Fact) (*ledger.Fact, error) {
	r, theirs := w.recipientFault(*f.Attempt)
	if !theirs || j.canary() {
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
