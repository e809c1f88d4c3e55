package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/freeport"
)

// The tests of this file's kind run the real binary, with the real Redis, over loopback.

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "resetd-binary-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "resetd")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := buildOnce(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

func binary(t testing.TB) string {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// process is a running resetd.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	out     bytes.Buffer // standard output
	log     bytes.Buffer // standard error: the log
	changed chan struct{}
}

// launch starts the binary; it is killed when the test ends.
func launch(t testing.TB, args ...string) *process {
	t.Helper()
	return launchIn(t, nil, args...)
}

// launchIn is launch with more in the environment.
func launchIn(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary(t), args...), done: make(chan struct{}), changed: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "RESETD_URL=", "RESETD_KEY="), env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	for r, to := range map[io.Reader]*bytes.Buffer{stdout: &p.out, stderr: &p.log} {
		reading.Go(func() {
			lines := bufio.NewReader(r)
			for {
				line, err := lines.ReadString('\n')
				p.mu.Lock()
				to.WriteString(line)
				close(p.changed)
				p.changed = make(chan struct{})
				p.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	go func() { reading.Wait(); p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			log := p.logText()
			if len(log) > 6000 {
				log = "…" + log[len(log)-6000:]
			}
			t.Logf("the log of pid %d:\n%s", p.cmd.Process.Pid, log)
		}
	})
	return p
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to stop and gives its exit status.
func (p *process) stop() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Fatal("resetd does not stop")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) logText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) outText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// await waits until find gives something, and looks again whenever the process prints; it fails when the process ends first.
func (p *process) await(what string, find func() string) string {
	p.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if s := find(); s != "" {
			return s
		}
		select {
		case <-changed:
		case <-p.done:
			if s := find(); s != "" {
				return s
			}
			p.t.Fatalf("resetd ended before %s:\n%s", what, p.logText())
		case <-deadline:
			p.t.Fatalf("no %s within a minute:\n%s", what, p.logText())
		}
	}
}

// listening gives the address on which a part serves.
func (p *process) listening(part string) string {
	p.t.Helper()
	return p.await("the "+part+" listens", func() string {
		for line := range strings.Lines(p.logText()) {
			var l struct{ Message, Part, Addr string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Message == "listening" && l.Part == part {
				return l.Addr
			}
		}
		return ""
	})
}

func freePort(t testing.TB) string {
	t.Helper()
	port, err := freeport.Pick()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// installation is a configuration in a folder of its own.
type installation struct {
	t        testing.TB
	dir      string
	redis    string // host:port
	accounts []string
	bounceAt string
	extra    string // TOML appended
	routes   string // [[route]] tables; the realm shop uses the one called out
	resolver string
	retry    string
	merge    string
	store    string // further lines of [store]
}

const (
	appSecret, supportSecret, adminSecret, opsSecret = "secret-of-app", "secret-of-support", "secret-of-admin", "secret-of-ops"
)

// publishKeys puts the records of the keys that write made into the world's DNS, and gives their names.
func (in *installation) publishKeys(world *sim.World) (names []string) {
	in.t.Helper()
	for _, selector := range []string{"s-rsa", "s-ed"} {
		text, err := os.ReadFile(filepath.Join(in.dir, selector+".pem"))
		if err != nil {
			in.t.Fatal(err)
		}
		key, err := config.ParseDKIMKey(text)
		if err != nil {
			in.t.Fatal(err)
		}
		record, err := dkimRecord(key.Public())
		if err != nil {
			in.t.Fatal(err)
		}
		names = append(names, selector+"._domainkey.us.example")
		world.DNS().SetTXT(selector+"._domainkey.us.example", record)
	}
	return names
}

// write makes keys and configuration, and gives the configuration's path.
func (in *installation) write() string {
	t := in.t
	t.Helper()
	if in.dir == "" {
		in.dir = t.TempDir()
	}
	if in.bounceAt == "" {
		in.bounceAt = "127.0.0.1:0"
	}
	if in.retry == "" {
		in.retry = `["1s", "2s", "4s"]`
	}
	if in.merge == "" {
		in.merge = "0s"
	}
	if in.store == "" {
		in.store = `durability = "memory"`
	}
	path := func(name string) string { return filepath.Join(in.dir, name) }
	if _, err := os.Stat(path("token.key")); err != nil {
		if _, code, msg := runCLI2(t, "keys", "token", "-out", path("token.key")); code != 0 {
			t.Fatalf("keys token: %s", msg)
		}
		if _, code, msg := runCLI2(t, "keys", "dkim", "new", "-selector", "s", "-domain", "us.example", "-out", in.dir); code != 0 {
			t.Fatalf("keys dkim new: %s", msg)
		}
	}
	keyFiles, _ := filepath.Glob(path("*.pem"))
	var dkim strings.Builder
	for _, f := range keyFiles {
		selector := "s-rsa"
		if strings.Contains(filepath.Base(f), "ed") {
			selector = "s-ed"
		}
		fmt.Fprintf(&dkim, "[[domain.dkim]]\nselector = %q\nkey_file = %q\n", selector, f)
	}
	writeText(t.(*testing.T), path("accounts.jsonl"), strings.Join(in.accounts, "\n"))
	var keys strings.Builder
	for role, secret := range map[string]string{"app": appSecret, "support": supportSecret, "admin": adminSecret, "ops": opsSecret} {
		sum := sha256.Sum256([]byte(secret))
		fmt.Fprintf(&keys, "[[api_key]]\nname = \"test-%s\"\nrole = %q\nrealms = []\nsecret_sha256 = %q\n", role, role, hex.EncodeToString(sum[:]))
	}
	redis := ""
	if in.redis != "" {
		redis = "redis://" + in.redis + "/0"
	}
	writeText(t.(*testing.T), path("resetd.toml"), fmt.Sprintf(`
[http]
listen = "127.0.0.1:0"
public_url = "https://reset.us.example"
[store]
redis = %q
%s
[keys]
token_file = "token.key"
[throttle]
account = "0"
source = "0"
merge = %q
[delivery]
retry = %s
[smtp]
helo = "mail.us.example"
bounce_domain = "bounces.us.example"
bounce_listen = %q
allow_private_addresses = true
[dns]
resolver = %q
%s
%s
[[domain]]
name = "us.example"
%s
[[realm]]
name = "shop"
login = "password"
pages = ["https://shop.us.example/"]
reset_url = "https://shop.us.example/new-password?token={token}"
from = "Shop <no-reply@us.example>"
routes = ["out"]
[realm.directory]
kind = "file"
path = "accounts.jsonl"
%s
`, redis, in.store, in.merge, in.retry, in.bounceAt, in.resolver, keys.String(), in.routes, dkim.String(), in.extra))
	return path("resetd.toml")
}

// runCLI2 runs a command of this program in this process.
func runCLI2(t testing.TB, args ...string) (out string, code int, msg string) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "RESETD_URL=", "RESETD_KEY=")
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), cmd.ProcessState.ExitCode(), stderr.String()
}

