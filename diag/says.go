package diag

import (
	"fmt"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// Says tells one fact in a plain sentence, for timelines. It holds no link, and of a mail that a host merely accepted it never says
// that it was delivered.
func Says(f ledger.Fact) string {
	switch f.Event {
	case ledger.Requested:
		return saysRequested(f)
	case ledger.Refused:
		return saysRefused(f.Refusal)
	case ledger.Issued:
		if f.Issue == nil {
			return "A link was made."
		}
		return fmt.Sprintf("A link was made for %s, valid for %s from the moment the mail is accepted.", or(f.Issue.Address, "the account"), span(f.Issue.TTL.Duration()))
	case ledger.Composed:
		return "The mail was built and signed."
	case ledger.Postponed:
		return saysPostponed(f.Delay)
	case ledger.Failed:
		return saysFailed(f.Failure)
	case ledger.Dialed:
		if f.Attempt == nil {
			return "A try began."
		}
		return fmt.Sprintf("Try %d began%s.", f.Attempt.Try, led(" by the route ", f.Attempt.Route))
	case ledger.Attempted:
		return saysAttempted(f.Attempt)
	case ledger.Bounced, ledger.Complained, ledger.AutoReplied, ledger.Confirmed:
		return saysReturn(f)
	case ledger.Opened, ledger.Proceeded, ledger.Declined:
		return saysVisit(f)
	case ledger.Redeemed:
		return "The link was used to set a new password."
	case ledger.Reported:
		return saysReported(f)
	case ledger.Suppressed:
		return "The address was put on our stop list" + saysHold(f.Hold) + "."
	case ledger.Released:
		return "The address was taken off our stop list" + saysWho(f) + "."
	case ledger.Resent:
		s := "Another mail was asked for"
		if f.Resend != nil {
			s += led(" by the route ", f.Resend.Route)
			if f.Resend.Forced {
				s += ", against the advice"
			}
		}
		return s + saysWho(f) + "."
	case ledger.Cancelled:
		return "The mail was taken back" + saysWho(f) + "."
	case ledger.Expired:
		return "The life of the link ended before any host took the mail."
	case ledger.LinkRevealed:
		return "The link was shown to a person" + saysWho(f) + "."
	case ledger.Checked:
		return saysCheck(f)
	case ledger.Paused:
		return "Sending was paused" + saysRoute(f.Delay) + saysWho(f) + "."
	case ledger.Resumed:
		return "Sending was resumed" + saysRoute(f.Delay) + saysWho(f) + "."
	case ledger.SensorLost:
		return "We lost sight of " + saysSensor(f.Sensor) + "."
	case ledger.SensorBack:
		return "We see " + saysSensor(f.Sensor) + " again."
	}
	return "Something happened that this version has no words for."
}

func saysRequested(f ledger.Fact) string {
	s := "A reset was asked for"
	if f.Ask != nil {
		s += led(" on ", quote(f.Ask.Page))
	}
	if f.Role == "support" || f.Role == "admin" {
		s += " from the back end"
	}
	return s + saysWho(f) + "."
}

func saysRefused(r *ledger.Refusal) string {
	if r == nil {
		return "Decided that no mail is sent."
	}
	why := map[ledger.Why]string{
		ledger.WhyUnknownAddress:   "the directory knows no such login",
		ledger.WhySeveralAccounts:  "the login names more than one account",
		ledger.WhySSO:              "the password is kept by the identity provider",
		ledger.WhyDirectoryManaged: "the password is kept in a company directory",
		ledger.WhyNoPassword:       "the account never had a password",
		ledger.WhyInvited:          "the account's invitation is still pending",
		ledger.WhyNotActivated:     "the account was never activated",
		ledger.WhySuspended:        "the account is suspended",
		ledger.WhyDeleted:          "the account is deleted",
		ledger.WhyNoAddress:        "the account has no mail address",
		ledger.WhyBadAddress:       "no envelope can carry the account's address",
		ledger.WhyUnverified:       "the account's address was never verified",
		ledger.WhyThrottled:        "there were too many asks",
		ledger.WhyMerged:           "the mail of an ask shortly before serves this one too",
		ledger.WhySuppressed:       "the address is on our stop list",
		ledger.WhyMailOff:          "no route for mail is configured",
		ledger.WhyResetOff:         "resets are switched off",
		ledger.WhyUnconfigured:     "the realm is not in the configuration",
		ledger.WhyBlockedSource:    "the ask came from a network of our deny list",
	}[r.Why]
	return "No mail was sent: " + or(why, "no reason is known") + "."
}

func saysPostponed(d *ledger.Delay) string {
	if d == nil {
		return "The try could not begin and was booked again."
	}
	why := map[string]string{
		"directory_unavailable":  "the directory did not answer",
		"suppression_unreadable": "the stop list could not be read",
		"shutdown":               "the worker was stopping",
		"quota":                  "our own limit for mail was used up",
	}[d.Why]
	s := "The try could not begin: " + or(why, "it had to wait") + led(" (", quote(d.Detail), ")")
	if !d.Next.IsZero() {
		s += "; booked again for " + d.Next.UTC().Format("15:04 UTC")
	}
	return s + "."
}

func saysFailed(x *ledger.Failure) string {
	if x == nil {
		return "The mail came to its end without any host taking it."
	}
	why := map[string]string{
		"template_error": "The mail could not be built",
		"bad_link":       "The mail was not sent, because its link would lead nowhere",
		"not_configured": "The mail could not be built, because something is not configured",
		"gave_up":        "We gave the mail up",
		"queue_lost":     "The mail was lost from the queue",
	}[x.Why]
	return or(why, "The mail came to its end without any host taking it") + led(": ", quote(x.Detail)) + "."
}

func saysAttempted(a *ledger.Attempt) string {
	if a == nil {
		return "A try ended."
	}
	host := or(a.Host, "the host")
	if a.Smart {
		host = "our relay" + led(" ", a.Host)
	}
	var s string
	switch a.Outcome {
	case ledger.Accepted:
		s = host + " accepted the mail" + led(" (queue id ", a.QueueID, ")")
	case ledger.Deferred:
		s = host + " put the mail off"
	case ledger.Rejected:
		s = host + " refused the mail"
	case ledger.Unreachable:
		s = host + " could not be reached, or broke off"
	case ledger.Ambiguous:
		s = "The mail was sent to " + host + ", but the answer was lost"
	case ledger.NoHost:
		s = "DNS knows no mail host for the address"
	case ledger.NoDNS:
		s = "DNS did not answer"
	case ledger.Blocked:
		s = "We ended the dialogue with " + host
	default:
		s = "A try ended"
	}
	switch a.Outcome {
	case ledger.Accepted, ledger.Ambiguous, ledger.NoHost, ledger.NoDNS:
	default:
		s += led(" at ", a.Stage)
	}
	if r := replyText(a); r != "" && a.Outcome != ledger.Accepted {
		s += ": " + r
	}
	s += saysPolicy(a) + saysOwner(a)
	if !a.Next.IsZero() {
		s += "; next try at " + a.Next.UTC().Format("15:04 UTC")
	}
	return upper(s) + "."
}

func saysReturn(f ledger.Fact) string {
	r := f.Return
	if r == nil {
		r = &ledger.Return{}
	}
	var s string
	switch f.Event {
	case ledger.Complained:
		s = "The recipient, or their mail service, marked the mail as spam"
		switch r.Action {
		case "unsubscribe":
			s = "The recipient asked to be unsubscribed"
		case "auth_failure":
			s = "A host reports that the mail did not authenticate"
		}
	case ledger.AutoReplied:
		s = "An automatic answer came: the mailbox lives"
	case ledger.Confirmed:
		switch r.Action {
		case "delivered":
			s = "A report says that the mail was delivered"
		case "relayed":
			s = "A report says that the mail was passed on"
		case "expanded":
			s = "A report says that the mail was passed to the members of a list"
		default:
			s = "A report says that the mail arrived"
		}
	default:
		s = "The mail came back"
		switch r.Action {
		case "delayed":
			s = "A report says that the mail is delayed"
		case "none":
			s = "What came back was read and is no report about the mail"
		case "":
			s = "Something came back that could not be read"
		}
	}
	s += led(" (reported by ", quote(r.ReportedBy), ")")
	if f.Event == ledger.Bounced {
		s += led(" (read by ", quote(f.By), led(" as ", strings.ReplaceAll(r.Reason, "_", " ")), ")")
		s += led(": ", factText(f))
		if !r.Matched && r.Action != "" {
			s += "; it does not fit our mail in recipient or return path, so it is a claim only"
		}
	}
	return s + "."
}

func saysVisit(f ledger.Fact) string {
	v := f.Visit
	if v == nil {
		v = &ledger.Visit{}
	}
	var s string
	switch f.Event {
	case ledger.Proceeded:
		s = "The button on the link's page was pressed"
	case ledger.Declined:
		s = "A link was presented that is no longer good"
	default:
		s = "The link was opened"
		switch {
		case v.Via != "" && v.Method == imageFetch:
			s = quote(v.Via) + " tells that the mail was shown, or fetched ahead by a program"
		case v.Via != "":
			s = quote(v.Via) + " tells of a click on the link that it had put in the place of ours"
		case program(v):
			s = "The link was opened by a program"
		}
	}
	dead := map[string]string{
		"malformed": "it was cut or altered", "other_realm": "it belongs to another realm", "unknown": "its reset is no longer known",
		"used": "it had been used", "replaced": "a newer one, or a change of the password, had replaced it", "expired": "its life had ended",
	}[v.Dead]
	return upper(s) + led(": ", dead) + "."
}

func saysReported(f ledger.Fact) string {
	if f.Report == nil {
		return "Something was reported from outside."
	}
	kind := map[string]string{
		"password_set": "a password was set by hand", "signed_in": "the person signed in", "sign_in_failed": "a sign-in failed",
		"redirected_to_sso": "the sign-in page sent the person to the identity provider", "locked": "the account is locked",
		"address_changed": "the address of the account was changed", "page_failed": "the reset page failed",
		"request_failed": "the request on the site failed", "found_in_junk": "the mail was found in junk",
		"quarantined": "the mail is in quarantine", "not_found_anywhere": "the person finds the mail nowhere",
		"done": "the application stored the new password", "failed": "the application did not store the new password",
	}[f.Report.Kind]
	s := "Reported" + led(" by ", f.By) + ": " + or(kind, "something of a kind without words here")
	s += led(" (", quote(f.Report.Detail), ")")
	if f.Report.Revived {
		s += "; the link works once more"
	}
	return s + "."
}

func saysHold(h *ledger.Hold) string {
	if h == nil || h.Until.IsZero() {
		return ""
	}
	return " until " + h.Until.UTC().Format("2006-01-02")
}

func saysWho(f ledger.Fact) string {
	return led(" by ", f.By) + led(": ", quote(f.Reason))
}

func saysRoute(d *ledger.Delay) string {
	if d == nil {
		return ""
	}
	return led(" for the route ", d.Route)
}

func saysSensor(s *ledger.Sensor) string {
	if s == nil {
		return "a source of facts"
	}
	return sensorName(s.Name)
}
