package bounce

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/resetd/resetd/diag/reply"
)

func TestNextAddress(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"<jo@a.example>", "jo@a.example"},
		{"jo@a.example.", "jo@a.example"},
		{"'jo@a.example'", "jo@a.example"},
		{"mailto:jo@a.example?x", "jo@a.example"},
		{`"jo x"@a.example`, `"jo x"@a.example`},
		{"jo@[192.0.2.1]:", "jo@[192.0.2.1]"},
		{"jörg@büro.example", "jörg@büro.example"},
		{"c=US;a= ;dda:SMTP=jo@a.example;", "jo@a.example"},
		{"jo+tag=x@a.example", "jo+tag=x@a.example"},
		{"@a.example", ""},
		{"jo@", ""},
		{"收件人：jo@a.example的邮箱", "jo@a.example"},
		{"太郎@例え.example", "太郎@例え.example"},
		{"no address", ""},
	} {
		if a, _ := nextAddress(c.in, 0); a.text != c.want {
			t.Errorf("nextAddress(%q) = %q, want %q", c.in, a.text, c.want)
		}
	}
}

func TestEnhancedCode(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"550 5.1.1 no", "5.1.1"},
		{"(#5.7.1)", "5.7.1"},
		{"550-5.7.26 x", "5.7.26"},
		{"host 192.5.1.1 said", ""},
		{"version 5.5.2657.72", ""},
		{"4.4.7, expired", "4.4.7"},
		{"5.x.0", ""},
		{"1.5.1.1", ""},
		{"3.0.0", ""},
	} {
		if got := enhancedCode(c.in); got != c.want {
			t.Errorf("enhancedCode(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestHostWords(t *testing.T) {
	for _, c := range []struct{ in, host, stage, words string }{
		{"host mx.a.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command)", "mx.a.example", "rcpt", "550 5.1.1 no"},
		{"SMTP error from remote mail server after end of data: host mx.a.example [192.0.2.1]: 554 spam", "mx.a.example", "dot", "554 spam"},
		{"192.0.2.3 does not like recipient. Remote host said: 550 no Giving up on 192.0.2.3.", "", "rcpt", "550 no"},
		{"Sorry, no connection. (#4.4.1) I'm not going to try again; too long.", "", "", "Sorry, no connection. (#4.4.1)"},
		{"Remote Server at a.example (192.0.2.1) returned '550 4.4.7 QUEUE.Expired'", "a.example", "", "550 4.4.7 QUEUE.Expired"},
		{"connect to a.example[192.0.2.1]:25: Connection timed out", "a.example", "", "connect to a.example[192.0.2.1]:25: Connection timed out"},
		{"user unknown", "", "", "user unknown"},
	} {
		host, stage, words := hostWords(c.in)
		if host != c.host || stage != c.stage || words != c.words {
			t.Errorf("hostWords(%q) = %q %q %q", c.in, host, stage, words)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"see https://r.example/r/k1.aGVsbG8gd29ybGQgaGVsbG8 now", "see https://r.example/r/[redacted] now"},
		{"http://t.example/?u=QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0&x=1", "http://t.example/?u=[redacted]&x=1"},
		{"https://support.example/mail/answer/6596", "https://support.example/mail/answer/6596"},
		{"host mx1.very-long-name.of.a.host.in.some.domain.example said", "host mx1.very-long-name.of.a.host.in.some.domain.example said"},
		{"/r/short", "/r/short"},
		{"https://r.example/r/k1.aGVs bG8gd29ybGQgaGVsbG8xMjM now", "https://r.example/r/[redacted] now"},
		{"https://r.example/r/help and more", "https://r.example/r/help and more"},
	} {
		if got := redact(c.in); got != c.want {
			t.Errorf("redact(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestDecodeWords(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"=?utf-8?q?a_b?=", "a b"},
		{"=?utf-8?b?w6Q=?=", "ä"},
		{"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"}, // one character cut in two
		{"x =?iso-8859-1?Q?=FC?= y", "x ü y"},
		{"=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "テスト"},
		{"=?broken", "=?broken"},
		{"caf\xe9", "café"},
	} {
		if got := decodeWords(c.in); got != c.want {
			t.Errorf("decodeWords(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestAddressForms(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"rfc822; jo@a.example", "jo@a.example"},
		{"RFC822;<jo@a.example>", "jo@a.example"},
		{`utf-8; j\x{F6}@a.example`, "jö@a.example"},
		{"rfc822; jo+3Dx@a.example", "jo=x@a.example"},
		{"LOCAL; jo", "jo"},
		{"jo@a.example", "jo@a.example"},
	} {
		if got := statusAddress(c.in); got != c.want {
			t.Errorf("statusAddress(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Mon, 23 Nov 2026 10:00:00 +0130", "2026-11-23T08:30:00Z"},
		{"23 Nov 2026 10:00 GMT", "2026-11-23T10:00:00Z"},
		{"Mon,23 Nov 26 10:00:00 -0800 (PST)", "2026-11-23T18:00:00Z"},
		{"Fri, 3 Sep 99 1:02:03 EDT", "1999-09-03T05:02:03Z"},
		{"3/09/2016 8:05:56 PM", "0001-01-01T00:00:00Z"},
		{"Mon, 23 Nov 2026 25:00:00 +0000", "0001-01-01T00:00:00Z"},
		{"", "0001-01-01T00:00:00Z"},
	} {
		if got := parseDate(c.in).Format(time.RFC3339); got != c.want {
			t.Errorf("parseDate(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestPlainHTML(t *testing.T) {
	got := plainHTML("<html><head><title>t</title><style>p{}</style></head><body><style>b{}</style><p>a&nbsp;&lt;b@c.example&gt;</p>x<br>y <d@e.example></body>")
	want := "\na <b@c.example>\nx\ny <d@e.example>"
	if strings.TrimRight(got, "\n ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReadCaps: what lies beyond a cap is said, and what lies before it is still read.
func TestReadCaps(t *testing.T) {
	dsn := dsnHead + "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n\n"
	for _, c := range []struct{ name, in, unread string }{
		{"size", dsn + strings.Repeat("x", maxMail), "larger than 1 MiB"},
		{"fields", strings.Repeat("X: y\n", maxFields+1) + dsn, "more than 500 fields"},
		{"lines", "X: y\n" + strings.Repeat(" z\n", maxFieldLines) + dsn, "more than 100 lines"},
		{"parts", dsn + strings.Repeat("--b\n\nx\n", maxParts), "more than 64 parts"},
		{"depth", dsn + nested(maxDepth+2), "deeper than 8"},
		{"header", "X: y\n" + strings.Repeat("Y: "+strings.Repeat("z", 900)+"\n", 80) + dsn, "larger than 64 KiB"},
		{"recipients", dsn + numbered("Final-Recipient: rfc822; a%d@b.example\nAction: failed\nStatus: 5.1.1\n\n", maxReports/2) +
			numbered("Final-Recipient: rfc822; c%d@b.example\nAction: failed\nStatus: 5.1.1\n\n", maxReports/2), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Read(strings.NewReader(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if c.unread != "" && !strings.Contains(strings.Join(m.Unread, "; "), c.unread) {
				t.Errorf("unread is %q, want %q", m.Unread, c.unread)
			}
			if c.name != "fields" && c.name != "header" && (m.Kind != KindBounce || m.Reports[0].Recipient != "a@b.example") {
				t.Errorf("the report before the cap is lost: %v %v", m.Kind, m.Reports)
			}
		})
	}
}

// nested is a part of n multiparts, one in the other.
func nested(n int) string {
	var b strings.Builder
	b.WriteString("--b\n")
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=n%d\n\n--n%d\n", i, i)
	}
	return b.String() + "\nx\n"
}

// A mail that takes too long is left after what was read first. It needs no slow machine: a Reader may be given no time at all.
func TestReadTakesItsTime(t *testing.T) {
	rd := Reader{time: -1}
	for name, in := range map[string]string{
		"report": dsnHead + numbered("Final-Recipient: rfc822; a%d@b.example\nAction: failed\nStatus: 5.1.1\n\n", 50),
		"prose":  "From: MAILER-DAEMON@b.example\nSubject: failure notice\n\nHi. This is the qmail-send program.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<a1@b.example>:\nno such user\n\n<a2@b.example>:\nno such user\n",
	} {
		if m := ReadBytes([]byte(in)); len(m.Reports) < 2 || m.Unread != nil {
			t.Errorf("%s, in time: %d reports, %q", name, len(m.Reports), m.Unread)
		}
		m := rd.ReadBytes([]byte(in))
		if m.Kind != KindBounce || len(m.Reports) != 1 || !strings.Contains(strings.Join(m.Unread, ";"), "longer than 2 s") {
			t.Errorf("%s: %s, %d reports, %q", name, m.Kind, len(m.Reports), m.Unread)
		}
	}
}

// TestReadError: only a reader that fails is an error.
func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if m, err := Read(strings.NewReader("")); err != nil || m.Kind != KindNone {
		t.Errorf("an empty mail is %v, %v", m.Kind, err)
	}
}

// TestNotices: each rule of notices.txt decides its sample.
func TestNotices(t *testing.T) {
	id, n := "", 0
	for _, l := range strings.Split(noticeRules, "\n") {
		l = strings.TrimSpace(l)
		if rest, ok := strings.CutPrefix(l, "rule "); ok {
			id = rest
		}
		sample, ok := strings.CutPrefix(l, "sample ")
		if !ok {
			continue
		}
		n++
		host, stage, words := hostWords(sample)
		if got := rules().Read(reply.Reply{Host: host, Stage: stage, Text: words}); got.Rule != id {
			t.Errorf("%q is decided by %s, not by %s", sample, got.Rule, id)
		}
	}
	if n == 0 {
		t.Error("no rules")
	}
}

// TestPhrases: the table is in the form in which it is matched, and says nothing twice.
func TestPhrases(t *testing.T) {
	seen := map[string]bool{}
	for n, l := range strings.Split(phraseTable, "\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		name, text, _ := strings.Cut(l, "\t")
		if tagNamed(name) == 0 || fold(lower(text)) != text || strings.TrimSpace(text) != text || strings.Contains(text, "  ") {
			t.Errorf("line %d: %q is no tag and folded phrase", n+1, l)
		}
		if seen[l] {
			t.Errorf("line %d: %q stands twice", n+1, l)
		}
		seen[l] = true
	}
	if tags := table().any.tagsOf("Your Message   Could Not\tbe Delivered"); tags&tagFailed == 0 {
		t.Errorf("a phrase is not found across case and blanks: %b", tags)
	}
}

// What is given for a mail and is none is named, with what to do.
func TestContainers(t *testing.T) {
	for in, want := range map[string]string{
		"": "it is empty", " \r\n\r\n": "it is empty", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00": "Outlook", "\x1f\x8b\x08": "gzip",
		"PK\x03\x04\x14": "ZIP", "%PDF-1.7\n": "PDF", "\xff\xfeF\x00r\x00": "UTF-16", "From: a@b.example\n\nPK\x03\x04": "",
	} {
		m := ReadBytes([]byte(in))
		if got := strings.Join(m.Unread, "; "); m.Kind != KindNone || !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%q: %s, %q", in, m.Kind, got)
		}
	}
}
