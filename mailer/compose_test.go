package mailer

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
)

const (
	testToken = "k1.AbCdEf-0123456789_AbCdEf0123456789AbCdEf01"
	testLink  = "https://reset.example/r/" + testToken
)

func testDraft(t testing.TB) Draft {
	t.Helper()
	to, err := ParseAddress("jo@shop.example")
	if err != nil {
		t.Fatal(err)
	}
	return Draft{
		ID: testID(5), From: "Community <no-reply@mail.example>", To: to,
		Date: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
		Data: Data{Realm: "community", RealmName: "Community", Username: "Jo", Link: testLink,
			ExpiresIn: Life(time.Hour), Page: "community.example", Support: "support.example"},
		Token: testToken, PublicURL: "https://reset.example",
	}
}

func builtInTemplates(t testing.TB) *Templates {
	t.Helper()
	tm, err := LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

// folder writes template files: name, content, name, content …
func folder(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// parts decodes a mail as a receiver does.
func parts(t testing.TB, raw []byte) (mail.Header, []string) {
	t.Helper()
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return r.Header, out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
}

func TestComposeBuiltIn(t *testing.T) {
	d := testDraft(t)
	m, err := Compose(builtInTemplates(t), testPaths(t), d)
	if err != nil {
		t.Fatal(err)
	}
	h, body := parts(t, m.Raw)
	for name, want := range map[string]string{
		"From": `"Community" <no-reply@mail.example>`, "To": "<jo@shop.example>", "Subject": "Reset your password for Community",
		"Date": "Tue, 24 Nov 2026 08:00:00 +0000", "Message-Id": m.MessageID, "Mime-Version": "1.0", "Auto-Submitted": "auto-generated",
		"X-Auto-Response-Suppress": "All", "X-Resetd-Message": string(d.ID),
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(body) != 2 || !strings.Contains(body[0], "\r\n"+testLink+"\r\n") || !strings.Contains(body[1], `href="`+testLink+`"`) {
		t.Errorf("the link is not whole in both parts:\n%s", strings.Join(body, "\n----\n"))
	}
	for _, words := range []string{"Hello Jo,", "60 minutes", "community.example", "support.example"} {
		if !strings.Contains(body[0], words) || !strings.Contains(body[1], words) {
			t.Errorf("%q is missing", words)
		}
	}
	if m.LinkHost != "reset.example" || m.Domain != "mail.example" || m.From != "no-reply@mail.example" || m.Locale != "en" {
		t.Errorf("%+v", m)
	}
	if got, err := testPaths(t).ParseMessageIDHeader(m.MessageID); err != nil || got != d.ID {
		t.Errorf("the Message-ID does not lead back: %v, %v", got, err)
	}
}

func TestComposeWorld(t *testing.T) {
	d := testDraft(t)
	var err error
	if d.To, err = ParseAddress("jörg@müller.example"); err != nil {
		t.Fatal(err)
	}
	d.From, d.Data.RealmName, d.Data.Username = "Gemeinschaft Süd & Co. <no-reply@mail.example>", "Süd 🙂 <b>", `{jö} "x" <i>`
	m, err := Compose(builtInTemplates(t), testPaths(t), d)
	if err != nil {
		t.Fatal(err)
	}
	h, body := parts(t, m.Raw)
	if s, _ := h.Subject(); s != "Reset your password for Süd 🙂 <b>" {
		t.Errorf("Subject %q", s)
	}
	if l, err := h.AddressList("From"); err != nil || l[0].Name != "Gemeinschaft Süd & Co." {
		t.Errorf("From %v, %v", l, err)
	}
	if l, err := h.AddressList("To"); err != nil || l[0].Address != "jörg@xn--mller-kva.example" {
		t.Errorf("To %v, %v", l, err)
	}
	if !strings.Contains(body[0], `Hello {jö} "x" <i>,`) || strings.Contains(body[1], "<i>") {
		t.Errorf("name: %s", body)
	}
}

func TestBadLinks(t *testing.T) {
	for name, link := range map[string]string{
		"relative":         "/r/" + testToken,
		"plain http":       "http://reset.example/r/" + testToken,
		"another host":     "https://localhost/r/" + testToken,
		"another port":     "https://reset.example:8443/r/" + testToken,
		"user before host": "https://reset.example@evil.example/r/" + testToken,
		"token cut":        testLink[:len(testLink)-1],
		"no token":         "https://reset.example/r/",
		"line break":       "https://reset.example/r/\r\n" + testToken,
		"script":           "javascript:alert(1)//" + testToken,
		"endless":          testLink + strings.Repeat("a", 1000),
	} {
		d := testDraft(t)
		d.Data.Link = link
		_, err := Compose(builtInTemplates(t), testPaths(t), d)
		if !errors.Is(err, ErrBadLink) || strings.Contains(err.Error(), testToken[:20]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := testDraft(t)
	d.PublicURL, d.Data.Link = "http://127.0.0.1:8025", "http://127.0.0.1:8025/r/"+testToken
	if _, err := Compose(builtInTemplates(t), testPaths(t), d); err != nil {
		t.Errorf("loopback in clear: %v", err)
	}
}

func TestHeaderInjection(t *testing.T) {
	for name, change := range map[string]func(*Draft){
		"username":  func(d *Draft) { d.Data.Username = "Jo\r\nBcc: x@evil.example" },
		"realm":     func(d *Draft) { d.Data.RealmName = "C\nX: y" },
		"null":      func(d *Draft) { d.Data.Support = "a\x00b" },
		"separator": func(d *Draft) { d.Data.Username = "Jo\u2028x" },
		"direction": func(d *Draft) { d.Data.Username = "Jo\u202ex" },
		"length":    func(d *Draft) { d.Data.Username = strings.Repeat("x", 300) },
		"from name": func(d *Draft) { d.From = "C\r\nBcc: x@evil.example <no-reply@mail.example>" },
		"from":      func(d *Draft) { d.From = "no-reply" },
		"from utf8": func(d *Draft) { d.From = "nö@mail.example" },
		"to":        func(d *Draft) { d.To = Address{Local: "jo>\r\nX: y", Domain: "shop.example"} },
		"id":        func(d *Draft) { d.ID = "msg_x\r\nX: y" },
	} {
		d := testDraft(t)
		change(&d)
		if m, err := Compose(builtInTemplates(t), testPaths(t), d); err == nil {
			t.Errorf("%s: taken:\n%s", name, m.Raw)
		} else if strings.Contains(err.Error(), "evil.example") {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
}

func TestLint(t *testing.T) {
	m, err := Compose(builtInTemplates(t), testPaths(t), testDraft(t))
	if err != nil {
		t.Fatal(err)
	}
	raw := string(m.Raw)
	for name, c := range map[string]string{
		"bare LF":     strings.Replace(raw, "\r\n", "\n", 1),
		"two Froms":   "From: <x@evil.example>\r\n" + raw,
		"no date":     strings.Replace(raw, "Date:", "X-Date:", 1),
		"8 bit":       strings.Replace(raw, "Hello", "H\xe4llo", 1),
		"null":        strings.Replace(raw, "Hello", "H\x00llo", 1),
		"long line":   strings.Replace(raw, "Hello", strings.Repeat("x", 1000), 1),
		"link broken": strings.Replace(raw, testToken[:10], "x", 1),
	} {
		if err := Lint([]byte(c), testLink); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCompose(b *testing.B) {
	tm, p, d := builtInTemplates(b), testPaths(b), testDraft(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compose(tm, p, d); err != nil {
			b.Fatal(err)
		}
	}
}
