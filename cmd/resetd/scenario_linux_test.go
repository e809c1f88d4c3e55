package main

import (
	"context"
	bytes8 "encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/scenario"
	"github.com/resetd/resetd/internal/store"
)

// playedAtOnce is how many stories are played side by side, each with a Redis and a daemon of its own: they mostly wait.
const playedAtOnce = 12

// Every story is told by the real binary with a real Redis whose clock is moved: resetd takes its time from there.
func TestScenarios(t *testing.T) {
	lib := movableClock(t)
	all, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(all, func(a, b *scenario.Scenario) int { // what takes longest begins first
		if a.Slow() == b.Slow() {
			return 0
		}
		if a.Slow() {
			return -1
		}
		return 1
	})
	next := make(chan *scenario.Scenario)
	var players sync.WaitGroup
	for range playedAtOnce {
		players.Go(func() {
			for s := range next {
				t.Run(s.Name, func(t *testing.T) { playReal(t, lib, s) })
			}
		})
	}
	for _, s := range all {
		next <- s
	}
	close(next)
	players.Wait()
}

// movableClock builds the library that moves the clock of the Redis that is started with it.
func movableClock(t *testing.T) string {
	lib := filepath.Join(t.TempDir(), "clock.so")
	var out []byte
	_, err := exec.LookPath("redis-server")
	if err == nil {
		out, err = exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", lib, "testdata/clock.c").CombinedOutput()
	}
	switch {
	case err == nil:
		return lib
	case os.Getenv("CI") == "true":
		t.Fatalf("redis-server or a C compiler is missing (Debian: apt-get install redis-server gcc libc6-dev): %v\n%s", err, out)
	default:
		t.Skipf("redis-server or a C compiler is missing (Debian: apt-get install redis-server gcc libc6-dev): %v", err)
	}
	return ""
}

