package mailer

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-msgauth/dkim"
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

func TestLocales(t *testing.T) {
	dir := folder(t, "de.subject", "\ufeffNeues Passwort\r\n", "de.txt", "Hallo {{.Link}} {{.ExpiresIn.Minutes}} Minuten", "de.html", `<a href="{{.Link}}">hier</a>`,
		"de_AT.subject", "Neues Kennwort", "de_AT.txt", "Servus {{.Link}}", "de_AT.html", `<a href="{{.Link}}">hier</a>`)
	tm, err := LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Check(); err != nil {
		t.Error(err)
	}
	for want, got := range map[string]string{"de-AT": "de-at", "de_at.UTF-8": "de-at", "de-CH": "de", "DE": "de", "fr": "en", "": "en",
		"../../etc": "en", "de-AT-1901": "de-at"} {
		d := testDraft(t)
		d.Locale = want
		m, err := Compose(tm, testPaths(t), d)
		if err != nil || m.Locale != got {
			t.Errorf("%q took %q, %v; want %q", want, m.Locale, err, got)
		}
		if got == "de" && m.Subject != "Neues Passwort" {
			t.Errorf("subject %q", m.Subject)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	const good = "x {{.Link}}"
	const goodHTML = `<a href="{{.Link}}">x</a>`
	for _, c := range []struct {
		name, subject, text, html, want string
	}{
		{"unknown field", "s", "x\n{{.Link}}\n{{.Nonsense}}", goodHTML, "en.txt:3:2"},
		{"unknown field is named", "s", good + "{{.Nonsense}}", goodHTML, "Nonsense"},
		{"does not parse", "s", good, "<p>\n{{if .Link}", "en.html:2"},
		{"empty subject", "{{with .Username}}{{end}}", good, goodHTML, "en.subject: the result is empty"},
		{"two lines of subject", "a\nb", good, goodHTML, "en.subject: the subject has more than one line"},
		{"another language's field", "s", "x\n{{.Link}} {username}", goodHTML, "en.txt:2: {username} is not filled in"},
		{"in a branch", "s", good + "{{if .Page}}\n{link}{{end}}", goodHTML, "en.txt:2: {link} is not filled in"},
		{"no link in the text", "s", "x", goodHTML, "en.txt: the link is not in it"},
		{"no link in the HTML", "s", good, "<p>{{.Link}}</p>", "en.html: no href holds the link"},
		{"no HTML", "s", good, "", "en.html is missing"},
		{"another encoding", "s", good + "\n\xfc", goodHTML, "en.txt: not UTF-8"},
		{"endless subject", strings.Repeat("x", 600), good, goodHTML, "en.subject: the subject is longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := []string{"en.subject", c.subject, "en.txt", c.text}
			if c.html != "" {
				files = append(files, "en.html", c.html)
			}
			tm, err := LoadTemplates(folder(t, files...))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compose(tm, testPaths(t), testDraft(t))
			if !errors.Is(err, ErrTemplate) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err := tm.Check(); err == nil {
				t.Error("Check finds nothing")
			}
			if strings.Contains(fmt.Sprint(err), testToken) {
				t.Error("the error holds the token")
			}
		})
	}
	if _, err := LoadTemplates(t.TempDir()); !errors.Is(err, ErrTemplate) {
		t.Error("an empty folder was taken")
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

func testSigners(t testing.TB) ([]Signer, func(string) ([]string, error)) {
	t.Helper()
	rk, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, ek, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(rk.Public())
	if err != nil {
		t.Fatal(err)
	}
	zone := map[string]string{
		"r1._domainkey.mail.example": "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der),
		"e1._domainkey.mail.example": "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub),
	}
	return []Signer{{"mail.example", "r1", crypto.Signer(rk)}, {"mail.example", "e1", ek}}, func(name string) ([]string, error) {
		if txt, ok := zone[name]; ok {
			return []string{txt}, nil
		}
		return nil, errors.New("no such name")
	}
}

func verify(t testing.TB, raw []byte, lookup func(string) ([]string, error)) []error {
	t.Helper()
	vs, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: lookup})
	if err != nil {
		t.Fatal(err)
	}
	var out []error
	for _, v := range vs {
		out = append(out, v.Err)
	}
	return out
}

func TestSign(t *testing.T) {
	m, err := Compose(builtInTemplates(t), testPaths(t), testDraft(t))
	if err != nil {
		t.Fatal(err)
	}
	signers, lookup := testSigners(t)
	raw, err := Sign(m.Raw, signers)
	if err != nil {
		t.Fatal(err)
	}
	if errs := verify(t, raw, lookup); len(errs) != 2 || errs[0] != nil || errs[1] != nil {
		t.Fatalf("signatures: %v", errs)
	}
	if err := Lint(raw, testLink); err != nil {
		t.Errorf("signed: %v", err)
	}
	text := string(raw)
	for name, c := range map[string]string{
		"a second From":  "From: <x@evil.example>\r\n" + text,
		"a Reply-To":     "Reply-To: <x@evil.example>\r\n" + text,
		"a Cc":           "Cc: <x@evil.example>\r\n" + text,
		"another date":   strings.Replace(text, "08:00:00", "09:00:00", 1),
		"another body":   strings.Replace(text, "somebody", "nobody", 1),
		"a footer":       text + "footer\r\n",
		"second subject": "Subject: x\r\n" + text,
	} {
		for i, err := range verify(t, []byte(c), lookup) {
			if err == nil {
				t.Errorf("%s: signature %d still verifies", name, i)
			}
		}
	}
	// What relays do on the way must not break it.
	harmless := strings.Replace("Received: from x by y\r\n"+text, "Subject: Reset", "Subject:  \r\n  Reset", 1)
	for i, err := range verify(t, []byte(harmless), lookup) {
		if err != nil {
			t.Errorf("relayed: signature %d: %v", i, err)
		}
	}
	if same, err := Sign(m.Raw, nil); err != nil || !bytes.Equal(same, m.Raw) {
		t.Error("without signers the mail changed")
	}
	if _, err := Sign(m.Raw, []Signer{{"mail.example", "x", nil}}); err == nil {
		t.Error("signed without a key")
	}
}

func BenchmarkComposeSign(b *testing.B) {
	tm, p, d := builtInTemplates(b), testPaths(b), testDraft(b)
	signers, _ := testSigners(b)
	b.ReportAllocs()
	for b.Loop() {
		m, err := Compose(tm, p, d)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Sign(m.Raw, signers); err != nil {
			b.Fatal(err)
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

// BenchmarkSign shows what each signature costs; Ed25519 is nearly all canonicalisation, so it bounds what sharing a body hash could save.
func BenchmarkSign(b *testing.B) {
	m, err := Compose(builtInTemplates(b), testPaths(b), testDraft(b))
	if err != nil {
		b.Fatal(err)
	}
	signers, _ := testSigners(b)
	for i, name := range []string{"rsa2048", "ed25519"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Sign(m.Raw, signers[i:i+1]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
