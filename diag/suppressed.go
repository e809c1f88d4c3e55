package diag

import (
	"slices"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// suppressed words a refusal because of the stop list, and sees whether the entry still stands.
func (v *view) suppressed(f finding) finding {
	f.cause = "suppressed.hard_bounce"
	f.notBefore = v.refusal.Until
	f.vars["until"] = v.at(v.refusal.Until)
	proof := []ledger.EventID{v.refusal.Evidence}
	if v.live() {
		s := v.in.Suppression
		f = v.entry(f, s)
		proof = append(proof, s.Evidence...)
	} else {
		f = f.helpsNow("The entry is no longer on the list.")
	}
	f.facts = append(f.facts, v.byID(proof)...)
	for _, e := range v.facts {
		if e.Event == ledger.Released && e.At.After(v.refused.At) {
			f.facts = append(f.facts, e)
		}
	}
	return f
}

// live tells whether the address is on the stop list now.
func (v *view) live() bool {
	s := v.in.Suppression
	return s != nil && !s.Since.After(v.now) && (s.Until.IsZero() || s.Until.After(v.now))
}

// entry words what an entry of the stop list rests upon. Only recipient faults should be there: whatever else is, is said to be wrong.
func (v *view) entry(f finding, s *Suppression) finding {
	switch {
	case s.Cause == "suppressed.complaint" || strings.Contains(s.Cause, "complaint"):
		f.cause = "suppressed.complaint"
	case s.Cause == "suppressed.soft_bounces" || strings.HasPrefix(s.Cause, "deferred."):
		f.cause = "suppressed.soft_bounces"
	case strings.HasPrefix(s.Cause, "sender.") || strings.HasPrefix(s.Cause, "relay.") || strings.HasPrefix(s.Cause, "tls.") || strings.HasPrefix(s.Cause, "network."):
		f.cause = "suppressed.sender_fault"
	default:
		f.cause = "suppressed.hard_bounce"
	}
	f.notBefore = s.Until
	f.vars = f.vars.with("since_list", v.at(s.Since), "until", v.at(s.Until), "text", quote(s.Proof))
	if f.vars["text"] == "" {
		for _, e := range v.byID(s.Evidence) {
			f.vars["text"] = or(factText(e), f.vars["text"])
		}
	}
	return f
}

// suppressedNow: the address is on the stop list, and the newest mail does not say so itself. A mail that still waits will meet it.
func suppressedNow(v *view) []finding {
	if !v.live() || v.refusal != nil && v.refusal.Why == ledger.WhySuppressed {
		return nil
	}
	f := v.entry(finding{conf: Certain, rank: note, facts: v.byID(v.in.Suppression.Evidence)}, v.in.Suppression)
	switch {
	case v.told == nil:
		f.rank = page // whoever asks for them meets the entry
	case v.mail == nil || v.mail.State == ledger.Waiting || v.mail.State == ledger.IsExpired:
		f.rank = mail
	}
	return one(f)
}

// byID finds facts of this ledger; an entry may rest upon facts of another one.
func (v *view) byID(ids []ledger.EventID) []ledger.Fact {
	var out []ledger.Fact
	for _, f := range v.facts {
		if f.ID != "" && slices.Contains(ids, f.ID) {
			out = append(out, f)
		}
	}
	return out
}

// factText is what a host said in a fact; "" for none.
func factText(f ledger.Fact) string {
	if f.Attempt != nil {
		return replyText(f.Attempt)
	}
	if f.Return == nil {
		return ""
	}
	said := f.Return.Diagnostic
	if kind, words, ok := strings.Cut(said, ";"); ok && strings.EqualFold(strings.TrimSpace(kind), "smtp") {
		said = words // RFC 3464 section 2.3.6: the type of the diagnostic
	}
	if strings.Contains(said, f.Return.Status) {
		return quote(said)
	}
	return quote(f.Return.Status + " " + said)
}
