package diag

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// closedAccount: the directory says now that nobody may sign in.
func closedAccount(v *view) []finding {
	if v.account == nil {
		return nil
	}
	switch v.account.State {
	case realm.Deleted:
		return one(finding{cause: "account.deleted", conf: Certain, rank: closed, vars: vars{"merged": quote(v.account.MergedInto)}})
	case realm.Suspended:
		return one(finding{cause: "account.suspended", conf: Certain, rank: closed})
	}
	return nil
}

// accountDoor: there is no password here, or the account may not have one yet. It holds for an account that the directory names now,
// and for a whole realm when nobody can be asked.
func accountDoor(v *view) []finding {
	var out []finding
	say := func(cause string, pairs ...string) {
		out = append(out, finding{cause: cause, conf: Certain, rank: door, vars: vars{}.with(pairs...)})
	}
	switch v.method {
	case realm.LoginSSO:
		say("account.sso")
	case realm.LoginDirectory:
		say("account.directory_managed")
	}
	a := v.account
	if a == nil {
		return out
	}
	switch a.State {
	case realm.Invited:
		say("account.invited")
	case realm.NotActivated:
		say("account.not_activated")
	}
	if v.method == realm.LoginNone {
		say("account.no_password")
	}
	if r := v.in.Realm; r != nil && r.RequiredRole != "" && !v.vouched() && !slices.Contains(a.Roles, r.RequiredRole) {
		say("account.lacks_role")
	}
	if strings.TrimSpace(a.Address) == "" && v.method != realm.LoginSSO && v.method != realm.LoginDirectory {
		say("account.no_address")
	}
	if a.State == realm.Unverified {
		say("account.unverified_address")
	}
	return out
}

// vouched tells a realm without a directory: its app vouches for the account, and nobody knows its roles.
func (v *view) vouched() bool {
	_, none := v.in.Realm.Directory.(realm.None)
	return none
}

// severalAccounts: the directory says now that the login is not one account's.
func severalAccounts(v *view) []finding {
	d := v.in.Directory
	if !d.Asked || d.Unavailable != nil || len(d.Accounts) < 2 {
		return nil
	}
	f := finding{cause: "request.several_accounts", conf: Certain, rank: door, vars: vars{"n": strconv.Itoa(len(d.Accounts))}}
	if v.told == nil {
		f.says = "{login} names {n} accounts of {realm|the realm}[ ({names})]; a reset for it reaches none of them." // nobody asked
	}
	return one(f)
}

