package postfixtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/postfixtest"
)

const sender = "b-msg1@bounces.shop.example"

func submit(t *testing.T, p *postfixtest.Postfix, to string, notify ...smtp.DSNNotify) {
	t.Helper()
	c, err := smtp.Dial(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ok, _ := c.Extension("DSN"); !ok {
		t.Error("DSN is not offered")
	}
	if ok, _ := c.Extension("SMTPUTF8"); !ok {
		t.Error("SMTPUTF8 is not offered")
	}
	if err := c.Mail(sender, &smtp.MailOptions{Return: smtp.DSNReturnHeaders, EnvelopeID: "msg_1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(to, &smtp.RcptOptions{Notify: notify, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: to}); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, "Message-ID: <m1@shop.example>\r\nFrom: a@shop.example\r\nTo: %s\r\nSubject: Reset\r\n\r\nhttps://reset.shop.example/r/token\r\n", to)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c.Quit()
}

// The story: a mail for a known user lands in the mailbox. One for an unknown user is taken, and comes back as a report to the
// sender's own host. One for another domain goes on to the host that its transport names.
func TestPostfixDeliversRelaysAndBounces(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	receiver := w.Host("mail.shop.example", sim.Accept())
	far := w.Host("mx.far.example", sim.Accept())
	full := w.Host("mx.full.example", sim.RejectRcpt(552, "5.2.2", "Mailbox full"))
	p := postfixtest.Start(t, postfixtest.Options{
		Mailboxes: []string{"jo@local.example"},
		Transport: map[string]string{"bounces.shop.example": receiver.Addr(), "far.example": far.Addr(), "full.example": full.Addr()},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	t.Run("into a mailbox", func(t *testing.T) {
		submit(t, p, "jo@local.example")
		mails, err := p.WaitMail(ctx, "jo@local.example", 1)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(mails[0]); !strings.Contains(text, "Return-Path: <"+sender+">") || !strings.Contains(text, "/r/token") {
			t.Errorf("the mailbox holds:\n%s", text)
		}
	})
	t.Run("on to another host", func(t *testing.T) {
		submit(t, p, "al@far.example", smtp.DSNNotifyFailure)
		mails, err := far.Wait(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if m := mails[0]; m.From != sender || m.EnvID != "msg_1" || m.Recipients[0].ORcpt != "RFC822;al@far.example" {
			t.Errorf("relayed as %+v", m)
		}
	})
	for _, c := range []struct {
		name, to, action, status string
		notify                   smtp.DSNNotify
	}{
		{"an unknown user", "nobody@local.example", "failed", "5.1.1", smtp.DSNNotifyFailure},
		{"refused further on", "jo@full.example", "failed", "5.2.2", smtp.DSNNotifyFailure},
		{"an unknown domain", "jo@never.example", "failed", "5.1.2", smtp.DSNNotifyFailure},
		{"delivered, as asked", "jo@local.example", "delivered", "2.0.0", smtp.DSNNotifySuccess},
	} {
		t.Run("a report: "+c.name, func(t *testing.T) {
			receiver.Clear()
			submit(t, p, c.to, c.notify)
			mails, err := receiver.Wait(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			m := mails[0]
			if m.From != "" || m.To[0] != sender {
				t.Errorf("from <%s> to %v", m.From, m.To)
			}
			for _, line := range []string{"Original-Envelope-Id: msg_1", "Original-Recipient: RFC822;" + c.to, "Action: " + c.action, "Status: " + c.status} {
				if !strings.Contains(string(m.Raw), line+"\r\n") {
					t.Errorf("no %q in:\n%s", line, m.Raw)
				}
			}
		})
	}
	if err := p.WaitLog(ctx, "to=<nobody@local.example>"); err != nil {
		t.Error(err)
	}
}

func TestQueueSurvivesRestart(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	far := w.Host("mx.far.example", sim.Down())
	p := postfixtest.Start(t, postfixtest.Options{Transport: map[string]string{"far.example": far.Addr()}, Main: map[string]string{"minimal_backoff_time": "1h", "maximal_backoff_time": "2h"}})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	submit(t, p, "al@far.example")
	if err := p.WaitLog(ctx, "status=deferred"); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	if q := p.Queue(); !strings.Contains(q, "al@far.example") {
		t.Errorf("the queue after the restart: %s", q)
	}
	if err := far.Set(sim.Accept()); err != nil {
		t.Fatal(err)
	}
	p.Flush()
	if _, err := far.Wait(ctx, 1); err != nil {
		t.Error(err)
	}
}

// A relay that takes mail only inside TLS, with a certificate of the world's CA.
func TestPostfixWithTLS(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cert, key, err := w.WriteCertificate("relay.example", netip.MustParseAddr("127.0.0.1"), sim.CertValid)
	if err != nil {
		t.Fatal(err)
	}
	p := postfixtest.Start(t, postfixtest.Options{Main: map[string]string{
		"smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key,
	}})
	pem, err := os.ReadFile(w.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := smtp.DialStartTLS(p.Addr(), &tls.Config{RootCAs: roots, ServerName: "relay.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail(sender, nil); err != nil {
		t.Error(err)
	}
}
