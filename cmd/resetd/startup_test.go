package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

const anyRoute = "[[route]]\nname = \"out\"\nmx = true\nport = 2599\n"

// A Redis that cannot keep what the configuration promises is refused at start, with what to do.
func TestStoreIsCheckedAtStart(t *testing.T) {
	for name, c := range map[string]struct {
		redis []string
		store string
		says  string
	}{
		"evicts":                {[]string{"--maxmemory-policy", "allkeys-lru"}, `durability = "memory"`, "maxmemory-policy noeviction"},
		"no append-only file":   {[]string{"--appendonly", "no"}, `durability = "fsync"`, "appendonly yes"},
		"flushes every second":  {[]string{"--appendfsync", "everysec"}, `durability = "fsync"`, "appendfsync always"},
		"no replica":            {nil, `durability = "replica"`, "Connect a replica"},
		"memory nearly used up": {[]string{"--maxmemory", "1mb"}, `durability = "memory"`, "Raise maxmemory"},
		"a replica of somebody": {[]string{"--replicaof", "127.0.0.1", "1", "--replica-read-only", "yes"}, `durability = "memory"`, "takes no writes"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &installation{t: t, redis: redistest.Start(t, c.redis...), routes: anyRoute, store: c.store}
			p := launch(t, "serve", "-config", in.write())
			select {
			case <-p.done:
			case <-time.After(30 * time.Second):
				t.Fatal("it started")
			}
			if code := p.cmd.ProcessState.ExitCode(); code != exitBadNews || !strings.Contains(p.logText(), c.says) {
				t.Errorf("status %d, log:\n%s", code, p.logText())
			}
		})
	}
}

// durability = "fsync" starts on a server that flushes each write.
func TestStoreThatFlushesEachWriteIsTaken(t *testing.T) {
	in := &installation{t: t, redis: redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always"), routes: anyRoute, store: `durability = "fsync"`}
	p := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + p.listening("api")}
	if status, body := c.call("", "/readyz", nil); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}

// With redis = "" a server is started as a child: on a unix socket, with an append-only file. It ends with its parent, even when that is
// killed, and what was accepted is there when the next one starts.
func TestChildServerEndsWithItsParent(t *testing.T) {
	redistest.Start(t) // skips, or fails in CI, where no server is installed
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	mx := world.Host("mx.fine.example", sim.Accept())
	world.Domain("fine.example", mx)
	in := &installation{t: t, accounts: []string{account("u1", "jo@fine.example")}, resolver: world.Resolver(), store: `durability = "fsync"`,
		routes: fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\n", world.SMTPPort())}
	config := in.write()
	p := launch(t, "serve", "-config", config, "-only", "api")
	c := caller{t, "http://" + p.listening("api")}
	id := c.ask("jo@fine.example")
	child := childOf(t, p.cmd.Process.Pid)
	p.kill()
	for end := time.Now().Add(15 * time.Second); syscall.Kill(child, 0) == nil && !zombie(child); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the child outlives its parent")
		}
	}
	p = launch(t, "serve", "-config", config)
	c = caller{t, "http://" + p.listening("api")}
	c.untilReset(id, func(v desk.ResetView) bool { return v.State == ledger.Sent })
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with status %d:\n%s", code, p.logText())
	}
}

// childOf finds the one child of a process.
func childOf(t *testing.T, parent int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stats {
		text, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		var pid, ppid int
		var state string
		rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			continue
		}
		if _, err := fmt.Sscan(rest, &state, &ppid); err == nil && ppid == parent {
			return pid
		}
	}
	t.Fatal("the child is not found in /proc")
	return 0
}

func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

// A configuration that is wrong is refused before anything is opened, with line and reason.
func TestBadConfigurationIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resetd.toml")
	writeText(t, file, "[http]\nlissten = \"127.0.0.1:0\"\n")
	_, code, msg := runCLI2(t, "serve", "-config", file)
	if code != exitBadNews || !strings.Contains(msg, "resetd.toml:2") || !strings.Contains(msg, "listen") {
		t.Errorf("status %d: %s", code, msg)
	}
}

// A template that no mail can be built with stops nobody else's mail, but is told at start and not first by the verdict of a person who waits.
func TestTemplatesAreTriedAtStart(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"en.subject": "New password", "en.txt": "Open {{.Lnik}}"} {
		writeText(t, filepath.Join(dir, name), text)
	}
	in := &installation{t: t, redis: redistest.Start(t), routes: anyRoute, resolver: freePort(t), extra: fmt.Sprintf("[[realm]]\nname = \"forum\"\nlogin = \"password\"\nreset_url = \"https://forum.us.example/new?token={token}\"\n"+
		"from = \"Forum <no-reply@us.example>\"\nroutes = [\"out\"]\ntemplates = %q\n[realm.directory]\nkind = \"none\"\n", dir)}
	p := launch(t, "serve", "-config", in.write())
	p.listening("api")
	if log := p.logText(); !strings.Contains(log, `"realm":"forum"`) || !strings.Contains(log, "mails of these templates cannot be built") || strings.Contains(log, `"realm":"shop","why"`) {
		t.Error(log)
	}
}
