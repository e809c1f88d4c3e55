package bounce

import (
	"bytes"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// checkMail holds what is true of every reading of any input.
func checkMail(t testing.TB, in []byte, m Mail) {
	t.Helper()
	switch m.Kind {
	case KindBounce, KindDelivered, KindFeedback, KindAutoReply, KindNone:
	default:
		t.Errorf("kind %q is none of the five", m.Kind)
	}
	if (m.Kind == KindBounce || m.Kind == KindDelivered) && len(m.Reports) == 0 {
		t.Errorf("a %s without reports", m.Kind)
	}
	lines := strings.Count(normalize(in), "\n") + 1
	quote := func(line int, text string) {
		if text == "" {
			return
		}
		if line < 1 || line > lines {
			t.Errorf("because names line %d of %d", line, lines)
		}
		if !bytes.Contains(in, []byte(text)) {
			t.Errorf("because %q does not stand in the input", text)
		}
	}
	quote(m.Because.Line, m.Because.Text)
	for _, r := range m.Reports {
		quote(r.Because.Line, r.Because.Text)
		if r.Reason == "" || r.Cause == "" && r.Reason != reasonDelivered {
			t.Errorf("a report without reason or cause: %+v", r)
		}
		if len(r.Diagnostic) > maxDiagnostic+len(redaction) || len(r.Recipient) > maxAddress {
			t.Errorf("a report larger than its caps: %+v", r)
		}
	}
}

// TestCorpusLineEnds: LF, CRLF and CR copies of a mail read the same, to the line.
func TestCorpusLineEnds(t *testing.T) {
	for _, f := range corpus(t) {
		lf := normalize(f.mail)
		want := ReadBytes([]byte(lf))
		checkMail(t, []byte(lf), want)
		for _, end := range []string{"\r\n", "\r"} {
			got := ReadBytes([]byte(strings.ReplaceAll(lf, "\n", end)))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s reads otherwise with %q:\n got %+v\nwant %+v", f.name, end, got, want)
			}
		}
	}
}

// TestCorpusBecause: every bounce rests on words of the input.
func TestCorpusBecause(t *testing.T) {
	for _, f := range corpus(t) {
		m := ReadBytes(f.mail)
		checkMail(t, []byte(normalize(f.mail)), m)
		for _, r := range m.Reports {
			if r.Because.Text == "" {
				t.Errorf("%s: a report rests on nothing: %+v", f.name, r)
			}
		}
		if m.Kind != KindNone && len(m.Reports) == 0 && m.Because.Text == "" {
			t.Errorf("%s: %s rests on nothing", f.name, m.Kind)
		}
	}
}

// TestCorpusDamaged: mails cut short or with flipped bits never panic or hang.
func TestCorpusDamaged(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for _, f := range corpus(t) {
		for k := range 20 {
			b := f.mail[:len(f.mail)*k/20]
			checkMail(t, b, ReadBytes(b))
		}
		for range 5 {
			b := bytes.Clone(f.mail)
			for range 1 + len(b)/200 {
				if len(b) > 0 {
					b[rnd.Intn(len(b))] ^= 1 << rnd.Intn(8)
				}
			}
			checkMail(t, b, ReadBytes(b))
		}
	}
}