func playReal(t *testing.T, lib string, s *scenario.Scenario) {
	h := &realHouse{t: t, stopped: map[string]bool{}, running: map[string]*process{}, asleep: map[string]*process{}}
	h.redis(lib)
	st, err := scenario.Build(t.TempDir(), s.World, s.Files, scenario.Options{Redis: "redis://" + h.redisAt + "/0", PublicURL: "https://reset." + scenario.OurDomain,
		Secrets: map[string]string{"app": appSecret, "support": supportSecret, "admin": adminSecret, "ops": opsSecret}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	h.stage = st
	h.split, h.without = s.Stops(), s.Without()
	h.open()
	p := scenario.Player{
		House: scenario.House{URL: h.url, Secrets: map[string]string{"app": appSecret, "support": supportSecret, "admin": adminSecret, "ops": opsSecret},
			Stage: st, Bounces: func() string { return h.bounces }, Advance: h.advance, Parts: h.part, Step: h.step, Lose: h.lose},
		Patience: 20 * time.Second,
		Outcome: func(o scenario.Outcome) {
			for _, w := range o.Wrong {
				t.Errorf("%s:%d: %s\n\t%s\n\tit says: %s (%s)", o.Scenario, o.Line, o.Text, w, o.Said.Verdict.Cause, o.Said.Verdict.Says)
			}
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.Play(ctx, scenario.Cast{Scenario: s}); err != nil {
		t.Error(err)
	}
}

// realHouse is a real daemon, whole or in three processes, on a real Redis whose clock is a file.
type realHouse struct {
	t       *testing.T
	stage   *scenario.Stage
	clock   string // file: how far Redis' clock is ahead, see testdata/clock.c
	redisAt string // host:port
	store   *store.Store
	ahead   time.Duration
	split   bool   // a story that stops parts needs each in a process of its own
	without string // the realm that the worker to be started later does not know; "" = it knows all
	running map[string]*process
	asleep  map[string]*process // parts that are to start later
	stopped map[string]bool     // parts
	url     string
	bounces string
}

// redis starts a server with a clock that is moved.
func (h *realHouse) redis(lib string) {
	dir := h.t.TempDir()
	h.clock = filepath.Join(dir, "clock")
	h.set(0)
	// A free port may be taken by somebody else before the server has it; then the next one will do.
	for range 10 {
		h.redisAt = freePort(h.t)
		if h.serveRedis(lib, dir) {
			return
		}
	}
	h.t.Fatal("redis-server does not come up")
}

// serveRedis says whether the server that it starts answers; one that ended, for want of its port, does not.
func (h *realHouse) serveRedis(lib, dir string) bool {
	_, port, _ := strings.Cut(h.redisAt, ":")
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+lib, "CLOCK_FILE="+h.clock)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	rdb, err := store.Open("redis://" + h.redisAt + "/0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { rdb.Close() })
	h.store = store.New(rdb, store.Options{})
	up := false
	h.until("Redis answers or ends", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		// The process id tells this server from another that has taken the port.
		info, err := rdb.Info(h.t.Context(), "server").Result()
		up = err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", cmd.Process.Pid))
		return up
	})
	return up
}

// set moves the clock of Redis. Eight bytes are written at once: nobody sees half of them.
func (h *realHouse) set(ahead time.Duration) {
	f, err := os.OpenFile(h.clock, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes8.NativeEndian.AppendUint64(nil, uint64(ahead.Milliseconds())), 0); err != nil {
		h.t.Fatal(err)
	}
}

func (h *realHouse) until(what string, ok func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		if wait(ctx, 20*time.Millisecond) != nil {
			h.t.Fatalf("it never came true that %s", what)
		}
	}
}

// open starts the daemon.
func (h *realHouse) open() {
	if !h.split {
		p := launch(h.t, "serve", "-config", h.stage.File)
		h.running["all"] = p
		h.url = "http://" + p.listening("api")
		if !strings.Contains(readText(h.t, h.stage.File), `bounce_listen = ""`) {
			h.bounces = p.listening("bounce")
		}
		return
	}
	p := launch(h.t, "serve", "-config", h.stage.File, "-only", "api")
	h.url = "http://" + p.listening("api")
	for _, part := range []string{"receiver", "worker"} {
		file := h.stage.File
		if part == "worker" && h.without != "" {
			var err error
			if file, err = h.stage.Without(h.without); err != nil {
				h.t.Fatal(err)
			}
		}
		h.asleep[part] = h.process(part, file)
		if err := h.asleep[part].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			h.t.Fatal(err)
		}
		h.running[part] = h.process(part, h.stage.File)
		h.awake(part)
	}
}

// process starts a part.
func (h *realHouse) process(part, file string) *process {
	p := launch(h.t, "serve", "-config", file, "-only", map[string]string{"receiver": "bounce", "worker": "worker"}[part])
	if part == "receiver" {
		p.listening("bounce")
		return p
	}
	p.await("the worker works", func() string {
		if strings.Contains(p.logText(), `"message":"working"`) {
			return "it does"
		}
		return ""
	})
	return p
}

// awake notes that a part runs.
func (h *realHouse) awake(part string) {
	if part == "receiver" {
		h.bounces = h.running[part].listening("bounce")
	}
	delete(h.stopped, part)
}

// part stops, kills or starts a process. What starts has slept since the story began: a process that is started anew on a clock so far
// from its own refuses to, and rightly.
func (h *realHouse) part(_ context.Context, part, what string) error {
	what, _, _ = strings.Cut(what, " without ") // it was started so, and slept
	switch what {
	case "starts":
		p := h.asleep[part]
		if p == nil {
			return errors.New("a story starts a part once")
		}
		delete(h.asleep, part)
		h.running[part] = p
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		h.awake(part)
		// Its clock is an hour behind until it has looked once.
		time.Sleep(1200 * time.Millisecond)
		return nil
	case "crashes":
		h.running[part].kill()
	default:
		h.running[part].stop()
	}
	h.stopped[part] = true
	if part == "receiver" {
		h.bounces = ""
	}
	return nil
}

// advance lets time pass for everybody.
func (h *realHouse) advance(ctx context.Context, d time.Duration) error {
	h.stage.Sim.Advance(d)
	return h.step(ctx, d)
}

// lose takes the queue out of Redis and leaves the ledgers.
func (h *realHouse) lose(ctx context.Context) error {
	rdb, err := store.Open("redis://" + h.redisAt + "/0")
	if err != nil {
		return err
	}
	defer rdb.Close()
	for _, pattern := range scenario.QueueKeys() {
		keys, err := rdb.Keys(ctx, pattern).Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := rdb.Del(ctx, keys...).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// step moves Redis' clock and waits until every process follows it.
func (h *realHouse) step(ctx context.Context, d time.Duration) error {
	if _, err := h.store.SyncClock(ctx); err != nil {
		return err
	}
	if err := h.store.Carry(ctx, h.store.Now().Add(d), h.silent()...); err != nil {
		return err
	}
	h.ahead += d
	h.set(h.ahead)
	near := func(s float64) bool { return math.Abs(s-h.ahead.Seconds()) < 0.5 }
	h.until("Redis' clock is moved", func() bool {
		ahead, err := h.store.SyncClock(ctx)
		return err == nil && near(ahead.Seconds())
	})
	h.until("the daemon follows Redis' clock", func() bool { return near(h.daemonAhead()) })
	if h.split {
		return wait(ctx, 1200*time.Millisecond) // the others' clocks are not to be seen; they look once a second
	}
	return nil
}

// daemonAhead is what the API's process believes of the clock; -1 = it does not say.
func (h *realHouse) daemonAhead() float64 {
	status, body, err := caller{h.t, h.url}.try("", "/metrics", nil)
	if err != nil || status != http.StatusOK {
		return -1
	}
	for line := range strings.Lines(string(body)) {
		if v, ok := strings.CutPrefix(line, "resetd_clock_ahead_seconds "); ok {
			if s, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
				return s
			}
		}
	}
	return -1
}

// silent are the sensors of the parts that have stopped.
func (h *realHouse) silent() []string {
	var out []string
	if h.stopped["receiver"] {
		out = append(out, "bounces")
	}
	if h.stopped["worker"] {
		out = append(out, "worker")
	}
	return out
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
