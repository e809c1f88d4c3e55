// Package dovecottest answers "what does a real IMAP server do?": it gives tests a Dovecot of their own on loopback, with its own
// configuration and mailboxes in a temporary folder, beside any Dovecot that the system runs.
//
// A machine that cannot run it skips the test; where CI=true is set that is a failure.
package dovecottest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim/freeport"
)

// The one who may log in, and the password.
const (
	User     = "bounces"
	Password = "a-password-of-the-test"
)

// Dovecot is one running instance.
type Dovecot struct {
	t           testing.TB
	dir         string
	port, tls   int
	cmd         *exec.Cmd
	done        chan struct{}
	out         bytes.Buffer // of the master process; read only after done
	certificate []byte       // PEM
	sent        int
}

// mailUser owns the mails; it need not exist.
const mailUser = 5000

// Start starts a Dovecot and returns when it answers. It ends with the test.
func Start(t testing.TB) *Dovecot {
	t.Helper()
	need(t)
	d := &Dovecot{t: t}
	var err error
	// Not t.TempDir: its parent is closed to all but root, and Dovecot's processes run as users of their own.
	if d.dir, err = os.MkdirTemp("", "resetd-dovecot-"); err != nil {
		t.Fatalf("dovecottest: %v", err)
	}
	t.Cleanup(func() {
		d.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
			t.Logf("Dovecot's log:\n%s", log)
		}
		os.RemoveAll(d.dir)
	})
	if err := d.configure(); err != nil {
		t.Fatalf("dovecottest: %v", err)
	}
	d.Run()
	return d
}

// need skips the test, or fails it in CI, where Dovecot cannot run.
func need(t testing.TB) {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("dovecot"); err != nil {
		missing = "Dovecot is not installed (Debian: apt-get install dovecot-imapd)"
	} else if os.Getuid() != 0 {
		missing = "Dovecot needs root"
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("dovecottest: " + missing)
	}
	t.Skip(missing)
}

// URL is the inbox in the clear.
func (d *Dovecot) URL() string { return fmt.Sprintf("imap://127.0.0.1:%d/INBOX", d.port) }

// SecureURL is the inbox behind TLS; its certificate is CertFile's.
func (d *Dovecot) SecureURL() string { return fmt.Sprintf("imaps://127.0.0.1:%d/INBOX", d.tls) }

// CertFile holds the certificate of SecureURL, which vouches for itself.
func (d *Dovecot) CertFile() string { return filepath.Join(d.dir, "cert.pem") }

// Roots trusts CertFile.
func (d *Dovecot) Roots() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(d.certificate)
	return &tls.Config{RootCAs: pool}
}

// Run starts it (again).
func (d *Dovecot) Run() {
	d.t.Helper()
	d.cmd = exec.Command("dovecot", "-F", "-c", filepath.Join(d.dir, "dovecot.conf"))
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.SysProcAttr = childAttr()
	if err := d.cmd.Start(); err != nil {
		d.t.Fatalf("dovecottest: %v", err)
	}
	done := make(chan struct{})
	d.done = done
	go func() {
		d.cmd.Wait() // how it ended is in its log
		close(done)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := d.until(ctx, "greeting", func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", d.port), time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 4)
		_, err = c.Read(b)
		return err == nil && string(b) == "* OK"
	}); err != nil {
		d.t.Fatalf("dovecottest: %v", err)
	}
}

// Stop ends it; mailboxes stay.
func (d *Dovecot) Stop() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(2 * time.Second): // it waits for sessions, which wait for news
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		<-d.done
	}
	d.cmd = nil
}

// Deliver puts a mail into the inbox as a delivery agent does: written aside first, then moved in.
func (d *Dovecot) Deliver(raw []byte) {
	d.t.Helper()
	d.put(raw, time.Now(), "new", "")
}

// Opened puts a mail into the inbox that came at a time and that a person has opened.
func (d *Dovecot) Opened(raw []byte, at time.Time) {
	d.t.Helper()
	d.put(raw, at, "cur", ":2,S")
}

func (d *Dovecot) put(raw []byte, at time.Time, folder, flags string) {
	d.t.Helper()
	d.sent++
	name := fmt.Sprintf("%d.M%dP%d.test", time.Now().Unix(), d.sent, os.Getpid())
	tmp := filepath.Join(d.box(), "tmp", name)
	if err := os.WriteFile(tmp, bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Chown(tmp, mailUser, mailUser); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Chtimes(tmp, at, at); err != nil { // IMAP's internal date
		d.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(d.box(), folder, name+flags)); err != nil {
		d.t.Fatal(err)
	}
}

// Mails gives, for each mail in the inbox, its flags as Maildir writes them: S is seen, lower-case letters are keywords.
func (d *Dovecot) Mails() []string {
	d.t.Helper()
	var out []string
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(d.box(), sub))
		if err != nil {
			d.t.Fatal(err)
		}
		for _, e := range entries {
			_, flags, _ := strings.Cut(e.Name(), ":2,")
			out = append(out, flags)
		}
	}
	return out
}

// WaitMails returns once the inbox is as wanted.
func (d *Dovecot) WaitMails(ctx context.Context, ok func(flags []string) bool) error {
	return d.until(ctx, "mail of the wanted flags", func() bool { return ok(d.Mails()) })
}

func (d *Dovecot) until(ctx context.Context, what string, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no %s: %w", what, ctx.Err())
		case <-d.done:
			return fmt.Errorf("Dovecot ended: %s", d.out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (d *Dovecot) box() string { return filepath.Join(d.dir, "mail", User) }

func (d *Dovecot) configure() error {
	var err error
	if d.port, err = freeport.Pick(); err != nil {
		return err
	}
	if d.tls, err = freeport.Pick(); err != nil {
		return err
	}
	if err := d.makeCertificate(); err != nil {
		return err
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(d.box(), sub), 0o700); err != nil {
			return err
		}
	}
	for _, p := range []string{filepath.Join(d.dir, "mail"), d.box(), filepath.Join(d.box(), "tmp"), filepath.Join(d.box(), "new"), filepath.Join(d.box(), "cur")} {
		if err := os.Chown(p, mailUser, mailUser); err != nil {
			return err
		}
	}
	if err := os.Chmod(d.dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, "dovecot.conf"), []byte(fmt.Sprintf(`
protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
mail_location = maildir:%[1]s/mail/%%u
mail_uid = %[2]d
mail_gid = %[2]d
first_valid_uid = %[2]d
first_valid_gid = %[2]d
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
disable_plaintext_auth = no
mailbox_idle_check_interval = 1s
passdb {
  driver = static
  args = password=%[5]s
}
userdb {
  driver = static
  args = uid=%[2]d gid=%[2]d home=%[1]s/mail/%%u
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[3]d
  }
  inet_listener imaps {
    port = %[4]d
    ssl = yes
  }
}
service anvil {
  chroot =
}
namespace inbox {
  inbox = yes
}
`, d.dir, mailUser, d.port, d.tls, Password)), 0o644)
}

func (d *Dovecot) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	d.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(d.CertFile(), d.certificate, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600)
}