// hostile are inputs of the size n that have brought other readers down, each in one way.
var hostile = map[string]func(n int) string{
	"one header line":  func(n int) string { return "Subject: " + strings.Repeat("a", n) },
	"many headers":     func(n int) string { return strings.Repeat("X: y\n", n/5) },
	"folded header":    func(n int) string { return "X: y\n" + strings.Repeat(" z\n", n/3) },
	"encoded words":    func(n int) string { return "Subject: " + strings.Repeat("=?utf-8?q?a?= ", n/14) },
	"broken words":     func(n int) string { return "Subject: " + strings.Repeat("=?", n/2) },
	"angle brackets":   func(n int) string { return "From: " + strings.Repeat("<", n) },
	"at signs":         func(n int) string { return bounceHead + strings.Repeat("@", n) },
	"one long address": func(n int) string { return bounceHead + strings.Repeat("a", n) + "@b.example" },
	"quotes":           func(n int) string { return bounceHead + strings.Repeat(`"@`, n/2) },
	"recipients":       func(n int) string { return bounceHead + strings.Repeat("<a@b.example>:\n550 5.1.1 unknown\n\n", n/34) },
	"different ones":   func(n int) string { return bounceHead + numbered("<a%d@b.example>: 550 5.1.1 unknown\n", n/40) },
	"list of one line": func(n int) string {
		return bounceHead + "the following recipients: " + numbered("a%d@b.example, ", n/18)
	},
	"X-Failed-Recipients": func(n int) string {
		return "X-Failed-Recipients: " + numbered("a%d@b.example,\n ", n/18) + "\n\nfailed\n"
	},
	"codes": func(n int) string { return bounceHead + strings.Repeat("550 5.1.1 ", n/10) },
	"transcript": func(n int) string {
		return bounceHead + strings.Repeat(">>> RCPT TO:<a@b.example>\n<<< 550 no\n", n/38)
	},
	"blank lines": func(n int) string { return bounceHead + strings.Repeat("\n", n) },
	"status groups": func(n int) string {
		return dsnHead + numbered("Final-Recipient: rfc822; a%d@b.example\nAction: failed\nStatus: 5.0.0\n\n", n/74)
	},
	"status fields": func(n int) string { return dsnHead + strings.Repeat("Status: 5.0.0\n", n/14) },
	"nested multiparts": func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		return b.String()
	},
	"nested mails": func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n/30) },
	"boundaries": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n", n/5)
	},
	"almost boundary": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--c\n", n/4)
	},
	"open tags":        func(n int) string { return htmlHead + strings.Repeat("<title>", n/7) },
	"open styles":      func(n int) string { return htmlHead + strings.Repeat("<style></style", n/14) },
	"less than":        func(n int) string { return htmlHead + strings.Repeat("<", n) },
	"entities":         func(n int) string { return htmlHead + strings.Repeat("&amp;", n/5) },
	"base64":           func(n int) string { return b64Head + strings.Repeat("QUFB", n/4) },
	"quoted-printable": func(n int) string { return qpHead + strings.Repeat("=\n", n/2) },
	"iso-2022-jp":      func(n int) string { return bounceHead + strings.Repeat("\x1b$B0!\x1b(B", n/8) },
	"8 bit":            func(n int) string { return bounceHead + strings.Repeat("\xff", n) },
	"carriage returns": func(n int) string { return strings.Repeat("\r", n) },
	"message ids":      func(n int) string { return "References: " + strings.Repeat("<a@b> ", n/6) },
	"slashes":          func(n int) string { return bounceHead + "<a@b.example>: " + strings.Repeat("/r/", n/3) },
	"json":             func(n int) string { return "\n{\"notificationType\":" + strings.Repeat("[", n) },
}

const (
	bounceHead = "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n\nyour message could not be delivered\n\n"
	dsnHead    = "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
	htmlHead   = "From: MAILER-DAEMON@mx.example\nContent-Type: text/html\n\n"
	b64Head    = "From: MAILER-DAEMON@mx.example\nContent-Transfer-Encoding: base64\n\n"
	qpHead     = "From: MAILER-DAEMON@mx.example\nContent-Transfer-Encoding: quoted-printable\n\n"
)

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostile: the cost stays linear. It counts allocated bytes, not time: at most four times the input at 1 MiB.
func TestHostile(t *testing.T) {
	table()
	for name, make := range hostile {
		t.Run(name, func(t *testing.T) {
			in := []byte(make(maxMail))
			in = in[:min(len(in), maxMail)]
			ReadBytes(in[:min(len(in), 4096)])
			least := uint64(math.MaxUint64) // of three, for others allocate too
			for range 3 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				m, err := Read(bytes.NewReader(in))
				runtime.ReadMemStats(&after)
				if err != nil {
					t.Fatal(err)
				}
				checkMail(t, in, m)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if !raceDetector && least > 4*uint64(len(in))+512<<10 {
				t.Errorf("allocated %.1f times what was read", float64(least)/float64(len(in)))
			}
		})
	}
}

// BenchmarkHostile tells the time for each of them, in MB/s.
func BenchmarkHostile(b *testing.B) {
	for name, make := range hostile {
		in := []byte(make(maxMail))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				ReadBytes(in)
			}
		})
	}
}

// BenchmarkCorpus reads the real mails one after the other.
func BenchmarkCorpus(b *testing.B) {
	files := corpus(b)
	var size int64
	for _, f := range files {
		size += int64(len(f.mail))
	}
	b.SetBytes(size / int64(len(files)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ReadBytes(files[i%len(files)].mail)
		i++
	}
}
