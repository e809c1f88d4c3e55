// Package postfixtest answers "what does a real mail server do?": it gives tests a Postfix of their own on loopback, with its
// own configuration, queue and mailboxes in a temporary folder, beside any Postfix that the system runs.
//
// It is a relay and a final host at once: domains with a transport go on to the hosts named there (resetd's receiver, sim
// hosts), local domains end in mailboxes, everything else is returned. A local address without a mailbox is taken first and
// returned by a report, as large systems do, so that what a bounce means can be tested.
//
// Postfix wants root and its own users. A machine that cannot run it skips the test; where CI=true is set that is a failure.
package postfixtest

import (
	"bytes"
	"context"
	"fmt"
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

// Options is what a test wants of its Postfix. The zero value relays nothing and knows no mailbox.
type Options struct {
	Hostname  string            // "" = relay.example
	Mailboxes []string          // local addresses; their domains are local
	Domains   []string          // further local domains, where every address is unknown
	Transport map[string]string // domain -> host:port of the SMTP host that takes its mail; the host may be an address
	Main      map[string]string // further main.cf parameters; they win over ours
}

// Postfix is one running instance.
type Postfix struct {
	t    testing.TB
	o    Options
	dir  string
	port int
	cmd  *exec.Cmd // nil while it does not run
	done chan struct{}
	out  bytes.Buffer // of the master process; read only after done
}

// mailboxUser owns the mailboxes; it need not exist.
const mailboxUser = 5000

// Start starts a Postfix and returns when it answers. It ends with the test.
func Start(t testing.TB, o Options) *Postfix {
	t.Helper()
	need(t)
	if o.Hostname == "" {
		o.Hostname = "relay.example"
	}
	p := &Postfix{t: t, o: o}
	var err error
	// Not t.TempDir: its parent is closed to all but root, and Postfix's processes run as a user of their own.
	if p.dir, err = os.MkdirTemp("", "resetd-postfix-"); err != nil {
		t.Fatalf("postfixtest: %v", err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("Postfix's log:\n%s", p.Log())
		}
		if err := os.RemoveAll(p.dir); err != nil {
			t.Errorf("postfixtest: %v", err)
		}
	})
	// A free port may be taken by somebody else before Postfix has it; then the next one will do.
	for range 5 {
		if p.port, err = freeport.Pick(); err != nil {
			break
		}
		if err = p.configure(); err != nil {
			break
		}
		if err = p.start(); err == nil {
			return p
		}
		p.Stop()
	}
	t.Fatalf("postfixtest: Postfix does not come up: %v", err)
	return nil
}

// need skips the test, or fails it in CI, where Postfix cannot run.
func need(t testing.TB) {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("postconf"); err != nil {
		missing = "Postfix is not installed (Debian: apt-get install postfix)"
	} else if os.Getuid() != 0 {
		missing = "Postfix needs root"
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("postfixtest: " + missing)
	}
	t.Skip(missing)
}

// Addr is the host:port where it takes mail, in the clear and without login.
func (p *Postfix) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// Dir is the temporary folder: etc, queue, data, mail and postfix.log.
func (p *Postfix) Dir() string { return p.dir }

// Log is what Postfix has logged.
func (p *Postfix) Log() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "postfix.log"))
	if err != nil && !os.IsNotExist(err) {
		return err.Error()
	}
	return string(b)
}

// start runs the master process in the foreground: our own child, whose pid we know.
func (p *Postfix) start() error {
	etc := filepath.Join(p.dir, "etc")
	daemons, err := exec.Command("postconf", "-c", etc, "-h", "daemon_directory").Output()
	if err != nil {
		return fmt.Errorf("postconf: %w", err)
	}
	cmd := exec.Command(filepath.Join(strings.TrimSpace(string(daemons)), "master"), "-c", etc, "-d")
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+etc)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.SysProcAttr = childAttr()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		cmd.Wait() // how it ended is in its log
		close(done)
	}()
	return p.ready()
}

// ready waits for a greeting that names our host.
func (p *Postfix) ready() error {
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		select {
		case <-p.done:
			return fmt.Errorf("master ended: %s%s", p.out.String(), p.Log())
		default:
		}
		if last = p.greeting(); last == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // there is no event to wait for: the port is another process's
	}
	return fmt.Errorf("%w; log:\n%s", last, p.Log())
}

func (p *Postfix) greeting() error {
	c, err := net.DialTimeout("tcp", p.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	if err != nil {
		return err
	}
	if want := "220 " + p.o.Hostname; !strings.HasPrefix(string(buf[:n]), want) {
		return fmt.Errorf("greeting %q, want %q", buf[:n], want)
	}
	fmt.Fprint(c, "QUIT\r\n")
	c.Read(buf) // so that the log does not speak of a lost connection
	return nil
}

// Stop ends it, as an operator does; the queue stays for Restart. What does not end within 10 s is killed.
func (p *Postfix) Stop() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM) // master passes it on to its process group
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
	// master does not wait for the others: none of them may write into a folder that is being removed. This is the group
	// that childAttr made; it is an error, and no matter, when nobody is left in it.
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.cmd = nil
}

// Restart starts it again, on the same port, with the queue that it had.
func (p *Postfix) Restart() {
	p.t.Helper()
	p.Stop()
	if err := p.start(); err != nil {
		p.t.Fatalf("postfixtest: Postfix does not start again: %v", err)
	}
}

// Flush asks for another attempt at everything that was deferred.
func (p *Postfix) Flush() {
	p.t.Helper()
	if out, err := exec.Command("postqueue", "-c", filepath.Join(p.dir, "etc"), "-f").CombinedOutput(); err != nil {
		p.t.Fatalf("postfixtest: postqueue -f: %v: %s", err, out)
	}
}

// Queue lists what it still holds, as mailq does.
func (p *Postfix) Queue() string {
	p.t.Helper()
	out, err := exec.Command("postqueue", "-c", filepath.Join(p.dir, "etc"), "-p").CombinedOutput()
	if err != nil {
		p.t.Fatalf("postfixtest: postqueue -p: %v: %s", err, out)
	}
	return string(out)
}

// WaitLog waits until the log contains text.
func (p *Postfix) WaitLog(ctx context.Context, text string) error {
	return p.until(ctx, "a log line", func() bool { return strings.Contains(p.Log(), text) })
}

// until polls: files of another process send no event.
func (p *Postfix) until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("postfixtest: waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}
