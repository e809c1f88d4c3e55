package bounce

import (
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/resetd/resetd/diag/reply"
)

const liveLink = "https://reset.us.example/r/k1.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp"

// A person has to read it: what the mail says is kept, without what it quotes and what could be used.
func TestNotice(t *testing.T) {
	letter := "From: zoe@there.example\nTo: b@bounces.us.example\nSubject: hm\n\n" +
		"Dear sender,\n\nthe person jo@there.example (<jo@there.example>, ann@there.example) is\nnot here any \x1b[2J\u202emore. See https://help.there.example/who?id=7 or " + liveLink +
		"\nQueue id 4R1abc, half a link AbCdEfGhIjKlMnOpQrStUvWxYz0123\n\n> " + liveLink + "\n> a mail of yours\n"
	got := ReadBytes([]byte(letter))
	want := []string{
		"Dear sender,",
		"the person [address] (<[address]>, [address]) is",
		"not here any [2J more. See https://help.there.example/[redacted] or https://reset.us.example/[redacted]",
		"Queue id 4R1abc, half a link [redacted]",
	}
	if got.Kind != KindNone || !reflect.DeepEqual(got.Notice, want) {
		t.Errorf("%s\n%s", got.Kind, strings.Join(got.Notice, "\n"))
	}

	status := "\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; there.example\n\nFinal-Recipient: rfc822; jo@there.example\nAction: failed\nStatus: 5.0.0\n"
	report := func(words, diagnostic string) Mail {
		return ReadBytes([]byte("From: MAILER-DAEMON@there.example\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n" + words + "\n" + status + diagnostic + "\n--b--\n"))
	}
	if m := report("Qwerty uiop.", "Diagnostic-Code: smtp; 550 zxcv\n"); m.Reports[0].Reason != reply.ReasonUnknown || !reflect.DeepEqual(m.Notice, []string{"Qwerty uiop."}) {
		t.Errorf("a report without a reason: %+v", m)
	}
	if m := report("Qwerty uiop.", "Diagnostic-Code: smtp; the weather is bad\n"); m.Reports[0].Reason != reply.ReasonUnknown || m.Notice == nil {
		t.Errorf("no code, and words that say nothing: %+v", m.Reports)
	}
	if m := report("Qwerty uiop.", "Diagnostic-Code: smtp; 552 5.2.2 mailbox is full\n"); m.Notice != nil {
		t.Errorf("nobody has to read this: %+v", m)
	}
	if m := ReadBytes([]byte("From: a@b.example\nSubject: " + liveLink + "\n\n")); m.Notice != nil {
		t.Errorf("nothing was said: %q", m.Notice)
	}
}

func TestNoticeIsBounded(t *testing.T) {
	m := ReadBytes([]byte("From: a@b.example\nSubject: x\n\n" + strings.Repeat(strings.Repeat("bla ", 400)+"\n", 400)))
	if len(m.Notice) != maxKept+1 || m.Notice[maxKept] != "[…]" {
		t.Errorf("%d lines", len(m.Notice))
	}
	for _, l := range m.Notice {
		if len(l) > maxKeptLine {
			t.Errorf("%d bytes", len(l))
		}
	}
}

// Nothing in a kept line acts, names anybody or opens a link, whatever stands in the mail.
func FuzzNotice(f *testing.F) {
	f.Add("see " + liveLink + " <jo@there.example>")
	f.Add("a@b@c.example http://x@y.example/z?token=1 @ \x1b]0;x\x07 \u202e =cmd|'x'!A0 \xff\xfe")
	f.Add("ftp://h/" + strings.Repeat("aB3", 30) + "/r/" + strings.Repeat("z9", 20))
	f.Fuzz(func(t *testing.T, s string) {
		out := muted(s)
		if len(out) > maxKeptLine {
			t.Errorf("%d bytes", len(out))
		}
		for _, w := range strings.Fields(out) {
			if strings.IndexByte(w, '@') >= 0 {
				t.Errorf("an address: %q", w)
			}
			if i := secretAt(strings.ReplaceAll(w, redaction, "")); i >= 0 && secretAt(w) >= 0 {
				t.Errorf("a secret: %q", w)
			}
		}
		if strings.ContainsFunc(out, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("a control: %q", out)
		}
	})
}

// A mail in which nobody recognises anything is a bounce once the operator says by which words; without such a rule it is none.
func TestOwnRulesReadALetter(t *testing.T) {
	own, err := reply.With("rule zebra\n  says zebra crossing closed\n  reason user_unknown\n  proves It is gone.\n  source us\n  sample zebra crossing closed\n")
	if err != nil {
		t.Fatal(err)
	}
	rd, err := NewReader(own)
	if err != nil {
		t.Fatal(err)
	}
	const mail = "From: office@there.example\nTo: b@bounces.us.example\nSubject: notice\n\nDear friend,\n\nwe are sorry, but the zebra\ncrossing is closed since Monday.\n\nYours\n"
	if m := ReadBytes([]byte(mail)); m.Kind != KindNone {
		t.Errorf("without: %+v", m)
	}
	m := rd.ReadBytes([]byte(mail))
	if m.Kind != KindBounce || len(m.Reports) != 1 || m.Notice != nil {
		t.Fatalf("%+v", m)
	}
	if r := m.Reports[0]; r.Recipient != "" || r.Action != ActionFailed || r.Reason != reply.ReasonUserUnknown || r.Cause != "recipient.unknown_mailbox" || !r.Permanent || r.Because.Line == 0 {
		t.Errorf("%+v", r)
	}
	for _, other := range []string{strings.Replace(mail, "zebra", "horse", 1), strings.Replace(strings.Replace(mail, "we are", "> we are", 1), "crossing is", "> crossing is", 1)} {
		if m := rd.ReadBytes([]byte(other)); m.Kind != KindNone {
			t.Errorf("%q: %+v", other, m)
		}
	}
	auto := strings.Replace(mail, "Subject: notice", "Subject: Out of office\nAuto-Submitted: auto-replied", 1)
	if m := rd.ReadBytes([]byte(auto)); m.Kind != KindAutoReply {
		t.Errorf("an automatic answer: %+v", m)
	}
}
