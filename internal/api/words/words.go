// Package words says the short words of a verdict in a way that people understand at a glance; the console and the command line share it.
package words

import (
	"slices"
	"time"

	"github.com/resetd/resetd/diag"
)

// Helps says whether another mail helps, as a headline.
func Helps(h diag.Helps) string {
	switch h {
	case diag.HelpsYes:
		return "A resend will help"
	case diag.HelpsOnce:
		return "A resend is worth one try"
	case diag.HelpsWait:
		return "No resend now: wait"
	case diag.HelpsAfterFix:
		return "A resend helps once this is fixed"
	case diag.HelpsAskAPerson:
		return "Read the reply before a resend"
	case diag.HelpsAsReason:
		return "Whether a resend helps depends on the reason"
	case diag.HelpsOtherChannel:
		return "A resend will not help: use another way"
	}
	return "A resend will not help"
}

// Headline is Helps for a case: where nobody asked yet there is nothing to send again, and a mistyped login has no mail that could be.
func Headline(c diag.Case) string {
	if Mistyped(c) || NobodyThere(c) {
		return "A reset for the right login will help"
	}
	if c.Reset == "" && c.Verdict.Resend.Helps == diag.HelpsYes {
		return "A reset started from here will help"
	}
	return Helps(c.Verdict.Resend.Helps)
}

// Mistyped tells a case in which an ask for the login would reach nobody, and one for its look-alike its owner.
func Mistyped(c diag.Case) bool {
	return len(c.Near) > 0 && (c.Verdict.Cause == "request.near_match" || c.Verdict.Cause == "request.none")
}

// NobodyThere tells a case that nobody asked for, of a login that the directory does not know: an ask would reach nobody.
func NobodyThere(c diag.Case) bool {
	return c.Verdict.Cause == "request.none" && slices.ContainsFunc(c.Also, func(a diag.Alternative) bool { return a.Cause == "request.unknown_address" })
}

// Tone is good, care or bad: how a headline of Helps is coloured.
func Tone(h diag.Helps) string {
	switch h {
	case diag.HelpsYes, diag.HelpsOnce:
		return "good"
	case diag.HelpsWait, diag.HelpsAfterFix, diag.HelpsAskAPerson, diag.HelpsAsReason:
		return "care"
	}
	return "bad"
}

// Blame says whose fault it is.
func Blame(b diag.Blame) string {
	switch b {
	case "user":
		return "On the user's side"
	case "account":
		return "The account"
	case "us":
		return "On our side"
	case "relay":
		return "Our mail relay"
	case "recipient":
		return "The recipient's mail service"
	case "their_policy":
		return "The recipient's mail policy"
	case "network":
		return "The network"
	case "time":
		return "Only time"
	}
	return "Nobody's fault"
}

// Who names the one who takes an action.
func Who(w diag.Who) string {
	switch w {
	case diag.Support:
		return "Support"
	case diag.Admin:
		return "Admin"
	case diag.Ops:
		return "Operations"
	case diag.User:
		return "The user"
	case diag.RecipientIT:
		return "The recipient's IT"
	}
	return string(w)
}

// Confidence says how sure a finding is.
func Confidence(c diag.Confidence) string {
	switch c {
	case diag.Certain:
		return "Certain"
	case diag.Likely:
		return "Likely"
	}
	return "Possible"
}

// Time writes a time for people, always in UTC; "" for zero.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04:05") + " UTC"
}

// Shares says what the mails of an incident have in common.
func Shares(k diag.Key) string {
	switch k.Kind {
	case diag.OfProvider:
		return "the recipients' mail provider: " + k.Name
	case diag.OfSender:
		return "our sender domain: " + k.Name
	case diag.OfRoute:
		return "our route: " + k.Name
	case diag.OfRealm:
		return "the realm: " + k.Name
	}
	return "the reason only: " + k.Name
}

// Means is the catalogue's sentence for a cause, of no mail in particular; "" = the catalogue has no such cause.
func Means(cause string) string {
	m, _ := diag.MeaningOf(cause, diag.Heard{})
	return m.Says
}

// WaitsNoMore says why a reset is left out when the mails of an incident are sent again.
func WaitsNoMore(why string) string {
	switch why {
	case "used":
		return "used a link since"
	case "sent":
		return "a host has taken a newer mail"
	case "newer":
		return "asked again later, and that ask's mail waits"
	case "refused":
		return "refused by us: no mail can help"
	case "cancelled":
		return "taken back by a person"
	case "resent":
		return "sent again because of this incident already"
	case "ineligible":
		return "the account may have no mail now"
	}
	return "no longer on record here"
}

// Tray says why a returned mail lies in the tray.
func Tray(why string) string {
	switch why {
	case "no_reason":
		return "the mail failed, and why could not be read"
	case "unmatched":
		return "it belongs to no mail that we know"
	}
	return "nothing in it could be read as a report"
}
