// Package redistest answers "what does a real Redis do?": it gives tests a redis-server (or valkey-server) process of their
// own, which they may stop, kill and start again.
//
// A machine without one skips the test; where CI=true is set that is a failure, since nothing would be tested.
package redistest

import (
	"bufio"
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

// Start starts a server for this test and returns its host:port. It is killed when the test ends.
//
// It keeps an append-only file in a temporary folder, with appendfsync everysec and maxmemory-policy noeviction; args are
// options of redis-server that come later and so win: Start(t, "--appendfsync", "always").
func Start(t testing.TB, args ...string) (addr string) {
	t.Helper()
	return New(t, args...).Addr()
}

// Process is one server with a data folder and a port that it keeps through restarts.
type Process struct {
	t      testing.TB
	binary string
	dir    string
	port   int
	args   []string
	cmd    *exec.Cmd     // nil while it does not run
	exited chan struct{} // closed when cmd has ended
}

// New starts a server and returns the handle for fault tests. Its methods are for one goroutine.
func New(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, binary: find(t), dir: t.TempDir(), args: args}
	t.Cleanup(p.end)
	// A free port may be taken by somebody else before the server has it; then the next one will do.
	for range 10 {
		p.port = freePort(t)
		if p.start() == nil {
			return p
		}
		p.end()
	}
	t.Fatalf("redistest: %s does not come up; its log:\n%s", p.binary, p.Log())
	return nil
}

func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("redistest: neither redis-server nor valkey-server is installed")
	}
	t.Skip("neither redis-server nor valkey-server is installed (Debian: apt-get install redis-server)")
	return ""
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := freeport.Pick()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	return port
}

// Addr is the server's host:port.
func (p *Process) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// Dir is the data folder; the append-only file is in appendonlydir below it (before Redis 7: appendonly.aof).
func (p *Process) Dir() string { return p.dir }

// Pid is the process id; 0 while the server does not run.
func (p *Process) Pid() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Log is what the server has logged.
func (p *Process) Log() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "redis.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (p *Process) start() error {
	args := []string{"--port", fmt.Sprint(p.port), "--bind", "127.0.0.1", "--dir", p.dir, "--logfile", filepath.Join(p.dir, "redis.log"),
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--daemonize", "no"}
	cmd := exec.Command(p.binary, append(args, p.args...)...)
	// A test binary that is killed runs no cleanups; its server goes with it.
	cmd.SysProcAttr = childAttr()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		cmd.Wait() // how it ended is in its log
		close(exited)
	}()
	return p.ready()
}

// ready waits until the server answers PING, after it has loaded its data.
func (p *Process) ready() error {
	deadline := time.Now().Add(20 * time.Second)
	var last error
	for time.Now().Before(deadline) {
		select {
		case <-p.exited:
			return fmt.Errorf("redistest: the server ended")
		default:
		}
		if last = p.ping(); last == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond) // there is no event to wait for: the port is another process's
	}
	return last
}

func (p *Process) ping() error {
	c, err := net.DialTimeout("tcp", p.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	// The process id tells this server from another that has taken the port.
	if _, err := c.Write([]byte("PING\r\nINFO server\r\n")); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+PONG") {
		return fmt.Errorf("redistest: the server answers %q", strings.TrimSpace(line))
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("redistest: no process id: %w", err)
		}
		if pid, ok := strings.CutPrefix(line, "process_id:"); ok {
			if strings.TrimSpace(pid) != fmt.Sprint(p.Pid()) {
				return fmt.Errorf("redistest: another server has the port")
			}
			return nil
		}
	}
}

// Stop ends the server as an operator does (SIGTERM): it writes what it has to its files.
func (p *Process) Stop() { p.signal(syscall.SIGTERM) }

// Kill ends the server as a crash does (SIGKILL).
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Freeze stops the server from answering (SIGSTOP) while its port stays open; Thaw lets it go on.
func (p *Process) Freeze() { p.send(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (p *Process) Thaw() { p.send(syscall.SIGCONT) }

func (p *Process) send(s syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		p.t.Fatal("redistest: the server does not run")
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("redistest: signal %v: %v", s, err)
	}
}

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	p.send(s)
	<-p.exited
	p.cmd = nil
}

// Restart starts the server again on the same port with what its files hold. If it still runs, it is stopped first.
func (p *Process) Restart() {
	p.t.Helper()
	p.Stop()
	if err := p.start(); err != nil {
		p.t.Fatalf("redistest: it does not start again: %v; its log:\n%s", err, p.Log())
	}
}

// end kills the server, whatever its state.
func (p *Process) end() {
	if p.cmd != nil {
		p.cmd.Process.Kill() // fails only where it has ended
		<-p.exited
		p.cmd = nil
	}
}
