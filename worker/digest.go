package worker

import (
	"context"
	"errors"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
)

// digest reads a returned mail: parse, write the facts, drop the sealed copy. What is kept is what the report says, never the mail itself.
func (w *Worker) digest(ctx context.Context, id string) error {
	c, ctx, release, ok, err := w.claim(ctx, id)
	if err != nil || !ok {
		return err
	}
	defer release()
	if c.Message == "" {
		return w.digestUnit(ctx, c)
	}
	sealed, err := w.Store.Sealed(ctx, ledger.ReturnID(id))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if c.Source == SourceCanary {
		return w.arrive(ctx, c, sealed)
	}
	var facts []ledger.Fact
	raw, openErr := w.Sealer.Open(sealed, id)
	if openErr != nil {
		f := w.fact(c, ledger.Bounced)
		f.Return = &ledger.Return{Source: source(c), Found: c.Found, Unread: []string{"the stored copy does not open any more"}}
		facts = append(facts, f)
	} else {
		j, err := w.load(ctx, c)
		if err != nil {
			return err
		}
		m := w.reader.ReadBytes(raw)
		facts = w.returned(ctx, j, m)
		if err := w.layAside(ctx, c, m); err != nil {
			return err
		}
		w.tallyReturns(j, facts)
	}
	for _, f := range facts {
		w.countOf(ctx, c.Realm, "returns:"+string(f.Event))
	}
	w.Log.Info().Str("reset", string(c.Reset)).Str("mail", string(c.Message)).Str("return", id).Int("facts", len(facts)).Msg("read a returned mail")
	return w.settle(ctx, c, store.Plan{}, facts...)
}

// returned turns what a returned mail says into facts about the message to whose signed return path it came, or that it names.
func (w *Worker) returned(ctx context.Context, j *job, m bounce.Mail) []ledger.Fact {
	address := j.address()
	sure := j.Found != ledger.ByRecipient
	one := func(e ledger.Event, r ledger.Return) ledger.Fact {
		f := w.fact(j.Claim, e)
		r.Source, r.Found, r.Subject, r.Unread = source(j.Claim), j.Found, clipped(m.Subject), m.Unread
		f.Return = &r
		return f
	}
	switch m.Kind {
	case bounce.KindFeedback:
		return []ledger.Fact{one(ledger.Complained, ledger.Return{Action: m.Feedback, Matched: sure, Because: m.Because.Text})}
	case bounce.KindAutoReply:
		f := one(ledger.AutoReplied, ledger.Return{Action: m.AutoReply, Matched: sure, Because: m.Because.Text})
		return append([]ledger.Fact{f}, w.conclude(ctx, j, address, f)...)
	}
	var facts []ledger.Fact
	for _, r := range m.Reports {
		event := ledger.Confirmed
		if r.Action == bounce.ActionDelayed && r.GaveUp {
			r.Action = bounce.ActionFailed // called a delay for its reason; the host that reports it does not go on
		}
		if r.Action == bounce.ActionFailed || r.Action == bounce.ActionDelayed {
			event = ledger.Bounced
		}
		f := one(event, ledger.Return{
			Action: string(r.Action), Status: r.Status, Reason: string(r.Reason), Cause: exact(r.Cause), Permanent: r.Permanent, Recipient: r.Recipient,
			Matched: sure && sameRecipient(address, r, len(m.Reports)), RemoteHost: r.RemoteHost, ReportedBy: r.ReportingMTA, Diagnostic: r.Diagnostic, Because: r.Because.Text,
		})
		facts = append(facts, f)
		facts = append(facts, w.conclude(ctx, j, address, f)...)
	}
	if len(facts) == 0 {
		facts = append(facts, one(ledger.Bounced, ledger.Return{Matched: sure, Because: m.Because.Text}))
	}
	return facts
}

// source is where a returned mail came from. Those kept by a version that knew only one way do not say it.
func source(c store.Claim) string {
	if c.Source == "" {
		return "smtp"
	}
	return c.Source
}

// exact drops the cause that only says that nothing was understood: the ledger holds a cause or none.
func exact(cause string) string {
	if strings.HasPrefix(cause, "unknown.") {
		return ""
	}
	return cause
}

// sameRecipient says whether a report is about whom we wrote to. One that names nobody is, if it is the only one: the return path is ours.
func sameRecipient(address string, r bounce.Report, reports int) bool {
	if r.Recipient == "" && r.Original == "" {
		return reports == 1
	}
	same := func(a string) bool { return a != "" && strings.EqualFold(a, address) }
	return same(r.Recipient) || same(r.Original) || same(r.Alias)
}

func clipped(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "")
	}
	return s
}
