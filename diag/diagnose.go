package diag

import (
	"slices"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// maxAlso is how many runners-up a case lists.
const maxAlso = 8

// Diagnose says why the mail did not arrive. It never panics, whatever the facts, and always gives a cause of the catalogue.
func Diagnose(in Input) Case {
	v := look(&in)
	return v.conclude(v.findings())
}

// findings runs every rule. The order is that of the last tie-break.
func (v *view) findings() []finding {
	var out []finding
	for _, rule := range []func(*view) []finding{
		closedAccount, seenAfterChange, accountDoor, severalAccounts,
		stated, pageFailed, rewritten, visited, changed,
		refused, merged, suppressedNow, notHandedOver, servers, port25,
		otherMailbox, deadOnArrival, heldBack, mailStory, unread, arrived, changedOnTheWay,
		otherRealm, otherPage, unknownLogin, secondaryAddress,
		beyondRetention, nobodyAsked, silentDirectory, mailBefore, claims,
	} {
		out = append(out, rule(v)...)
	}
	return out
}

// conclude orders the findings and words the best.
func (v *view) conclude(fs []finding) Case {
	fs = slices.DeleteFunc(fs, func(f finding) bool { _, ok := CauseOf(f.cause); return !ok })
	for i := range fs {
		if fs[i].rests != "" && v.blindFor(fs[i].rests) {
			fs[i].conf = fs[i].conf.weaker()
		}
	}
	slices.SortStableFunc(fs, func(a, b finding) int {
		if a.rank != b.rank {
			return int(a.rank - b.rank)
		}
		return a.conf.order() - b.conf.order()
	})
	fs = merge(fs)
	if len(fs) == 0 {
		fs = one(finding{cause: "accepted.no_further_trace", conf: Possible, rank: trace})
	}
	c := Case{Login: v.in.Login, Verdict: v.verdict(fs[0]), Timeline: v.timeline(), BlindSpots: v.blindSpots()}
	for _, f := range fs[1:min(len(fs), 1+maxAlso)] {
		c.Also = append(c.Also, v.alternative(f))
	}
	c.Near = v.lookAlikes()
	if v.in.Realm != nil {
		c.Realm = v.in.Realm.Name
	}
	if v.account != nil {
		c.Account = &AccountView{ID: v.account.ID, State: v.account.State, LoginMethod: v.method}
	}
	r, m := v.told, v.mail
	if fs[0].cause == "queue.merged" {
		if r = v.asked; r != nil {
			m = r.Newest()
		}
	}
	if r != nil {
		c.Reset = r.ID
	}
	if m != nil {
		c.Message = m.ID
	}
	return c
}

// merge leaves one finding of each cause: the best, with the evidence of all.
func merge(fs []finding) []finding {
	at := make(map[string]int, len(fs))
	out := fs[:0]
	for _, f := range fs {
		if i, have := at[f.cause]; have {
			out[i].facts = append(slices.Clone(out[i].facts), f.facts...)
			out[i].notes = append(slices.Clone(out[i].notes), f.notes...)
			continue
		}
		at[f.cause] = len(out)
		out = append(out, f)
	}
	return out
}

func (v *view) verdict(f finding) Verdict {
	row, _ := CauseOf(f.cause)
	w := v.words(f)
	out := Verdict{Cause: f.cause, Blame: row.Blame, Confidence: f.conf, Says: w.fill(or(f.says, row.Says)), TellUser: table().tellUser(row.Tell, v.locale(), w)}
	out.Resend = Resend{Helps: row.Resend, Because: w.fill(or(f.because, row.Because))}
	if f.helps != "" {
		out.Resend.Helps = f.helps
	}
	if !f.notBefore.IsZero() {
		out.Resend.NotBefore = f.notBefore.UTC()
	}
	for _, a := range row.Actions {
		if do := w.fill(a.Do); do != "" {
			out.Actions = append(out.Actions, Action{Who: a.Who, Do: do, Call: v.call(a.Call, w)})
		}
	}
	out.Evidence = v.evidence(f.facts, f.notes...)
	return out
}

// call fills in an API call; one that names a reset is left out where there is none.
func (v *view) call(template string, w vars) string {
	s, ok := w.group(template)
	if !ok {
		return ""
	}
	return s
}

func (v *view) alternative(f finding) Alternative {
	row, _ := CauseOf(f.cause)
	w := v.words(f)
	return Alternative{Cause: f.cause, Confidence: f.conf, Says: w.fill(or(f.says, row.Says)), SettledBy: w.fill(row.SettledBy)}
}

// words are the values for a finding's templates.
func (v *view) words(f finding) vars {
	w := v.base.with()
	for k, s := range f.vars {
		w[k] = s
	}
	return w
}

// evidence lists facts once each and the notes beside them, by time. Without any, the ask itself is what a person can check.
func (v *view) evidence(fs []ledger.Fact, notes ...Evidence) []Evidence {
	if len(fs) == 0 && v.told != nil && v.told.Asked.ID != "" {
		fs = []ledger.Fact{v.told.Asked}
	}
	var out []Evidence
	have := map[ledger.EventID]bool{}
	for _, f := range fs {
		if f.ID == "" || have[f.ID] {
			continue
		}
		have[f.ID] = true
		out = append(out, Evidence{At: f.At.UTC(), Fact: f.Event, Says: Says(f), Event: f.ID})
	}
	out = append(out, notes...)
	slices.SortStableFunc(out, func(a, b Evidence) int { return a.At.Compare(b.At) })
	return out
}

func (v *view) timeline() []Entry {
	out := make([]Entry, 0, len(v.facts))
	for _, f := range v.facts {
		out = append(out, Entry{At: f.At.UTC(), Fact: f.Event, Says: Says(f)})
	}
	return out
}

// later gives the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