// account is a line of a file directory.
func account(id, address string) string {
	return fmt.Sprintf(`{"id":%q,"realm":"shop","login":%q,"address":%q,"state":"active","login_method":"password"}`, id, address, address)
}

// caller speaks to a daemon's API as programs do.
type caller struct {
	t   testing.TB
	url string
}

// call makes one request and gives status and body; in nil makes it a GET.
func (c caller) call(secret, path string, in any) (int, []byte) {
	c.t.Helper()
	status, body, err := c.try(secret, path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	return status, body
}

func (c caller) try(secret, path string, in any) (int, []byte, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		method, body = http.MethodPost, bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.url+path, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	return res.StatusCode, out, err
}

type obj map[string]any

func (c caller) ask(login string) string {
	c.t.Helper()
	status, body := c.call(appSecret, "/v1/resets", obj{"realm": "shop", "login": login})
	var out struct{ Reset string }
	if status != http.StatusAccepted || json.Unmarshal(body, &out) != nil {
		c.t.Fatalf("POST /v1/resets: %d %s", status, body)
	}
	return out.Reset
}

func (c caller) reset(id string) desk.ResetView {
	c.t.Helper()
	status, body := c.call(supportSecret, "/v1/resets/"+id, nil)
	var v desk.ResetView
	if status != http.StatusOK || json.Unmarshal(body, &v) != nil {
		c.t.Fatalf("GET reset: %d %s", status, body)
	}
	return v
}

// untilReset reads a reset until it is as wanted.
func (c caller) untilReset(id string, ok func(desk.ResetView) bool) desk.ResetView {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		v := c.reset(id)
		if ok(v) {
			return v
		}
		if wait(ctx, 50*time.Millisecond) != nil {
			row, _ := json.MarshalIndent(v, "", " ")
			c.t.Fatalf("the reset never became as wanted: %s", row)
		}
	}
}

// why asks until the first case names the cause, and gives that case.
func (c caller) why(login, cause string) diag.Case {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		status, body := c.call(supportSecret, "/v1/why", obj{"login": login})
		var out struct{ Cases []diag.Case }
		if status != http.StatusOK || json.Unmarshal(body, &out) != nil || len(out.Cases) == 0 {
			c.t.Fatalf("POST /v1/why: %d %s", status, body)
		}
		if out.Cases[0].Verdict.Cause == cause {
			return out.Cases[0]
		}
		if wait(ctx, 200*time.Millisecond) != nil {
			c.t.Fatalf("why says %s, want %s: %s", out.Cases[0].Verdict.Cause, cause, body)
		}
	}
}
