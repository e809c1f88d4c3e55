package diag

import (
	"slices"
	"strconv"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// refused: decided that no mail is sent. What the directory says now may have overtaken it: then another mail helps.
func refused(v *view) []finding {
	r := v.refusal
	if r == nil {
		return nil
	}
	f := finding{conf: Certain, rank: mail, facts: []ledger.Fact{v.refused}, vars: vars{"t": v.at(v.refused.At)}}
	switch r.Why {
	case ledger.WhyUnknownAddress:
		f.cause, f.rank = "request.unknown_address", lookup
		if near := v.near(); near != "" {
			f.cause, f.vars["near"] = "request.near_match", near
			unknown := f
			unknown.cause, unknown.rank = "request.unknown_address", note
			return []finding{f, unknown}
		}
	case ledger.WhySeveralAccounts:
		f.cause = "request.several_accounts"
	case ledger.WhySSO:
		f.cause, f.rank = "account.sso", door
	case ledger.WhyDirectoryManaged:
		f.cause, f.rank = "account.directory_managed", door
	case ledger.WhyNoPassword:
		f.cause, f.rank = "account.no_password", door
	case ledger.WhyInvited:
		f.cause, f.rank = "account.invited", door
	case ledger.WhyNotActivated:
		f.cause, f.rank = "account.not_activated", door
	case ledger.WhySuspended:
		f.cause, f.rank, f.vars["is"] = "account.suspended", door, "was"
	case ledger.WhyDeleted:
		f.cause, f.rank, f.vars["is"], f.vars["merged"] = "account.deleted", door, "was", quote(r.MergedTo)
	case ledger.WhyNoAddress:
		f.cause, f.rank = "account.no_address", door
	case ledger.WhyBadAddress:
		f.cause, f.rank, f.vars["text"] = "account.no_address", door, or(quote(r.Detail), "it cannot be written into an envelope")
	case ledger.WhyUnverified:
		f.cause, f.rank = "account.unverified_address", door
	case ledger.WhyThrottled:
		return one(v.throttled(f))
	case ledger.WhyMerged:
		f.cause, f.rank = "queue.merged", trace // its first mail is not known any more
	case ledger.WhySuppressed:
		return one(v.suppressed(f))
	case ledger.WhyBlockedSource:
		f.cause, f.vars["text"] = "request.blocked_source", led("its network ", quote(r.Detail), " is on our deny list")
	case ledger.WhyMailOff:
		f.cause = "compose.mail_disabled"
	case ledger.WhyResetOff:
		f.cause = "request.reset_disabled"
		if v.in.Realm != nil && !v.in.Realm.ResetsOff {
			f = f.helpsNow("Resets are switched on again.")
		}
	case ledger.WhyUnconfigured:
		f.cause, f.vars["text"] = "compose.not_configured", quote(r.Detail)
	default:
		f.cause, f.conf, f.vars["text"] = "compose.not_configured", Possible, "a reason without words in this version"
	}
	if now := v.overtaken(r.Why); now != "" {
		f.rank = mail
		f = f.helpsNow(now)
	}
	return one(f)
}

// merged: two asks came shortly after one another, and one mail serves both. It is the verdict while that mail has no story of its own.
// Of two asks in the same moment either may be the one that was merged.
func merged(v *view) []finding {
	if v.told == nil {
		return nil
	}
	for _, r := range slices.Backward(v.in.Timeline.Resets) {
		if refusal, f := refusalOf(r); refusal != nil && refusal.Why == ledger.WhyMerged && refusal.First == v.told.ID && r != v.told {
			return one(finding{cause: "queue.merged", conf: Certain, rank: trace, facts: []ledger.Fact{f},
				vars: vars{"t": v.at(r.Asked.At), "first": v.at(v.told.Asked.At), "newest": v.at(v.told.Asked.At)}})
		}
	}
	return nil
}

// overtaken says how the directory's answer of now differs from the one of then; "" = it does not, or was not asked.
func (v *view) overtaken(why ledger.Why) string {
	a := v.account
	if a == nil {
		return ""
	}
	switch why {
	case ledger.WhyUnknownAddress:
		return "The directory knows the login now."
	case ledger.WhySeveralAccounts:
		return "The login names one account now."
	case ledger.WhySSO, ledger.WhyDirectoryManaged, ledger.WhyNoPassword:
		if v.method == realm.LoginPassword {
			return "The account signs in with a password of this realm now."
		}
	case ledger.WhyInvited, ledger.WhyNotActivated, ledger.WhySuspended, ledger.WhyDeleted, ledger.WhyUnverified:
		if a.State == realm.Active || a.State == "" {
			return "The directory says that the account is active now."
		}
	case ledger.WhyNoAddress:
		if strings.TrimSpace(a.Address) != "" {
			return "The account has an address now."
		}
	}
	return ""
}

func (v *view) throttled(f finding) finding {
	r := v.refusal
	f.cause = "request.throttled"
	f.vars["limit"], f.vars["until"] = r.Limit, v.at(r.Until)
	if r.Count > 0 {
		f.vars["n"] = strconv.Itoa(r.Count)
	}
	if r.Scope == "account" || r.Scope == "source" {
		f.vars["scope"] = r.Scope
	}
	return f
}

// near names the likeliest look-alike that the directory knows; "" = none.
func (v *view) near() string {
	if all := v.lookAlikes(); len(all) > 0 {
		return all[0]
	}
	return ""
}

// lookAlikes are the logins of accounts that look like the one asked for, the likeliest first, where the directory knows no such login itself.
func (v *view) lookAlikes() []string {
	d := v.in.Directory
	if !d.Asked || d.Unavailable != nil || len(d.Accounts) > 0 {
		return nil
	}
	var out []string
	for _, a := range d.Near {
		if name := quote(or(a.Login, a.Address)); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// unknownLogin: the directory knows no such login now, though no ask was refused for it.
func unknownLogin(v *view) []finding {
	d := v.in.Directory
	if !d.Asked || d.Unavailable != nil || len(d.Accounts) > 0 || v.refusal != nil && v.refusal.Why == ledger.WhyUnknownAddress {
		return nil
	}
	f := finding{cause: "request.unknown_address", conf: Likely, rank: note}
	if v.mail != nil && v.mail.State == ledger.Waiting && len(v.told.Gens) == 0 {
		f.rank = lookup // the worker will hear the same
	}
	if near := v.near(); near != "" {
		match := f
		match.cause, match.vars = "request.near_match", vars{"near": near}
		return []finding{match, f}
	}
	return one(f)
}

// otherPage: the button that was pressed belongs to another realm, or to nobody we know.
func otherPage(v *view) []finding {
	if v.in.Realm == nil {
		if p := v.in.Page; p != nil && p.Realm == "" {
			return one(finding{cause: "request.other_page", conf: Likely, rank: page, vars: vars{"site": v.site("", p.URL)}, says: "By what they say, they asked on {site}."})
		}
		return nil
	}
	name := v.in.Realm.Name
	if p := v.in.Page; p != nil && p.Realm != name {
		f := finding{cause: "request.other_page", conf: Likely, rank: page, vars: vars{"site": v.site(p.Realm, p.URL), "how": "By what they say, they asked on"}}
		if v.told == nil || v.now.Sub(v.born) > day {
			f.rank = link // that ask was another one
		}
		return one(f)
	}
	if v.told != nil {
		if whose, named := v.in.AskPages[v.told.ID]; named && whose != name {
			f := finding{cause: "request.other_page", conf: Certain, rank: page, facts: []ledger.Fact{v.told.Asked}}
			f.vars = vars{"t": v.at(v.told.Asked.At), "site": v.site(whose, "")}
			if a := v.told.Asked.Ask; a != nil {
				f.vars["site"] = v.site(whose, a.Page)
			}
			return one(f)
		}
	}
	var newest *Other
	for i, o := range v.in.Others {
		if !o.LastAsk.IsZero() && o.Realm.Name != name && (newest == nil || o.LastAsk.After(newest.LastAsk)) {
			newest = &v.in.Others[i]
		}
	}
	if newest == nil || v.told != nil && !v.born.Before(newest.LastAsk) {
		return nil
	}
	f := finding{cause: "request.other_page", conf: Likely, rank: page, vars: vars{"t": v.at(newest.LastAsk), "site": newest.Realm.Name}}
	if newest.Ask != "" {
		f.notes = []Evidence{{At: newest.LastAsk.UTC(), Fact: ledger.Requested, Event: newest.Ask, Says: "A reset was asked for in " + newest.Realm.Name + "."}}
	}
	if v.told != nil && v.now.Sub(v.born) <= day || v.in.Page != nil {
		f.rank = note // they asked here too, or say that they did
	}
	return one(f)
}

// site names a page for support: the realm, and the page without anything that may be private in its URL.
func (v *view) site(whose, url string) string {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "#")
	if url = quote(url); url == "" {
		return or(whose, "a page that is none of ours")
	}
	return or(whose, "a page that is none of ours") + " (" + url + ")"
}

// notHandedOver: the site took a click and no ask followed.
func notHandedOver(v *view) []finding {
	failed := last(v.plain(v.reports(later(v.born, v.now.Add(-day)), "request_failed")))
	if failed.ID == "" || v.told != nil && v.told.Asked.At.After(reportedAt(failed)) {
		return nil
	}
	return one(finding{cause: "request.not_handed_over", conf: byReport(failed), rank: mail, facts: []ledger.Fact{failed},
		vars: vars{"t": v.at(reportedAt(failed)), "text": quote(failed.Report.Detail)}})
}

// nobodyAsked: no request in the records, or none that belongs to today's complaint.
func nobodyAsked(v *view) []finding {
	if v.told == nil {
		f := finding{cause: "request.none", conf: Certain, rank: trace, rests: "intake"}
		// The directory says already whom an ask would reach.
		if near := v.near(); near != "" {
			f.vars, f.because = vars{"near": near}, "No ask reached us. One for {near} reaches its owner; one for {login} reaches nobody."
		} else if d := v.in.Directory; d.Asked && d.Unavailable == nil && len(d.Accounts) == 0 {
			f.vars, f.because = vars{"near": "the right login"}, "No ask reached us, and one for {login} reaches nobody: the directory of {realm|the realm} knows no such login."
		}
		return one(f)
	}
	if v.now.Sub(v.born) > day {
		return one(finding{cause: "request.none", conf: Possible, rank: note, rests: "intake", vars: vars{"since": v.at(v.born)}})
	}
	return nil
}
