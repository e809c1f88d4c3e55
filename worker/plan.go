package worker

import (
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// ambiguousTries is how often a mail is offered whose final dot went unanswered: each time the recipient may get another copy.
const ambiguousTries = 3

// gap is the time between attempt n (from 1) and the next.
func (w *Worker) gap(n int) time.Duration {
	return w.Retry[min(max(n, 1), len(w.Retry))-1]
}

// next books the attempt that follows one that ended now; zero = none. A booking never lies beyond the token's life: at its end the message
// is looked at once more, and expires with an entry.
func (w *Worker) next(now time.Time, m *ledger.Message, last ledger.Attempt, until time.Time) time.Time {
	switch last.Outcome {
	case ledger.Accepted, ledger.Rejected, ledger.NoHost:
		return time.Time{}
	case ledger.Ambiguous:
		unsure := 1
		for _, f := range m.Attempts {
			if f.Attempt != nil && f.Attempt.Outcome == ledger.Ambiguous {
				unsure++
			}
		}
		if unsure >= ambiguousTries {
			return time.Time{}
		}
	}
	wait := w.gap(last.Try)
	if r := w.reading(last); r.RetryAfter > 0 {
		// A host that says when to come back is believed, and given a moment more.
		wait = r.RetryAfter + r.RetryAfter/20 + time.Second
	}
	return capped(now.Add(wait), until)
}

func capped(t, until time.Time) time.Time {
	if t.After(until) {
		return until
	}
	return t
}

// reading is what a host's reply means.
func (w *Worker) reading(a ledger.Attempt) reply.Reading {
	return w.Replies.Read(reply.Reply{Host: a.Host, Stage: a.Stage, Code: a.Code, Enhanced: a.Enhanced, Text: a.Text})
}

// recipientFault says whether a final refusal is the recipient's: only that ever counts towards a suppression. A refusal of our sender,
// our login, our content or our reputation says nothing about the address.
func (w *Worker) recipientFault(a ledger.Attempt) (reply.Reading, bool) {
	if a.Outcome != ledger.Rejected || a.Code < 500 {
		return reply.Reading{}, false
	}
	r := w.reading(a)
	return r, r.Permanent && r.Reason.Class() == reply.Hard
}