// names lists the accounts that one login names, for support.
func (v *view) names() string {
	d := v.in.Directory
	if !d.Asked || len(d.Accounts) < 2 {
		return ""
	}
	var out []string
	for _, a := range d.Accounts[:min(len(d.Accounts), 5)] {
		name := or(a.Username, or(a.Login, a.ID))
		if slices.Contains(out, name) {
			name = or(a.ID, name)
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// silentDirectory: we cannot say whose account it is. While a mail waits for the answer, that is what holds it.
func silentDirectory(v *view) []finding {
	u := v.in.Directory.Unavailable
	if m := v.mail; m != nil && m.State == ledger.Waiting && m.Delay != nil && m.Delay.Why == "directory_unavailable" {
		return one(finding{cause: "account.directory_unavailable", conf: Certain, rank: mail, facts: v.ofMail(m, ledger.Postponed), notBefore: m.NextAt,
			vars: vars{"text": quote(m.Delay.Detail), "next": v.at(m.NextAt)}})
	}
	if u == nil {
		return nil
	}
	f := finding{cause: "account.directory_unavailable", conf: Possible, rank: note, vars: vars{"text": quote(u.Detail)}}
	if v.told != nil && (v.mail == nil || v.mail.State == ledger.Waiting && len(v.mail.Attempts) == 0) {
		f.conf, f.rank = Likely, mail
	}
	return one(f)
}

// otherMailbox: the mail went to an address that is not, or no longer, the one that the person reads.
func otherMailbox(v *view) []finding {
	if v.mail == nil || v.gen.Address == "" {
		return nil
	}
	now := ""
	if v.account != nil && v.account.Address != "" && realm.Normal(v.account.Address) != realm.Normal(v.gen.Address) {
		now = quote(v.account.Address)
	}
	changes := v.reports(v.gen.IssuedAt, "address_changed")
	if now == "" && len(changes) == 0 {
		return nil
	}
	f := finding{cause: "accepted.other_mailbox", conf: Likely, rank: mail, vars: vars{"now_address": now}, facts: append(v.lastAccepted(v.mail), changes...)}
	switch v.mail.State {
	case ledger.Sent, ledger.Unsure:
		return one(f)
	case ledger.IsFailed:
		if v.mail.Failure != nil {
			return nil
		}
		f.cause, f.facts = "account.stale_address", append(v.obstacle(v.mail), changes...)
		if now != "" {
			f = f.helpsNow("The directory holds another address now, and a new mail goes there.")
			f.conf = Certain // and with it above what the host said of the old one, which matters no more
		}
		return one(f)
	}
	return nil
}

// secondaryAddress: they typed one of the account's other addresses and may look into that mailbox.
func secondaryAddress(v *view) []finding {
	if v.account == nil || v.mail == nil {
		return nil
	}
	typed := realm.Normal(v.in.Login)
	if typed == realm.Normal(v.account.Address) || v.gen.Address != "" && typed == realm.Normal(v.gen.Address) {
		return nil
	}
	for _, a := range v.account.OtherAddresses {
		if realm.Normal(a) == typed {
			f := finding{cause: "account.secondary_address", conf: Likely, rank: lookup, facts: v.lastAccepted(v.mail)}
			if v.mail.State != ledger.Sent {
				f.rank = note
			}
			return one(f)
		}
	}
	return nil
}

// otherRealm: the person has a password in one realm and asks for the other.
func otherRealm(v *view) []finding {
	if v.in.Realm == nil {
		return nil
	}
	byHand := v.reports(v.now.Add(-30*day), "password_set")
	elsewhere := v.method == realm.LoginSSO || v.method == realm.LoginDirectory
	var best *finding
	for _, o := range v.in.Others {
		if o.Realm.Name == v.in.Realm.Name {
			continue
		}
		f := finding{cause: "account.other_realm", conf: Possible, rank: note, vars: vars{"other": o.Realm.Name, "right": firstPage(o.Realm)}}
		there := passwordSet(o, v.now)
		switch {
		case last(byHand).ID != "" && !elsewhere && o.LastAsk.After(reportedAt(last(byHand))) && (v.told == nil || v.born.Before(o.LastAsk)):
			// Set here by hand, and then they asked there: this realm's password is the one that they hold.
			f.conf, f.rank, f.facts = Likely, page, byHand
			f.vars = vars{"other": v.in.Realm.Name, "realm": o.Realm.Name}
		case there.ID != "" && keepsPassword(o):
			f.conf, f.facts = Likely, []ledger.Fact{there}
		case elsewhere && len(byHand) > 0 && keepsPassword(o):
			f.conf, f.facts = Likely, byHand
		case elsewhere && keepsPassword(o):
		case v.account == nil && v.in.Directory.Asked && o.Account != nil && keepsPassword(o):
			f.conf = Likely
		default:
			continue
		}
		if best == nil || f.rank < best.rank || f.rank == best.rank && f.conf.order() < best.conf.order() {
			best = &f
		}
	}
	if best == nil && elsewhere && len(byHand) > 0 {
		best = &finding{cause: "account.other_realm", conf: Likely, rank: note, facts: byHand}
	}
	if best == nil {
		return nil
	}
	return one(*best)
}

// passwordSet finds the newest report of another realm that a password was set there by hand; the zero fact when there is none.
func passwordSet(o Other, now time.Time) ledger.Fact {
	for _, f := range slices.Backward(o.Reports) {
		if f.Event == ledger.Reported && f.Report != nil && f.Report.Kind == "password_set" && now.Sub(reportedAt(f)) <= 30*day {
			return f
		}
	}
	return ledger.Fact{}
}

// keepsPassword tells a realm in which this person has, or may have, a password of its own.
func keepsPassword(o Other) bool {
	if o.Account != nil {
		return o.Realm.MethodOf(*o.Account) == realm.LoginPassword
	}
	return o.Realm.Login == realm.LoginPassword
}

func firstPage(r realm.Realm) string {
	if len(r.Pages) == 0 {
		return ""
	}
	return r.Pages[0]
}
