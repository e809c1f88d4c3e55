package diag

import (
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

// What hosts say, each through the whole diagnosis of a mail that was refused or put off in that way. Own is our relay's host.
var hostWords = []struct {
	cause   string
	own     bool
	outcome ledger.Outcome
	stage   string
	code    int
	text    string
}{
	{"relay.auth_failed", true, ledger.Deferred, "auth", 535, "5.7.8 Error: authentication failed"},
	{"relay.sender_refused", true, ledger.Rejected, "mail", 553, "5.7.1 <no-reply@shop.example>: Sender address rejected: not owned by user shop"},
	{"relay.sandbox", true, ledger.Rejected, "dot", 554, "Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: jo@mail.example"},
	{"relay.quota", true, ledger.Deferred, "dot", 451, "Authentication failed: Maximum credits exceeded"},
	{"relay.suspended", true, ledger.Deferred, "mail", 454, "Throttling failure: Sending paused for this account"},
	{"recipient.unknown_mailbox", false, ledger.Rejected, "rcpt", 550, "5.1.1 <jo@mail.example>: Recipient address rejected: User unknown in virtual mailbox table"},
	{"recipient.mailbox_disabled", false, ledger.Rejected, "rcpt", 550, "5.2.1 The email account that you tried to reach is disabled"},
	{"recipient.mailbox_full", false, ledger.Deferred, "rcpt", 452, "4.2.2 The recipient's inbox is out of storage space"},
	{"recipient.moved", false, ledger.Rejected, "rcpt", 551, "5.1.6 User has moved; please try another address"},
	{"recipient.restricted", false, ledger.Rejected, "rcpt", 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"},
	{"recipient.relay_denied", false, ledger.Rejected, "rcpt", 554, "5.7.1 <jo@mail.example>: Relay access denied"},
	{"recipient.no_domain", false, ledger.Rejected, "rcpt", 550, "5.4.310 DNS domain mail.example does not exist"},
	{"recipient.needs_smtputf8", false, ledger.Rejected, "rcpt", 553, "5.6.7 SMTPUTF8 is required, but is not supported"},
	{"recipient.private_relay", false, ledger.Rejected, "rcpt", 550, "5.1.1 unable to deliver to private relay address: the sender domain is not registered"},
	{"recipient.refused_other", false, ledger.Rejected, "rcpt", 550, "zorblax"},
	{"sender.dmarc_rejected", false, ledger.Rejected, "dot", 550, "5.7.509 Access denied, sending domain shop.example does not pass DMARC verification and has a DMARC policy of reject."},
	{"sender.unauthenticated", false, ledger.Rejected, "dot", 550, "5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM."},
	{"sender.spf_fail", false, ledger.Rejected, "mail", 550, "5.7.23 The message was rejected because of Sender Policy Framework violation"},
	{"sender.spf_permerror", false, ledger.Rejected, "mail", 550, "5.7.24 SPF PermError: too many DNS lookups"},
	{"sender.dkim_key_mismatch", false, ledger.Rejected, "dot", 550, "5.7.20 DKIM signature did not verify: the key does not match"},
	{"sender.provider_requirements", false, ledger.Rejected, "dot", 550, "5.7.515 Access denied, sending domain shop.example doesn't meet the required authentication level. Spf= Fail , Dkim= Pass , DMARC= Fail"},
	{"sender.no_reverse_dns", false, ledger.Rejected, "mail", 550, "5.7.25 The IP address sending this message does not have a PTR record"},
	{"sender.blocklisted", false, ledger.Rejected, "rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"},
	{"sender.low_reputation", false, ledger.Deferred, "dot", 421, "4.7.0 This message is suspicious due to the very low reputation of the sending IP address"},
	{"sender.content_rejected", false, ledger.Rejected, "dot", 554, "5.7.1 Message rejected as spam by content filtering"},
	{"sender.blocked_by_organisation", false, ledger.Rejected, "rcpt", 550, "5.7.511 Access denied, banned sender[192.0.2.1]"},
	{"tls.policy_failed", false, ledger.Deferred, "starttls", 451, "4.7.323 tlsa-invalid: The domain failed DANE validation"},
	{"tls.required", false, ledger.Rejected, "mail", 530, "5.7.0 Must issue a STARTTLS command first"},
	{"deferred.greylisted", false, ledger.Deferred, "rcpt", 450, "4.2.0 <jo@mail.example>: Recipient address rejected: Greylisted, see http://postgrey.example/"},
	{"deferred.other", false, ledger.Deferred, "rcpt", 451, "zorblax"},
	{"suppressed.by_provider", true, ledger.Rejected, "dot", 550, "5.7.1 Address is on the suppression list for your account"},
}

func TestHostsWords(t *testing.T) {
	for _, test := range hostWords {
		t.Run(test.cause, func(t *testing.T) {
			in := usualInput()
			a := &ledger.Attempt{Try: 1, Smart: test.own, Host: "mx.mail.example", Stage: test.stage, Code: test.code, Text: test.text, Outcome: test.outcome}
			if test.own {
				a.Host = "relay.example"
			}
			if test.outcome == ledger.Deferred {
				a.Next = mustMoment("08:35")
			}
			in.Timeline = ledger.Fold([]ledger.Fact{
				{ID: "e1", At: mustMoment("08:00"), Event: ledger.Requested, Reset: "r1", Message: "m1", Ask: &ledger.Ask{Realm: "shop", Login: in.Login}},
				{ID: "e2", At: mustMoment("08:00:01"), Event: ledger.Issued, Reset: "r1", Message: "m1", Issue: &ledger.Issue{Generation: 1, Address: in.Login, TTL: 3600, Until: in.Now.Add(ledger.MaxLife)}},
				{ID: "e3", At: mustMoment("08:00:02"), Event: ledger.Attempted, Reset: "r1", Message: "m1", Attempt: a},
			})
			c := Diagnose(in)
			if c.Verdict.Cause != test.cause {
				t.Errorf("%d %s\n  is %s (%s)", test.code, test.text, c.Verdict.Cause, c.Verdict.Says)
			}
			checkCase(t, in, c)
		})
	}
}

// The catalogue says of each cause whether this version tells it; whatever it says so of must be told by some case or some words.
func TestWhatIsToldIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, w := range hostWords {
		shown[w.cause] = true
	}
	for _, s := range scenarios(t) {
		shown[Diagnose(s.in).Verdict.Cause] = true
	}
	for _, c := range Causes() {
		if !shown[c.ID] {
			t.Errorf("%s: the catalogue says %q, shown by a test: %v", c.ID, c.Diagnosed, shown[c.ID])
		}
	}
}
