package diag

import (
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

func TestSays(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"08:00 requested page=https://shop.example/", "A reset was asked for on https://shop.example/."},
		{"08:00 requested by=dana role=support reason='phone call'", "A reset was asked for from the back end by dana: phone call."},
		{"08:00 refused merged first=r0", "No mail was sent: the mail of an ask shortly before serves this one too."},
		{"08:00 refused novel", "No mail was sent: no reason is known."},
		{"08:00 issued to=jo@mail.example ttl=90m", "A link was made for jo@mail.example, valid for 90 minutes from the moment the mail is accepted."},
		{"08:00 composed", "The mail was built and signed."},
		{"08:00 postponed directory_unavailable 'no answer' next=08:01", "The try could not begin: the directory did not answer (no answer); booked again for 08:01 UTC."},
		{"08:00 failed gave_up", "We gave the mail up."},
		{"08:00 dialed try=3 route=relay", "Try 3 began by the route relay."},
		{"08:00 attempted accepted dot mx.mail.example queue=Q1", "mx.mail.example accepted the mail (queue id Q1)."},
		{"08:00 attempted accepted dot smart", "Our relay accepted the mail."},
		{"08:00 attempted rejected rcpt mx.mail.example 550 5.1.1 'User unknown'", "mx.mail.example refused the mail at rcpt: 550 5.1.1 User unknown."},
		{"08:00 attempted deferred rcpt 451 'see https://shop.example/r/secret' next=08:05", "The host put the mail off at rcpt: 451 see (link); next try at 08:05 UTC."},
		{"08:00 attempted ambiguous dot mx.mail.example", "The mail was sent to mx.mail.example, but the answer was lost."},
		{"08:00 attempted no_host dns", "DNS knows no mail host for the address."},
		{"08:00 bounced failed status=5.2.2 'mailbox full' by=mx.mail.example", "The mail came back (reported by mx.mail.example): 5.2.2 mailbox full."},
		{"08:00 bounced failed unmatched", "The mail came back; it does not fit our mail in recipient or return path, so it is a claim only."},
		{"08:00 bounced delayed '4.4.1 timed out'", "A report says that the mail is delayed: 4.4.1 timed out."},
		{"08:00 bounced", "Something came back that could not be read."},
		{"08:00 complained auth_failure", "A host reports that the mail did not authenticate."},
		{"08:00 confirmed delivered", "A report says that the mail was delivered."},
		{"08:00 confirmed relayed", "A report says that the mail was passed on."},
		{"08:00 complained", "The recipient, or their mail service, marked the mail as spam."},
		{"08:00 auto_replied", "An automatic answer came: the mailbox lives."},
		{"08:00 opened", "The link was opened."},
		{"08:00 opened method=HEAD", "The link was opened by a program."},
		{"08:00 opened dead=expired", "The link was opened: its life had ended."},
		{"08:00 proceeded", "The button on the link's page was pressed."},
		{"08:00 declined dead=used", "A link was presented that is no longer good: it had been used."},
		{"08:00 redeemed", "The link was used to set a new password."},
		{"08:00 reported redirected_to_sso by=support", "Reported by support: the sign-in page sent the person to the identity provider."},
		{"08:00 reported failed 'read-only' revived by=shop", "Reported by shop: the application did not store the new password (read-only); the link works once more."},
		{"08:00 suppressed until='12-24 08:00'", "The address was put on our stop list until 2026-12-24."},
		{"08:00 released by=dana reason='mailbox is back'", "The address was taken off our stop list by dana: mailbox is back."},
		{"08:00 resent by=dana route=b reason='phone call'", "Another mail was asked for by the route b by dana: phone call."},
		{"08:00 cancelled by=dana", "The mail was taken back by dana."},
		{"08:00 expired", "The life of the link ended before any host took the mail."},
		{"08:00 link_revealed by=dana", "The link was shown to a person by dana."},
		{"08:00 checked", "A check was made."},
		{"08:00 paused route=relay by=ops", "Sending was paused for the route relay by ops."},
		{"08:00 resumed", "Sending was resumed."},
		{"08:00 sensor_lost", "We lost sight of a source of facts."},
		{"08:00 sensor_back", "We see a source of facts again."},
		{"08:00 novel", "Something happened that this version has no words for."},
	} {
		in := usualInput()
		f, err := readFact(test.line, 1, &in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Says(f); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.line, got, test.want)
		}
		// The same fact without its detail has words too.
		if got := Says(ledger.Fact{Event: f.Event}); got == "" || !strings.HasSuffix(got, ".") {
			t.Errorf("%s without detail: %q", f.Event, got)
		}
	}
}
