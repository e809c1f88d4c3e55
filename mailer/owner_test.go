package mailer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
)

// Whether the mailbox still has the owner whom we mean is asked of a host that offers RRVS, and goes along in a field where it does not.
func TestOwner(t *testing.T) {
	since := time.Date(2021, 3, 4, 5, 6, 7, 8, time.FixedZone("", 3600))
	at := func(year int) func(sim.Recipient) time.Time {
		return func(sim.Recipient) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	}
	norecord := func(sim.Recipient) time.Time { return time.Time{} }
	for _, c := range []struct {
		what  string
		host  sim.Behaviour
		since time.Time
		want  string // outcome, enhanced code, how it was asked
		said  string // the last RCPT
		field bool
	}{
		{"same owner", sim.Accept().Owners(at(2020)), since, "accepted 2.0.0 rrvs", " RRVS=2021-03-04T04:06:07Z", false},
		{"another owner", sim.Accept().Owners(at(2022)), since, "rejected 5.7.17 rrvs", " RRVS=2021-03-04T04:06:07Z", false},
		{"the host has no record: asked again without the question", sim.Accept().Owners(norecord), since, "accepted 2.0.0 no_tell", "RCPT TO:<jo@d.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=RFC822;jo@d.example", false},
		{"not offered", sim.Accept(), since, "accepted 2.0.0 field", "RCPT TO:<jo@d.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=RFC822;jo@d.example", true},
		{"not offered, and refused", sim.UnknownMailbox(), since, "rejected 5.1.1 field", "", true},
		{"since is not known", sim.Accept().Owners(at(2022)), time.Time{}, "accepted 2.0.0 ", "RCPT TO:<jo@d.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=RFC822;jo@d.example", false},
		{"since is yet to come", sim.Accept(), time.Now().Add(time.Hour), "accepted 2.0.0 ", "", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := newOutside(t)
			h := o.Host("mx.d.example", c.host)
			o.Domain("d.example", h)
			env := mailer.Envelope{From: "b-x@bounces.sender.example", To: "jo@d.example", MessageID: "msg_test", Since: c.since}
			const mail = "DKIM-Signature: x\r\nFrom: <a@sender.example>\r\nTo: <jo@d.example>\r\nSubject: x\r\n\r\nhello\r\n"
			for range 2 { // the second over the connection of the first
				as := o.d.Deliver(t.Context(), o.mail, env, []byte(mail))
				if got := string(as[0].Outcome) + " " + as[0].Enhanced + " " + string(as[0].Owner); len(as) != 1 || got != c.want {
					t.Fatalf("%q, want %q", got, c.want)
				}
			}
			last := ""
			for _, line := range h.Transcript() {
				if strings.HasPrefix(line, "C: RCPT") {
					last = strings.TrimPrefix(line, "C: ")
				}
			}
			if strings.HasPrefix(c.said, " ") && !strings.HasSuffix(last, c.said) || strings.HasPrefix(c.said, "RCPT") && last != c.said {
				t.Errorf("said %q, want %q", last, c.said)
			}
			for _, m := range h.Mail() {
				head, rest, _ := strings.Cut(string(m.Raw), "\r\n")
				want := ""
				if c.field {
					want = "Require-Recipient-Valid-Since: jo@d.example; Thu, 04 Mar 2021 04:06:07 +0000"
				} else {
					head, rest = "", string(m.Raw)
				}
				if head != want || rest != mail {
					t.Errorf("the mail arrived as %q", m.Raw)
				}
			}
			if c.want[:8] == "accepted" && len(h.Mail()) != 2 {
				t.Errorf("%d mails", len(h.Mail()))
			}
		})
	}
}

// The question of one mail does not stick to the connection.
func TestOwnerOfTheMailBefore(t *testing.T) {
	o := newOutside(t)
	h := o.Host("mx.d.example", sim.Accept().Owners(func(sim.Recipient) time.Time { return time.Unix(1, 0) }))
	o.Domain("d.example", h)
	for _, c := range []struct {
		to    string
		since time.Time
		want  ledger.Asked
	}{{"jo@d.example", time.Unix(1e9, 0), ledger.ByRRVS}, {"x@d.example", time.Time{}, ""}, {"> bad", time.Unix(1e9, 0), ""}} {
		as := o.d.Deliver(t.Context(), o.mail, mailer.Envelope{To: c.to, MessageID: "msg_test", Since: c.since}, []byte("From: <a@b.example>\r\n\r\nx\r\n"))
		if as[0].Owner != c.want {
			t.Errorf("%s: %+v", c.to, as[0])
		}
	}
}
