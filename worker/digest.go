package worker

import (
	"context"
	"errors"
	"strings"

	"github.com/resetd/resetd/diag/reply"
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
	sealed, err := w.Store.Sealed(ctx, ledger.ReturnID(id))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	var facts []ledger.Fact
	raw, openErr := w.Sealer.Open(sealed, id)
	if openErr != nil {
		f := w.fact(c, ledger.Bounced)
		f.Return = &ledger.Return{Source: "smtp", Unread: []string{"the stored copy does not open any more"}}
		facts = append(facts, f)
	} else {
		j, err := w.load(ctx, c)
		if err != nil {
			return err
		}
		facts = w.returned(ctx, j, bounce.ReadBytes(raw))
	}
	for _, f := range facts {
		w.count(ctx, "returns:"+string(f.Event))
	}
	w.Log.Info().Str("reset", string(c.Reset)).Str("mail", string(c.Message)).Str("return", id).Int("facts", len(facts)).Msg("read a returned mail")
	return w.settle(ctx, c, store.Plan{}, facts...)
}

// returned turns what a returned mail says into facts about the message in whose signed return path it came.
func (w *Worker) returned(ctx context.Context, j *job, m bounce.Mail) []ledger.Fact {
	address := ""
	if j.msg != nil {
		if g, ok := j.reset.Generation(j.msg.Gen); ok {
			address = g.Address
		}
	}
	one := func(e ledger.Event, r ledger.Return) ledger.Fact {
		f := w.fact(j.Claim, e)
		r.Source, r.Subject, r.Unread = "smtp", clipped(m.Subject), m.Unread
		f.Return = &r
		return f
	}
	switch m.Kind {
	case bounce.KindFeedback:
		return []ledger.Fact{one(ledger.Complained, ledger.Return{Action: m.Feedback, Matched: true, Because: m.Because.Text})}
	case bounce.KindAutoReply:
		return []ledger.Fact{one(ledger.AutoReplied, ledger.Return{Action: m.AutoReply, Matched: true, Because: m.Because.Text})}
	}
	var facts []ledger.Fact
	for _, r := range m.Reports {
		event := ledger.Confirmed
		if r.Action == bounce.ActionFailed || r.Action == bounce.ActionDelayed {
			event = ledger.Bounced
		}
		f := one(event, ledger.Return{
			Action: string(r.Action), Status: r.Status, Reason: string(r.Reason), Cause: exact(r.Cause), Permanent: r.Permanent, Recipient: r.Recipient,
			Matched: sameRecipient(address, r, len(m.Reports)), RemoteHost: r.RemoteHost, ReportedBy: r.ReportingMTA, Diagnostic: r.Diagnostic, Because: r.Because.Text,
		})
		facts = append(facts, f)
		if f.Return.Matched && r.Action == bounce.ActionFailed && r.Permanent && r.Reason.Class() == reply.Hard && j.reset != nil && j.reset.Redeemed == nil {
			sup, err := w.suppress(ctx, j.Claim, address, f.ID, f.At, r.Cause, r.Diagnostic)
			if err != nil {
				w.Log.Warn().Err(err).Str("mail", string(j.Message)).Msg("a recipient's fault is not counted")
			} else if sup != nil {
				facts = append(facts, *sup)
			}
		}
	}
	if len(facts) == 0 {
		facts = append(facts, one(ledger.Bounced, ledger.Return{Matched: true, Because: m.Because.Text}))
	}
	return facts
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
	return same(r.Recipient) || same(r.Original)
}

func clipped(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "")
	}
	return s
}
