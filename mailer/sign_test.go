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
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

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
