package postlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

var ours = ledger.NewMessageID(3, ledger.Seed{7})

// reader takes a Message-ID for ours that begins with "ours".
func reader() *Reader {
	return &Reader{
		Own: func(s string) (ledger.MessageID, error) {
			if strings.HasPrefix(strings.Trim(s, "<>"), "ours") {
				return ours, nil
			}
			return "", errors.New("foreign")
		},
		Now:  func() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) },
		Zone: time.UTC,
	}
}

func read(r *Reader, log string) []hook.Event {
	var out []hook.Event
	for line := range strings.Lines(log) {
		if e, ok := r.Line(line); ok {
			out = append(out, e)
		}
	}
	return out
}

// What Postfix logs, and what it says about a mail of ours: kind, recipient, cause, host and time of each event.
func TestLines(t *testing.T) {
	begin := "Nov 24 08:00:00 relay postfix/cleanup[11]: 4F0AB12CD: message-id=<ours-1@us.example>\n"
	for _, c := range []struct{ name, log, want string }{
		{"the next host took it", begin + "Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@There.example>, relay=mx.there.example[192.0.2.1]:25, delay=0.05, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4X)",
			"relayed jo@there.example  mx.there.example 08:00:01"},
		{"put into a mailbox", begin + "Nov 24 08:00:01 relay postfix/virtual[12]: 4F0AB12CD: to=<jo@there.example>, relay=virtual, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)",
			"delivered jo@there.example   08:00:01"},
		{"an alias sends it on", begin + "Nov 24 08:00:01 relay postfix/local[12]: 4F0AB12CD: to=<jo@there.example>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (forwarded as 4F0AB12CE)",
			"relayed jo@there.example   08:00:01"},
		{"refused", begin + "Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx.there.example[192.0.2.1]:25, delay=0.05, delays=0/0/0/0, dsn=5.1.1, status=bounced (host mx.there.example[192.0.2.1] said: 550 5.1.1 <jo@there.example>: Recipient address rejected: User unknown (in reply to RCPT TO command))",
			"bounced permanent jo@there.example recipient.unknown_mailbox mx.there.example 08:00:01"},
		{"put off, then given up", begin +
			"Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx.there.example[192.0.2.1]:25, delay=0.05, delays=0/0/0/0, dsn=4.2.2, status=deferred (host mx.there.example[192.0.2.1] said: 452 4.2.2 The email account that you tried to reach is over quota (in reply to RCPT TO command))\n" +
			"Nov 24 08:30:00 relay postfix/qmgr[13]: 4F0AB12CD: from=<b@bounces.example>, status=expired, returned to sender\n",
			"deferred jo@there.example recipient.mailbox_full mx.there.example 08:00:01 | bounced jo@there.example recipient.mailbox_full mx.there.example 08:30:00"},
		{"no connection", begin + "Nov 24 08:00:01 relay postfix/error[12]: 4F0AB12CD: to=<jo@there.example>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx.there.example[192.0.2.1]:25: Connection timed out)",
			"deferred jo@there.example deferred.remote_down  08:00:01"},
		{"whom we wrote to, behind an alias", begin + "Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<j@elsewhere.example>, orig_to=<jo@there.example>, relay=mx[192.0.2.1]:25, delay=0, dsn=2.0.0, status=sent (250 Ok)",
			"relayed jo@there.example  mx 08:00:01"},
		{"RFC 3339 and an instance of its own", "2026-11-24T09:00:00.5+01:00 relay postfix-out/cleanup[11]: 4F0AB12CD: message-id=<ours@us.example>\n2026-11-24T09:00:01.25+01:00 relay postfix-out/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)",
			"relayed jo@there.example  mx 08:00:01.25"},
		{"journald", "2026-11-24T08:00:00+0000 relay postfix/cleanup[11]: 4F0AB12CD: message-id=<ours@us.example>\n2026-11-24T08:00:01+0000 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)",
			"relayed jo@there.example  mx 08:00:01"},
		{"last year's", "Dec 31 23:59:59 relay postfix/cleanup[11]: 4F0AB12CD: message-id=<ours@us.example>\nDec 31 23:59:59 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)",
			"relayed jo@there.example  mx 2025-12-31"},
		{"somebody else's mail", strings.ReplaceAll(begin, "ours", "theirs") + "Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<al@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)", ""},
		{"the queue id is another's now", begin + "Nov 24 08:00:01 relay postfix/qmgr[13]: 4F0AB12CD: removed\nNov 24 08:00:02 relay postfix/smtp[12]: 4F0AB12CD: to=<al@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)", ""},
		{"a probe is no mail", begin + "Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=deliverable (250 Ok)", ""},
		{"another program", begin + "Nov 24 08:00:01 relay exim[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 Ok)", ""},
		{"cut in the middle", begin + "Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.exa", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, e := range read(reader(), c.log) {
				kind := string(e.Kind)
				if e.Permanent {
					kind += " permanent"
				}
				at := e.At.Format("15:04:05.99")
				if e.At.Year() != 2026 {
					at = e.At.Format(time.DateOnly)
				}
				got = append(got, strings.Join([]string{kind, e.Recipient, e.Cause, e.Host, at}, " "))
				if e.Message != ours || e.ID == "" || strings.Contains(e.ID, "@") {
					t.Errorf("event %+v", e)
				}
			}
			if s := strings.Join(got, " | "); s != c.want {
				t.Errorf("%q\nwant %q", s, c.want)
			}
		})
	}
}

