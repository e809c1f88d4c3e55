package api

import (
	"context"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/mailer/bounce"
)

// notice is a returned mail whose host writes Latin-1.
const notice = "From: MAILER-DAEMON@mx.shop.example\nSubject: Undelivered Mail\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
	"--b\nContent-Type: text/plain; charset=iso-8859-1\n\nPostfach \xfcber Quota\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.shop.example\n\n" +
	"Final-Recipient: rfc822; jo@shop.example\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 mailbox is full\n\n--b--\n"

func TestExplain(t *testing.T) {
	w := newWorld(t)
	before := w.redis.Keys()
	c := &Client{URL: w.web.URL, Key: secretOf(desk.Support)}
	for _, raw := range []string{notice, strings.ReplaceAll(notice, "\xfc", "ü")} {
		m, err := c.ExplainMail(context.Background(), []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind != bounce.KindBounce || len(m.Reports) != 1 || m.Says == "" {
			t.Fatalf("%+v", m)
		}
		r := m.Reports[0]
		if r.Recipient != "jo@shop.example" || r.Cause != "recipient.mailbox_full" || r.Blame != "recipient" || r.Resend.Helps != "wait" || len(r.Actions) == 0 || !strings.Contains(r.Says, "full") {
			t.Errorf("%+v", r)
		}
	}
	// A host that gave up after time-outs does not try again, whatever the action is called; nor does one that said no for good.
	late := strings.NewReplacer("Status: 5.2.2", "Status: 4.4.1", "smtp; 552 5.2.2 mailbox is full", "X-Postfix; connect to mx.shop.example[192.0.2.9]:25: Connection timed out").Replace(notice)
	m, err := c.ExplainMail(context.Background(), []byte(late))
	if err != nil || len(m.Reports) != 1 || !m.Reports[0].GaveUp || m.Reports[0].Cause != "deferred.expired" || m.Reports[0].Resend.Helps != "helps" || !strings.Contains(m.Says, "did not get") {
		t.Errorf("%+v, %v", m, err)
	}
	if r, err := c.ExplainReply(context.Background(), "550 5.4.1 x", ""); err != nil || r.Resend.Helps == "wait" || strings.Contains(r.Resend.Because, "by itself") {
		t.Errorf("%+v, %v", r, err)
	}
	r, err := c.ExplainReply(context.Background(), "550 5.1.1 no such user", "google")
	if err != nil || r.Cause != "recipient.unknown_mailbox" || !r.Permanent || r.Provider != "google" || r.Reply != "550 5.1.1 no such user" || r.Says == "" {
		t.Errorf("%+v, %v", r, err)
	}
	if after := w.redis.Keys(); len(after) != len(before) {
		t.Errorf("something was kept: %v", after)
	}

	for _, body := range []string{`{}`, `{"mail":"a","reply":"b"}`, `{"mail":"a","provider":"google"}`, `{"mail_base64":"?"}`} {
		if r := w.as(desk.Ops, "POST", "/v1/explain", body); r.status != 400 || r.code(t) != "bad_request" {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	long := func(n int) string { return `{"mail":"` + strings.Repeat("a", n-len(`{"mail":""}`)) + `"}` }
	if r := w.as(desk.Ops, "POST", "/v1/explain", long(MaxMailBody)); r.status != 200 || !strings.Contains(r.body, "larger than 1 MiB") {
		t.Errorf("a long mail: %d %s", r.status, r.body)
	}
	if r := w.as(desk.Ops, "POST", "/v1/explain", long(MaxMailBody+1)); r.status != 413 {
		t.Errorf("a longer one: %d %s", r.status, r.body)
	}
}
