package diag

import (
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// change finds the newest change of the password since the newest mail was born: a used link, or a password set by hand.
func (v *view) change() (ledger.Fact, bool) {
	if v.told == nil {
		f := last(v.reports(v.now.Add(-day), "password_set"))
		return f, f.ID != ""
	}
	byHand := last(v.reports(v.born, "password_set"))
	if v.used >= 0 {
		if used := v.facts[v.used]; byHand.ID == "" || !reportedAt(byHand).After(used.At) {
			return used, true
		}
	}
	return byHand, byHand.ID != ""
}

// stored says what the application said of the last use of a link; nil = nothing.
func (v *view) stored() *ledger.Fact {
	if v.outcome < 0 {
		return nil
	}
	return &v.facts[v.outcome]
}

// seenAfterChange: the password was changed, and somebody saw what goes wrong since.
func seenAfterChange(v *view) []finding {
	f, ok := v.change()
	if !ok {
		return nil
	}
	var out []finding
	say := func(cause string, seen ...ledger.Fact) {
		found := finding{cause: cause, conf: Likely, rank: seenRank(v), facts: append([]ledger.Fact{f}, seen...), vars: vars{"t": v.at(changedAt(f))}}
		if r := last(seen).Report; r != nil {
			found.vars["text"] = quote(r.Detail)
		}
		out = append(out, found)
	}
	if o := v.stored(); o != nil && o.Report.Kind == "failed" && f.Event == ledger.Redeemed {
		say("after.callback_failed", *o)
		out[0].conf = Certain // the application's own word
	}
	since := changedAt(f)
	in := last(v.reports(since, "signed_in"))
	for _, k := range []struct{ kind, cause string }{{"redirected_to_sso", "after.login_redirects_to_sso"}, {"locked", "after.still_blocked"}, {"sign_in_failed", "after.wrong_login_name"}} {
		r := last(v.reports(since, k.kind))
		if r.ID == "" || in.ID != "" && !reportedAt(in).Before(reportedAt(r)) {
			continue // not seen, or they got in since
		}
		if k.kind == "sign_in_failed" && !v.otherName() {
			continue
		}
		say(k.cause, r)
	}
	if v.account != nil && v.account.State == realm.Suspended {
		say("after.still_blocked")
		out[len(out)-1].vars["text"] = "the account is suspended"
	}
	return out
}

// seenRank: a password that was set by hand in a realm without passwords explains less than that there are none.
func seenRank(v *view) rank {
	if v.used < 0 && (v.method == realm.LoginSSO || v.method == realm.LoginDirectory) {
		return note
	}
	return seen
}

// otherName tells an account whose user name is not the address that people type.
func (v *view) otherName() bool {
	if v.account == nil || v.account.Username == "" {
		return false
	}
	u := realm.Normal(v.account.Username)
	return u != realm.Normal(v.account.Address) && u != realm.Normal(v.in.Login)
}

func changedAt(f ledger.Fact) time.Time {
	if f.Event == ledger.Reported {
		return reportedAt(f)
	}
	return f.At
}

// changed: the password was changed since the newest mail was born. The mail is not the problem.
func changed(v *view) []finding {
	f, ok := v.change()
	if !ok {
		return nil
	}
	out := finding{cause: "after.done", conf: Likely, rank: link, facts: []ledger.Fact{f}, vars: vars{"t": v.at(changedAt(f))}}
	if v.told == nil {
		out.rank = note // nobody waits for a mail
	}
	if f.Event == ledger.Reported {
		out.vars["how"] = ", by hand"
	} else if o := v.stored(); o != nil {
		if o.Report.Kind == "failed" {
			return nil
		}
		out.conf, out.facts = Certain, append(out.facts, *o)
	}
	if in := last(v.reports(changedAt(f), "signed_in")); in.ID != "" {
		out.facts = append(out.facts, in)
	}
	return one(out)
}