// Read twice, a log tells the same events; another attempt is another event.
func TestNamesOfEvents(t *testing.T) {
	line := "Nov 24 08:00:0%d relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=4.0.0, status=deferred (host mx[192.0.2.1] said: 451 later)\n"
	log := "Nov 24 08:00:00 relay postfix/cleanup[11]: 4F0AB12CD: message-id=<ours-1@us.example>\n" + fmt.Sprintf(line, 1) + fmt.Sprintf(line, 2)
	a, b := read(reader(), log), read(reader(), log)
	if len(a) != 2 || a[0].ID == a[1].ID || a[0].ID != b[0].ID || a[1].ID != b[1].ID {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// However many mails pass, the memory of a Reader is bounded, and the latest are known.
func TestMemoryIsBounded(t *testing.T) {
	r := reader()
	for i := range 3 * mostQueued {
		r.Line(fmt.Sprintf("Nov 24 08:00:00 relay postfix/cleanup[11]: %09X: message-id=<ours-%d@us.example>", i, i))
	}
	if len(r.queued) != mostQueued || r.latest.Len() != mostQueued {
		t.Errorf("%d queue ids are kept", len(r.queued))
	}
	if r.of(fmt.Sprintf("%09X", 3*mostQueued-1)) == nil || r.of(fmt.Sprintf("%09X", 0)) != nil {
		t.Error("not the latest ones")
	}
}

// The relay of the shared contracts: one mail taken by the next host, two refused there.
func TestSharedLog(t *testing.T) {
	raw := shared(t, "contracts/postfix-relay-mail.log")
	r := reader()
	r.Own = func(s string) (ledger.MessageID, error) {
		if strings.HasPrefix(s, "<att-") {
			return ours, nil
		}
		return "", errors.New("foreign")
	}
	var got []string
	for _, e := range read(r, string(raw)) {
		got = append(got, string(e.Kind)+" "+e.Recipient+" "+e.Cause)
	}
	want := "relayed good@dest.test |bounced nosuch@dest.test recipient.unknown_mailbox|bounced late@dest.test recipient.mailbox_disabled"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}

// shared reads a file of the folder shared beside the checkout, or skips the test where there is none.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		raw, err := os.ReadFile(filepath.Join(dir, "shared", name))
		if err == nil {
			return raw
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("there is no folder shared beside the checkout")
		}
		dir = up
	}
}

func FuzzLine(f *testing.F) {
	f.Add("Nov 24 08:00:00 relay postfix/cleanup[11]: 4F0AB12CD: message-id=<ours-1@us.example>\nNov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, dsn=5.0.0, status=bounced (host mx said: 550 no (in reply to RCPT TO command))")
	f.Add("2026-11-24T08:00:00Z r postfix/qmgr[1]: AAAAAAA: from=<>, status=expired, returned to sender\n")
	f.Add("Feb 29 08:00:00 r postfix/local: ABCDEF: to=<\"a, b\"@x>, status=sent (")
	f.Fuzz(func(t *testing.T, log string) {
		r := reader()
		for _, e := range read(r, log) {
			if e.Message != ours || e.ID == "" || strings.ContainsAny(e.Recipient+e.Diagnostic, "\x1b\n\x00") || e.At.IsZero() {
				t.Errorf("%+v", e)
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	r := reader()
	r.Line("Nov 24 08:00:00 relay postfix/cleanup[11]: 4F0AB12CD: message-id=<ours-1@us.example>")
	lines := []string{
		"Nov 24 08:00:01 relay postfix/smtpd[12412]: connect from relay.sender.example[127.0.0.10]",
		"Nov 24 08:00:01 relay postfix/cleanup[12]: 4F0AB12CE: message-id=<theirs@us.example>",
		"Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CE: to=<al@there.example>, relay=mx[192.0.2.1]:25, delay=0, dsn=2.0.0, status=sent (250 Ok)",
		"Nov 24 08:00:01 relay postfix/smtp[12]: 4F0AB12CD: to=<jo@there.example>, relay=mx[192.0.2.1]:25, delay=0, dsn=5.1.1, status=bounced (host mx[192.0.2.1] said: 550 5.1.1 no such user)",
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Line(lines[i%len(lines)])
	}
}
