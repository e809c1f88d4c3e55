package dnscheck

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim/freeport"
)

// opendkimHome is a folder of OpenDKIM's: not t.TempDir, since it takes a comma in a name for the end of it.
func opendkimHome(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "opendkim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func putFile(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startSigner runs OpenDKIM as a filter that signs, and gives its address.
func startSigner(t *testing.T, program string, key crypto.Signer, algorithm, conf string) string {
	t.Helper()
	dir := opendkimHome(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := putFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	port, err := freeport.Pick()
	if err != nil {
		t.Fatal(err)
	}
	file := putFile(t, filepath.Join(dir, "conf"), fmt.Sprintf("Mode s\nDomain sender.example\nSelector s1\nKeyFile %s\nRequireSafeKeys no\nSocket inet:%d@127.0.0.1\nSignatureAlgorithm %s\n%s\n", keyFile, port, algorithm, conf))
	var said strings.Builder
	cmd := exec.Command(program, "-f", "-x", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("opendkim ended: %s", said.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatal("opendkim does not listen")
		}
	}
}

// opendkimVerifies asks OpenDKIM's own verifier about a mail.
func opendkimVerifies(t testing.TB, program, dir, mail string) bool {
	t.Helper()
	file := putFile(t, filepath.Join(dir, "mail.eml"), mail)
	out, err := exec.CommandContext(t.Context(), program, "-x", filepath.Join(dir, "conf"), "-vvv", "-t", file).CombinedOutput()
	good := strings.Contains(string(out), "succeeded")
	if !good && !strings.Contains(string(out), "verification") {
		t.Fatalf("opendkim says of no signature whether it is good: %v\n%s", err, out)
	}
	return good
}

// What OpenDKIM signs, we verify, and we agree with its own verifier about each copy that was changed on the way, in every canonicalization,
// with l=, with few and with all fields signed, and where absent fields are signed against being added.
func TestWeVerifyWhatOpenDKIMSigns(t *testing.T) {
	program, err := exec.LookPath("opendkim")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("opendkim is not installed (Debian package opendkim), and CI needs it")
		}
		t.Skip("opendkim is not installed (Debian package opendkim)")
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := testRSA(t, 2048)
	const mail = "From: Reset <no-reply@sender.example>\r\nTo: jo@else.example\r\nSubject: Your  link\r\n\tfolded \r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n" +
		"Message-ID: <1@sender.example>\r\nMIME-Version: 1.0\r\nX-Other: 1\r\n\r\nHello  Jo, \r\n\r\n.here it is.\r\n\r\n\r\n"
	copies := []struct {
		what   string
		change func(string) string
	}{
		{"unchanged", func(m string) string { return m }},
		{"a field folded anew", func(m string) string {
			return strings.Replace(m, "Subject: Your  link\r\n\tfolded", "Subject: Your link\r\n  folded", 1)
		}},
		{"the name of a field in capitals", func(m string) string { return strings.Replace(m, "\r\nSubject:", "\r\nSUBJECT:", 1) }},
		{"the subject changed", func(m string) string { return strings.Replace(m, "Your", "My", 1) }},
		{"a word of the body changed", func(m string) string { return strings.Replace(m, "here it is", "here it was", 1) }},
		{"spaces in the body run together", func(m string) string { return strings.Replace(m, "Hello  Jo, \r\n", "Hello Jo,\r\n", 1) }},
		{"empty lines at the end taken away", func(m string) string { return strings.TrimRight(m, "\r\n") + "\r\n" }},
		{"empty lines at the end added", func(m string) string { return m + "\r\n\r\n" }},
		{"a list's footer added", func(m string) string { return m + "-- \r\nyour list\r\n" }},
		{"a field that is not signed added", func(m string) string { return "Received: from a by b; Tue, 24 Nov 2026 08:00:01 +0000\r\n" + m }},
		{"a second Subject in front", func(m string) string { return "Subject: Win\r\n" + m }},
		{"a second From in front", func(m string) string { return "From: other@sender.example\r\n" + m }},
		{"a Reply-To added", func(m string) string {
			return strings.Replace(m, "\r\nTo:", "\r\nReply-To: else@else.example\r\nTo:", 1)
		}},
		{"fields in another order", func(m string) string {
			return strings.Replace(strings.Replace(m, "X-Other: 1\r\n", "", 1), "\r\nMIME-Version", "\r\nX-Other: 1\r\nMIME-Version", 1)
		}},
	}
	good, bad := 0, 0
	for _, tt := range []struct{ what, conf string }{
		{"relaxed/relaxed", "Canonicalization relaxed/relaxed"},
		{"relaxed/simple", "Canonicalization relaxed/simple"},
		{"simple/relaxed", "Canonicalization simple/relaxed"},
		{"simple/simple", "Canonicalization simple/simple"},
		{"few fields", "Canonicalization relaxed/relaxed\nSignHeaders From,Date"},
		{"against additions", "Canonicalization relaxed/relaxed\nOversignHeaders From,Subject,Reply-To"},
		{"l= of all", "Canonicalization relaxed/simple\nMaximumSignedBytes 100000"},
		{"l= of the beginning", "Canonicalization simple/simple\nMaximumSignedBytes 10"},
		{"Ed25519", "Canonicalization relaxed/relaxed"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			key, kind, algorithm := crypto.Signer(rsaKey), "rsa", "rsa-sha256"
			if tt.what == "Ed25519" {
				key, kind, algorithm = ed, "ed25519", "ed25519-sha256"
			}
			z := keyZone(t, "s1._domainkey.sender.example", key.Public(), "")
			home := opendkimHome(t)
			keys := putFile(t, filepath.Join(home, "keys.txt"), "s1._domainkey.sender.example v=DKIM1; k="+kind+"; p="+b64key(t, key.Public())+"\n")
			putFile(t, filepath.Join(home, "conf"), "TestPublicKeys "+keys+"\nMode v\nOn-BadSignature accept\n")
			signed := dialMilter(t, startSigner(t, program, key, algorithm, tt.conf)).filter(mail)
			if !strings.HasPrefix(signed, "DKIM-Signature:") {
				t.Fatalf("nothing is signed:\n%s", signed)
			}
			for _, c := range copies {
				text := c.change(signed)
				theirs := opendkimVerifies(t, program, home, text)
				got, err := VerifyDKIM(t.Context(), []byte(text), z, Caps{})
				if err != nil || len(got.Signatures) != 1 {
					t.Fatalf("%s: %+v, %v", c.what, got, err)
				}
				ours := got.Signatures[0].Result == DKIMPass
				if ours != theirs {
					t.Errorf("%s: we say %s (%s), OpenDKIM %v of\n%s", c.what, got.Signatures[0].Result, got.Signatures[0].Why, theirs, text)
				}
				if ours {
					good++
				} else {
					bad++
				}
			}
		})
	}
	t.Logf("%d copies pass, %d fail, by both verifiers", good, bad)
	if good < 40 || bad < 20 {
		t.Errorf("%d copies pass and %d fail: the copies tell too little", good, bad)
	}
}
