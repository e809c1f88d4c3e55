package bounce

import (
	"strings"
	"testing"

	"github.com/resetd/resetd/diag/reply"
)

// What list software says is a failure where it refuses and nothing where it waits; people on lists may quote both.
func TestListSoftware(t *testing.T) {
	const refused, held = "You are not allowed to post to this mailing list, and your message has been automatically rejected.", "Is being held until the list moderator can review it for approval."
	for name, c := range map[string]struct {
		from, subject, more, body string
		kind                      Kind
		recipient                 string
	}{
		"refused":              {"staff-bounces@lists.example", "Reset your password", "Auto-Submitted: auto-replied\n", refused, KindBounce, "staff@lists.example"},
		"refused by its mark":  {"people@lists.example", "Reset your password", "X-List-Administrivia: yes\n", refused, KindBounce, "people@lists.example"},
		"refused, by subject":  {"LISTSERV@lists.example", "Rejected posting to STAFF@lists.example", "", "See below.", KindBounce, "LISTSERV@lists.example"},
		"held":                 {"staff-owner@lists.example", "Your message to Staff awaits moderator approval", "Auto-Submitted: auto-replied\n", held, KindNone, ""},
		"held, by words only":  {"sympa@lists.example", "staff", "Auto-Submitted: auto-replied\n", held, KindNone, ""},
		"quoted by a person":   {"ann@there.example", "[Staff] lists", "X-Mailman-Version: 2.1.39\nList-Id: <staff.lists.example>\n", refused, KindNone, ""},
		"answered by a person": {"staff-owner@lists.example", "Re: lists", "", refused, KindNone, ""},
		"something else":       {"staff-request@lists.example", "Welcome to the Staff list", "", "You may post to it now.", KindNone, ""},
	} {
		m, err := Read(strings.NewReader("From: " + c.from + "\nTo: b@bounces.us.example\nSubject: " + c.subject + "\n" + c.more + "\n" + c.body + "\n"))
		if err != nil || m.Kind != c.kind {
			t.Errorf("%s: %q, %v", name, m.Kind, err)
			continue
		}
		if c.kind != KindBounce {
			continue
		}
		if r := m.Reports[0]; len(m.Reports) != 1 || r.Recipient != c.recipient || r.Action != ActionFailed || r.Reason != reply.ReasonRecipientRestricted {
			t.Errorf("%s: %+v", name, m.Reports)
		}
	}
}

// Exim, Postfix and sendmail name the address that was written to beside the one that failed, in prose or below a report that does not.
func TestAlias(t *testing.T) {
	const head = "From: Mail Delivery System <MAILER-DAEMON@mx.b.example>\nReturn-Path: <>\nTo: b@bounces.us.example\nSubject: Mail delivery failed\n"
	const exim = "A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n" +
		"  jo.old@far.example\n    (ultimately generated from Jo@B.example)\n    550 5.1.1 User unknown\n"
	for name, c := range map[string]struct {
		raw  string
		want []string
	}{
		"exim": {head + "\n" + exim, []string{"Jo@b.example"}},
		"exim beside a report": {head + "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n" + exim +
			"\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.b.example\n\nFinal-Recipient: rfc822; jo.old@far.example\nAction: failed\nStatus: 5.1.1\n\n" +
			"Final-Recipient: rfc822; ann@b.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n", []string{"Jo@b.example", ""}},
		"postfix":      {head + "\nThe mail could not be delivered.\n\n<jo.old@far.example> (expanded from <jo@b.example>): host mx.far.example\n    said: 550 5.1.1 User unknown\n", []string{"jo@b.example"}},
		"sendmail":     {head + "\n   ----- The following addresses had permanent fatal errors -----\n<jo.old@far.example>\n    (reason: 550 5.1.1 User unknown)\n    (expanded from: <jo@b.example>)\n", []string{"jo@b.example"}},
		"a local name": {head + "\n   ----- The following addresses had permanent fatal errors -----\n<jo.old@far.example>\n    (reason: 550 5.1.1 User unknown)\n    (expanded from: jo)\n", []string{""}},
	} {
		m, err := Read(strings.NewReader(c.raw))
		if err != nil || len(m.Reports) != len(c.want) {
			t.Errorf("%s: %+v, %v", name, m.Reports, err)
			continue
		}
		for i, r := range m.Reports {
			if r.Alias != c.want[i] || i == 0 && r.Recipient != "jo.old@far.example" {
				t.Errorf("%s: %q made of %q, want %q", name, r.Recipient, r.Alias, c.want[i])
			}
		}
	}
}
