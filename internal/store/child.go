package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Child is a Redis server of our own: on a unix socket, with an append-only file, evicting nothing, ending with us.
type Child struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has ended
	err    error         // set before done is closed
	URL    string
	stderr tail
}

// ErrNoServer means that neither redis-server nor valkey-server is installed.
var ErrNoServer = errors.New("no redis-server or valkey-server is installed; install one, or name a server in [store] redis")

// ErrFolderTaken means that another server of ours has its data in the folder.
var ErrFolderTaken = errors.New("another resetd's Redis server has its data in this folder; give each its own ([store] dir), or run one")

// hold takes the folder for a server. The server inherits the lock, so it holds until server and starter have both let go of it: one that
// still writes its file out after a kill -9 of ours is waited for, at most until ctx ends or for folderPatience.
func hold(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "resetd.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: data folder: %w", err)
	}
	patience := time.After(folderPatience)
	for !lock(f) {
		select {
		case <-ctx.Done():
		case <-patience:
		case <-time.After(50 * time.Millisecond):
			continue
		}
		f.Close()
		return nil, ErrFolderTaken
	}
	return f, nil
}

// lock takes a file for whoever holds it open, without waiting.
func lock(f *os.File) bool { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil }

// folderPatience is how long a server whose parent was killed may take to end.
const folderPatience = 10 * time.Second

// StartChild starts a server whose data lies in dir, with what the durability needs, and waits until it answers. ErrFolderTaken: another has it.
func StartChild(ctx context.Context, dir, durability string) (*Child, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if path, err = exec.LookPath("valkey-server"); err != nil {
			return nil, ErrNoServer
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: data folder: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	held, err := hold(ctx, abs)
	if err != nil {
		return nil, err
	}
	defer held.Close() // the server has it
	socket := filepath.Join(abs, "redis.sock")
	if len(socket) > 100 { // sun_path holds 108 bytes
		tmp, err := os.MkdirTemp("", "resetd")
		if err != nil {
			return nil, err
		}
		socket = filepath.Join(tmp, "redis.sock")
	}
	fsync := "everysec"
	if durability == "fsync" {
		fsync = "always"
	}
	c := &Child{done: make(chan struct{}), URL: "unix://" + socket}
	c.cmd = exec.Command(path, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", abs,
		"--appendonly", "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction", "--save", "", "--daemonize", "no")
	c.cmd.Stdout, c.cmd.Stderr = &c.stderr, &c.stderr
	c.cmd.ExtraFiles = []*os.File{held}
	endWithParent(c.cmd)
	started := make(chan error, 1)
	go func() {
		// The kernel ends the child when the *thread* that started it ends, so this one must last.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("store: %s: %w", filepath.Base(path), err)
	}
	o, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, err
	}
	probe := redis.NewClient(o)
	defer probe.Close()
	for {
		if probe.Ping(ctx).Err() == nil {
			return c, nil
		}
		select {
		case <-c.done:
			return nil, fmt.Errorf("store: the Redis server ended at once: %s", c.stderr.String())
		case <-ctx.Done():
			c.Stop()
			return nil, fmt.Errorf("store: the Redis server did not answer: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Done is closed when the server has ended, whoever ended it.
func (c *Child) Done() <-chan struct{} { return c.done }

// Stop ends the server, letting it write its file out first.
func (c *Child) Stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// tail keeps the end of what a server printed.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 4096 {
		t.buf = bytes.Clone(t.buf[len(t.buf)-2048:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
