package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/resetd/resetd/internal/sim"
)

// A relay says 250 to everything; what then becomes of the mail is told by a report, or by nothing.
func TestSmarthostForwardsAndBounces(t *testing.T) {
	w := newWorld(t)
	back := w.Host("mail.shop.example", sim.Accept())
	w.Domain("bounces.shop.example", back)
	relay := w.Host("smtp.relay.example", sim.Smarthost(sim.SmarthostTimes{Retry: time.Millisecond, Warn: time.Nanosecond, GiveUp: 30 * time.Millisecond}))

	good := w.Host("mx.good.example", sim.Accept())
	backup := w.Host("mx2.backup.example", sim.Accept())
	old := w.Host("mx.old.example", sim.Accept().Without(sim.ExtDSN))
	w.Domain("good.example", good)
	w.Domain("backup.example", w.Host("mx1.backup.example", sim.Down()), backup)
	w.Domain("old.example", old)
	w.Domain("unknown.example", w.Host("mx.unknown.example", sim.UnknownMailbox()))
	w.Domain("dmarc.example", w.Host("mx.dmarc.example", sim.RejectAtDot(550, "5.7.26", "policy")))
	w.Domain("full.example", w.Host("mx.full.example", sim.MailboxFull()))
	w.Domain("down.example", w.Host("mx.down.example", sim.Down()))
	w.Domain("endless.example", w.Host("mx.endless.example", sim.BannerEndless()))
	w.Domain("ascii.example", w.Host("mx.ascii.example", sim.Accept().Without(sim.ExtSMTPUTF8)))
	w.DNS().SetNullMX("null.example")
	w.DNS().SetServfail("sick.example")
	w.DNS().SetTXT("bare.example", "neither MX nor address")
	direct := w.Host("direct.example", sim.Accept()) // no MX: its address is the mail host

	t.Run("delivered", func(t *testing.T) {
		for to, h := range map[string]*sim.Host{"jo@good.example": good, "jo@backup.example": backup, "jo@direct.example": direct} {
			if err := deliver(relay, to, &smtp.MailOptions{EnvelopeID: "e1"}, &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}}); err != nil {
				t.Fatal(err)
			}
			mails, err := h.Wait(soon(t), 1)
			if err != nil {
				t.Fatalf("%s: %v", to, err)
			}
			m := mails[0]
			if m.From != sender || m.To[0] != to || m.EnvID != "e1" || m.Recipients[0].Notify[0] != "SUCCESS" || m.Remote.Addr() != relay.IP() {
				t.Errorf("forwarded as %+v", m)
			}
			if !strings.HasPrefix(string(m.Raw), "Received: from mail.shop.example ([127.0.0.1])\r\n\tby smtp.relay.example with ESMTP id ") || !strings.HasSuffix(string(m.Raw), story) {
				t.Errorf("forwarded mail:\n%s", m.Raw)
			}
		}
	})
	for _, c := range []struct{ to, action, status, diagnostic string }{
		{"jo@unknown.example", "failed", "5.1.1", "550 5.1.1 <jo@unknown.example>: Recipient address rejected"},
		{"jo@dmarc.example", "failed", "5.7.26", "550 5.7.26 policy"},
		{"jo@full.example", "failed", "4.2.2", "452 4.2.2 The email account"},
		{"jo@down.example", "failed", "4.4.1", "connect to mx.down.example: Connection refused"},
		{"jo@endless.example", "failed", "4.4.2", "lost connection with mx.endless.example"},
		{"jo@null.example", "failed", "5.1.10", "556 5.1.10 Domain does not accept mail"},
		{"jo@never.example", "failed", "5.1.2", "Host or domain name not found"},
		{"jo@sick.example", "failed", "4.4.3", "Host or domain name not found"},
		{"jo@bare.example", "failed", "5.4.4", "unable to look up"},
		{"jö@ascii.example", "failed", "5.6.7", "SMTPUTF8 is required"},
		{"jo@old.example", "relayed", "2.0.0", "250 2.0.0 "},
	} {
		t.Run(c.to, func(t *testing.T) {
			back.Clear()
			notify := []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifySuccess}
			if err := deliver(relay, c.to, &smtp.MailOptions{UTF8: true}, &smtp.RcptOptions{Notify: notify}); err != nil {
				t.Fatal(err)
			}
			mails, err := back.Wait(soon(t), 1)
			if err != nil {
				t.Fatalf("%v; the relay:\n%s", err, strings.Join(relay.Transcript(), "\n"))
			}
			_, _, texts := parts(t, mails[0].Raw)
			for _, want := range []string{"Action: " + c.action + "\r\n", "Status: " + c.status + "\r\n", "Diagnostic-Code: smtp; " + c.diagnostic} {
				if !strings.Contains(texts[1], want) {
					t.Errorf("no %q in:\n%s", want, texts[1])
				}
			}
		})
	}
	t.Run("delayed, then failed", func(t *testing.T) {
		back.Clear()
		if err := deliver(relay, "jo@full.example", nil, nil); err != nil {
			t.Fatal(err)
		}
		mails, err := back.Wait(soon(t), 2)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"Action: delayed\r\n", "Action: failed\r\n"} {
			if _, _, texts := parts(t, mails[i].Raw); !strings.Contains(texts[1], want) {
				t.Errorf("report %d is not %q:\n%s", i, want, texts[1])
			}
		}
	})
}
