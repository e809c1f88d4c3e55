package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/postfixtest"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// The main job on real parts: the real binary, a real Redis, a real Postfix as relay. One mail lands in a mailbox, and its signatures
// verify with OpenDKIM; one comes back, and why says so with the relay's acceptance and the returned report as evidence.
func TestMainJobWithPostfix(t *testing.T) {
	bounceAt := freePort(t)
	relay := postfixtest.Start(t, postfixtest.Options{
		Mailboxes: []string{"jo@home.example"},
		Transport: map[string]string{"bounces.us.example": bounceAt},
	})
	in := &installation{t: t, redis: redistest.Start(t), bounceAt: bounceAt,
		accounts: []string{account("u1", "jo@home.example"), account("u2", "nobody@home.example")},
		routes:   "[[route]]\nname = \"out\"\nsmarthost = \"" + relay.Addr() + "\"\ntls = \"none\"\n"}
	p := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + p.listening("api")}
	p.listening("bounce")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	t.Run("lands and is redeemed once", func(t *testing.T) {
		c := caller{t, c.url}
		id := c.ask("Jo@Home.example")
		mails, err := relay.WaitMail(ctx, "jo@home.example", 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Run("verifies", func(t *testing.T) { verifyWithOpenDKIM(t, in.dir, mails[0]) })
		link := sim.Link(mails[0])
		if !strings.HasPrefix(link, "https://reset.us.example/r/") {
			t.Fatalf("link %q", link)
		}
		v := c.untilReset(id, func(v desk.ResetView) bool {
			for _, f := range v.Facts {
				if f.Fact == "confirmed" {
					return true
				}
			}
			return false
		})
		if a := v.Messages[0].Attempts; v.State != "sent" || len(a) != 1 || a[0].Code != 250 || a[0].QueueID == "" {
			t.Errorf("reset = %+v", v)
		}
		tok := path.Base(link)
		status, body := c.call(appSecret, "/v1/tokens/redeem", obj{"token": tok, "realm": "shop"})
		if status != http.StatusOK || !bytes.Contains(body, []byte(`"account":"u1"`)) {
			t.Fatalf("redeem: %d %s", status, body)
		}
		if status, body = c.call(appSecret, "/v1/tokens/redeem", obj{"token": tok, "realm": "shop"}); status != http.StatusGone || !bytes.Contains(body, []byte(`"code":"used"`)) {
			t.Errorf("second redeem: %d %s", status, body)
		}
	})

	t.Run("comes back", func(t *testing.T) {
		c := caller{t, c.url}
		c.ask("nobody@home.example")
		got := c.why("nobody@home.example", "recipient.unknown_mailbox")
		says := map[string]bool{}
		for _, e := range got.Verdict.Evidence {
			says[string(e.Fact)] = true
		}
		if !says["attempted"] || !says["bounced"] || got.Verdict.Resend.Helps != "futile" || got.Verdict.Confidence != "certain" {
			row, _ := json.MarshalIndent(got.Verdict, "", " ")
			t.Errorf("verdict: %s", row)
		}
	})
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with status %d", code)
	}
}

// verifyWithOpenDKIM lets an independent verifier look at each signature by itself, as it reports only one of two.
func verifyWithOpenDKIM(t *testing.T, keys string, mail []byte) {
	t.Helper()
	opendkim, err := exec.LookPath("opendkim")
	if err != nil {
		opendkim, err = exec.LookPath("/usr/sbin/opendkim")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("opendkim is not installed (Debian package opendkim), and CI needs it")
		}
		t.Skip("opendkim is not installed (Debian package opendkim): signatures are not verified independently")
	}
	dir, err := os.MkdirTemp("", "opendkim") // not t.TempDir: OpenDKIM takes a comma in a name for the end of it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var records strings.Builder
	for _, selector := range []string{"s-rsa", "s-ed"} {
		text, err := os.ReadFile(filepath.Join(keys, selector+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := config.ParseDKIMKey(text)
		if err != nil {
			t.Fatal(err)
		}
		record, err := dkimRecord(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		records.WriteString(selector + "._domainkey.us.example " + record + "\n")
	}
	writeText(t, filepath.Join(dir, "keys.txt"), records.String())
	writeText(t, filepath.Join(dir, "conf"), "TestPublicKeys "+filepath.Join(dir, "keys.txt")+"\nMode v\nOn-BadSignature accept\n")
	parts := splitSignatures(mail)
	if len(parts) != 2 {
		t.Fatalf("%d signatures, want RSA and Ed25519", len(parts))
	}
	for i, m := range parts {
		file := filepath.Join(dir, "mail.eml")
		writeText(t, file, string(m))
		out, err := exec.Command(opendkim, "-x", filepath.Join(dir, "conf"), "-vvv", "-t", file).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("verification")) || !bytes.Contains(out, []byte("succeeded")) {
			t.Errorf("signature %d: %v\n%s", i, err, out)
		}
	}
}

// splitSignatures gives a copy of the mail for each DKIM-Signature, with that one only.
func splitSignatures(mail []byte) [][]byte {
	text := strings.ReplaceAll(string(mail), "\r\n", "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	field := regexp.MustCompile(`(?m)^[^ \t\n][^\n]*(\n[ \t][^\n]*)*\n?`)
	var signatures, others []string
	for _, f := range field.FindAllString(head, -1) {
		if strings.HasPrefix(strings.ToLower(f), "dkim-signature:") {
			signatures = append(signatures, strings.TrimSuffix(f, "\n"))
		} else {
			others = append(others, strings.TrimSuffix(f, "\n"))
		}
	}
	var out [][]byte
	for _, s := range signatures {
		m := s + "\n" + strings.Join(others, "\n") + "\n\n" + body
		out = append(out, []byte(strings.ReplaceAll(m, "\n", "\r\n")))
	}
	return out
}
