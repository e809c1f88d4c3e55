package dnscheck

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// OpenDKIM reads mail into the same octets as we do. Its test tool signs with rsa-sha1 only, which we refuse, so the signature
// is checked here over our canonical form; its verifier asks the system's DNS only.
func TestCanonicalFormOfOpenDKIM(t *testing.T) {
	tool, err := exec.LookPath("opendkim-testmsg")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("opendkim-testmsg is not installed (Debian package opendkim-tools), and CI needs it")
		}
		t.Skip("opendkim-testmsg is not installed (Debian package opendkim-tools)")
	}
	key := testRSA(t, 2048)
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	z := keyZone(t, "s1._domainkey.sender.example", key.Public(), "")
	const date = "Date: Tue, 24 Nov 2026 08:00:00 +0000\r\n"
	for _, mail := range []string{
		testMail,
		"From: a@sender.example\r\n" + date + "Subject: =?utf-8?q?=C3=BC?=\r\n\tfolded  twice \r\n   over\r\n\r\nx\r\n",
		"From : a@sender.example\r\n" + date + "To:x@else.example\r\nCc: \t y@else.example \t\r\n\r\n\r\n leading\t space \r\n\r\n.x\r\n\r\n",
	} {
		cmd := exec.CommandContext(t.Context(), tool, "-C", "-d", "sender.example", "-s", "s1", "-k", file, "-t", t.TempDir())
		cmd.Stdin = strings.NewReader(mail)
		signed, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v of %q", err, mail)
		}
		m, _ := splitMail(signed, 1<<20)
		tags, err := parseTags(m.fields[0].value())
		if err != nil {
			t.Fatal(err)
		}
		c, _ := tags.get("c")
		header, body, ok := canonicalizations(c)
		bh, _ := tags.get("bh")
		sum := sha1.Sum(m.canonicalBody(body))
		if !ok || squeeze(bh) != b64(sum[:]) {
			t.Errorf("the body (%s) of\n%s", c, signed)
		}
		h := sha1.New()
		m.writeSigned(h, header, tags.list("h"), 0)
		b, _ := tags.get("b")
		sig, err := base64.StdEncoding.DecodeString(squeeze(b))
		if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA1, h.Sum(nil), sig) != nil {
			t.Errorf("the header (%s) of\n%s", c, signed)
		}
		got, err := VerifyDKIM(t.Context(), signed, z, Caps{})
		if err != nil || got.Signatures[0].Result != DKIMPermError || !strings.Contains(got.Signatures[0].Why, "rsa-sha1") {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
