package diag

import (
	"slices"

	"github.com/resetd/resetd/internal/ledger"
)

// mailStory: what the newest mail itself met.
func mailStory(v *view) []finding {
	if v.told == nil || v.refusal != nil {
		return nil
	}
	if v.mail == nil {
		return v.waiting(&ledger.Message{State: ledger.Waiting, Born: v.born, NextAt: v.born})
	}
	return v.story(v.mail)
}

// story tells what became of one mail, by its state.
func (v *view) story(m *ledger.Message) []finding {
	if delayed := v.delayed(m); delayed != nil && m.State != ledger.IsFailed {
		return delayed
	}
	switch m.State {
	case ledger.Sent:
		// Two workers' clocks may put a return before the acceptance that it answers.
		if f, ok := lastReturn(m, ledger.Bounced, "failed"); ok {
			if c, came := lastReturn(m, ledger.Confirmed, ""); !came || c.At.Before(f.At) {
				return v.returned(m, f)
			}
		}
		return v.accepted(m)
	case ledger.Unsure:
		return v.ambiguous(m)
	case ledger.IsFailed:
		return v.failed(m)
	case ledger.IsExpired:
		return v.expired(m)
	case ledger.Withdrawn:
		return v.cancelled(m)
	case ledger.IsRefused:
		return nil // told by refused
	}
	return v.waiting(m)
}

// mailBefore: what became of the mail before, where the newest is a resend that has no obstacle yet. It is a note: the new one may fare
// better.
func mailBefore(v *view) []finding {
	if v.told == nil || v.mail == nil || len(v.told.Messages) < 2 {
		return nil
	}
	before := v.told.Messages[len(v.told.Messages)-2]
	if before.State != ledger.IsFailed && before.State != ledger.IsExpired {
		return nil
	}
	out := v.story(before)
	for i := range out {
		out[i].rank, out[i].conf = note, Possible
	}
	return out
}

// ofMail lists a mail's facts of one kind, by time.
func (v *view) ofMail(m *ledger.Message, e ledger.Event) []ledger.Fact {
	var out []ledger.Fact
	for _, f := range v.facts {
		if f.Event == e && f.Message == m.ID {
			out = append(out, f)
		}
	}
	return out
}

// telling finds the dialogue of a mail's last try that says most: the last one in which a host spoke, else the last. What we left
// ourselves says nothing.
func telling(m *ledger.Message) (ledger.Fact, bool) {
	var best ledger.Fact
	for _, f := range slices.Backward(m.Attempts) {
		switch {
		case f.Attempt == nil || stopped(f.Attempt):
		case best.Attempt == nil:
			best = f
		case f.Attempt.Try != best.Attempt.Try:
			return best, true
		case best.Attempt.Code == 0 && f.Attempt.Code > 0:
			best = f
		}
	}
	return best, best.Attempt != nil
}

// lastAccepted is the evidence that a host took the mail.
func (v *view) lastAccepted(m *ledger.Message) []ledger.Fact {
	for _, f := range slices.Backward(m.Attempts) {
		if f.Attempt != nil && (f.Attempt.Outcome == ledger.Accepted || f.Attempt.Outcome == ledger.Ambiguous) {
			return []ledger.Fact{f}
		}
	}
	return nil
}

// obstacle is the evidence of why a mail failed: the return that came, or what the host said.
func (v *view) obstacle(m *ledger.Message) []ledger.Fact {
	if f, ok := lastReturn(m, ledger.Bounced, "failed"); ok {
		return append(v.lastAccepted(m), f)
	}
	if f, ok := telling(m); ok {
		return []ledger.Fact{f}
	}
	return nil
}

// lastReturn finds the newest report of a kind and action that is proven to be about this mail; "" = any action.
func lastReturn(m *ledger.Message, e ledger.Event, action string) (ledger.Fact, bool) {
	for _, f := range slices.Backward(m.Returns) {
		if f.Event == e && f.Return != nil && f.Return.Matched && (action == "" || f.Return.Action == action) {
			return f, true
		}
	}
	return ledger.Fact{}, false
}

func (v *view) smart(a *ledger.Attempt) bool {
	return a != nil && (a.Smart || v.in.Smart[a.Route])
}
