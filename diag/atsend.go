package diag

import (
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// stale is how long a receiver's resolver may go on with an answer that we have replaced: few records live longer than an hour.
const stale = time.Hour

// aboutRecords tells the causes that a DNS record of ours can lead to: named means that the host named this very one, hinted that it
// said no more than that we failed its checks.
func aboutRecords(cause string) (named, hinted bool) {
	switch cause {
	case "sender.dkim_key_mismatch", "sender.spf_permerror", "sender.spf_fail":
		return true, false
	case "sender.dmarc_rejected", "sender.unauthenticated", "sender.provider_requirements":
		return false, true
	}
	return false, false
}

// atSend lets what DNS said as this very mail was built decide what a refusal means, which is nearer than any check: the mail notes it.
// false = nothing was noted, or DNS did not answer then.
func (v *view) atSend(m *ledger.Message, domain string, out finding) (finding, bool) {
	named, hinted := aboutRecords(out.cause)
	built := last(v.ofMail(m, ledger.Composed))
	if !named && !hinted || built.Composition == nil {
		return out, false
	}
	said, ok := v.in.DNS[built.Composition.DNS]
	if !ok {
		return out, false
	}
	refused := last(out.facts).At
	records := v.until(judging(said, built.Composition.Selectors), domain, built.At, refused)
	bad, broken := badRecord(records, out.cause, named)
	if v.contradicted(domain, built.Composition.Read, refused, bad.Cause()) {
		return out, false // a check has looked since: it is nearer
	}
	out.facts = append(slices.Clone(out.facts), v.changesOf(domain, built.At)...)
	out.notes = append(slices.Clone(out.notes), noteOf(built, judging(said, built.Composition.Selectors)))
	if broken {
		out.conf = Certain
		if hinted {
			out.cause, out.conf = bad.Cause(), Likely
		}
		return v.quoting(out, domain, refused, bad), true
	}
	for _, r := range records {
		if !r.Known() {
			return out, false
		}
	}
	if v.brokeThen(domain, refused) {
		return out, false // the next check tells
	}
	// All was in order, and so it is if it came so only a moment before: resolvers of others keep the old answer for a while.
	if c, at, ok := v.lastChange(domain, refused, func(c ledger.RecordChange) bool { return c.Good && c.Kind != "dmarc" }); ok && refused.Sub(at) < stale {
		old := c
		old.Now = c.Was
		if cause := recordOf(old).Cause(); cause != "" && (cause == out.cause || hinted) {
			before, _ := recordState(c.Kind, c.Was)
			out.cause, out.conf = cause, Likely
			out.vars = out.vars.with("dns", upperFirst(recordName(c.Kind, c.Name))+" was mended at "+clock(at, v.now)+", shortly before this mail (until then "+before+"); their resolver may still have had the older answer")
			out.says = refusedSays
			return out.helpsNow("DNS was mended before this mail, and other people's resolvers learn of it within an hour; another mail can pass."), true
		}
	}
	return out, true
}

// noticed is how long after a record broke the clock that reads them has seen it.
const noticed = time.Minute

// brokeThen tells whether a record was seen to break right after a refusal: it may have been broken a moment before.
func (v *view) brokeThen(domain string, refused time.Time) bool {
	_, at, ok := v.nextChange(domain, refused, func(c ledger.RecordChange) bool { return !c.Good && c.Kind != "dmarc" })
	return ok && at.Sub(refused) < noticed
}

// refusedSays quotes DNS beside the host's words.
const refusedSays = "{host|Their host} refused our mail[: {text}]. {dns}."

// quoting words a finding by the record that was bad as the mail was built: what it was, since when, and whether it was mended since.
func (v *view) quoting(out finding, domain string, refused time.Time, bad dnscheck.Record) finding {
	kind := string(bad.Kind)
	says := "At the time of this mail " + recordThen(kind, bad.Name, ledger.RecordState{State: bad.State, About: bad.About})
	same := func(c ledger.RecordChange) bool { return c.Kind == kind && c.Name == bad.Name }
	if c, at, ok := v.lastChange(domain, refused, same); ok && !c.Good {
		before, _ := recordState(kind, c.Was)
		says += "; it changed at " + clock(at, v.now) + " (until then " + before + ")"
	}
	mended := false
	if c, at, ok := v.nextChange(domain, refused, same); ok && c.Good {
		_, is := recordState(kind, c.Now)
		says += "; since " + clock(at, v.now) + " " + is
		mended = true
	}
	out.vars = out.vars.with("dns", says)
	out.says = refusedSays
	if f, ok := v.checkedSince(domain, refused, out.cause); ok && !mended {
		out.facts, mended = append(out.facts, f), true
	}
	if mended {
		return out.helpsNow("DNS was mended since; another mail can pass.")
	}
	return out
}

// until brings records up to the time of a refusal: a mail that is tried for hours is judged by what DNS says at its last try.
func (v *view) until(records []dnscheck.Record, domain string, built, refused time.Time) []dnscheck.Record {
	for _, f := range v.in.Checks {
		if !isChange(f, domain) || !f.At.After(built) || f.At.After(refused) {
			continue
		}
		for _, c := range f.Check.Changes {
			for i, r := range records {
				if string(r.Kind) == c.Kind && r.Name == c.Name {
					records[i] = recordOf(c)
				}
			}
		}
	}
	return records
}

// judging are the records that a mail is judged by: of the DKIM records those that it was signed with.
func judging(r dnscheck.Reading, selectors []string) []dnscheck.Record {
	return slices.DeleteFunc(slices.Clone(r.Records), func(rec dnscheck.Record) bool {
		return rec.Kind == dnscheck.RecordDKIM && !slices.ContainsFunc(selectors, func(s string) bool { return strings.EqualFold(s, rec.Name) })
	})
}

// badRecord finds the record that explains a refusal: of the cause that the host named, else the first that stops mail. One good
// signature is enough where the host did not speak of keys.
func badRecord(records []dnscheck.Record, cause string, named bool) (dnscheck.Record, bool) {
	signed := slices.ContainsFunc(records, func(r dnscheck.Record) bool { return r.Kind == dnscheck.RecordDKIM && r.Good() })
	for _, r := range records {
		switch {
		case !r.Known() || r.Good(), named && r.Cause() != cause, !named && signed && r.Kind == dnscheck.RecordDKIM:
		default:
			return r, true
		}
	}
	return dnscheck.Record{}, false
}

// noteOf is the evidence of what DNS said as a mail was built.
func noteOf(built ledger.Fact, records []dnscheck.Record) Evidence {
	var parts []string
	for _, r := range records {
		was, _ := recordState(string(r.Kind), ledger.RecordState{State: r.State, About: r.About})
		parts = append(parts, recordName(string(r.Kind), r.Name)+": "+was+led(" (", quote(r.Text), ")"))
	}
	return Evidence{At: built.At.UTC(), Fact: built.Event, Event: built.ID, Says: "What DNS said as the mail was built: " + strings.Join(parts, "; ") + "."}
}

// around is how long before a mail a change still is evidence about it.
const around = 24 * time.Hour

// changesOf lists the changes of a domain's records from a day before a mail on.
func (v *view) changesOf(domain string, built time.Time) []ledger.Fact {
	var out []ledger.Fact
	for _, f := range v.in.Checks {
		if isChange(f, domain) && built.Sub(f.At) < around {
			out = append(out, f)
		}
	}
	return out
}

// isChange tells a fact that records of a domain became others.
func isChange(f ledger.Fact, domain string) bool {
	return f.Check != nil && len(f.Check.Changes) > 0 && strings.EqualFold(f.Check.Domain, domain)
}

// lastChange finds the newest change up to a time, nextChange the newest one after it.
func (v *view) lastChange(domain string, at time.Time, of func(ledger.RecordChange) bool) (found ledger.RecordChange, when time.Time, ok bool) {
	return v.changeOf(domain, of, func(t time.Time) bool { return !t.After(at) })
}

func (v *view) nextChange(domain string, at time.Time, of func(ledger.RecordChange) bool) (found ledger.RecordChange, when time.Time, ok bool) {
	return v.changeOf(domain, of, func(t time.Time) bool { return t.After(at) })
}

func (v *view) changeOf(domain string, of func(ledger.RecordChange) bool, within func(time.Time) bool) (found ledger.RecordChange, when time.Time, ok bool) {
	for _, f := range slices.Backward(v.in.Checks) {
		if !isChange(f, domain) || !within(f.At) {
			continue
		}
		for _, c := range f.Check.Changes {
			if of(c) {
				return c, f.At, true
			}
		}
	}
	return found, when, false
}

// contradicted tells whether the newest check between the reading of DNS for a mail and its refusal says otherwise: it does not find the cause
// of the record that was bad then, or it finds one where none was bad (cause "").
func (v *view) contradicted(domain string, read, refused time.Time, cause string) bool {
	if read.IsZero() {
		return false
	}
	for _, f := range slices.Backward(v.in.Checks) {
		if !isCheck(f, domain) || f.At.After(refused) {
			continue
		}
		if !f.At.After(read) {
			return false
		}
		if cause != "" {
			return !slices.Contains(f.Check.Causes, cause)
		}
		return slices.ContainsFunc(f.Check.Causes, func(c string) bool { named, hinted := aboutRecords(c); return named || hinted })
	}
	return false
}

// checkedSince finds the newest check of a domain after a time, if it no longer finds a cause.
func (v *view) checkedSince(domain string, at time.Time, cause string) (ledger.Fact, bool) {
	for _, f := range slices.Backward(v.in.Checks) {
		if isCheck(f, domain) {
			return f, f.At.After(at) && !slices.Contains(f.Check.Causes, cause)
		}
	}
	return ledger.Fact{}, false
}
