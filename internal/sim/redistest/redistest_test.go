package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ask sends one inline command and returns the first line of the reply, or the value of a bulk reply.
func ask(t *testing.T, addr, command string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "%s\r\n", command)
	r := bufio.NewReader(c)
	var last string
	for n := 1; n > 0; n-- {
		if last, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if last[0] == '$' && !strings.HasPrefix(last, "$-1") {
			n++
		}
		if last[0] == '*' { // a list of two bulk strings, as CONFIG GET gives
			n += 2
		}
	}
	return strings.TrimSpace(last)
}

func TestStartHasSafeDefaultsThatArgsOverride(t *testing.T) {
	addr := Start(t, "--appendfsync", "always")
	for key, want := range map[string]string{"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"} {
		if got := ask(t, addr, "CONFIG GET "+key); got != want {
			t.Errorf("%s = %s, want %s", key, got, want)
		}
	}
}

func TestDataSurvivesKillAndRestart(t *testing.T) {
	p := New(t, "--appendfsync", "always")
	ask(t, p.Addr(), "SET greeting hello")
	first := p.Pid()

	p.Kill()
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Fatal("a killed server still takes connections")
	}
	if p.Pid() != 0 {
		t.Error("a killed server has a pid")
	}
	p.Restart()
	if got := ask(t, p.Addr(), "GET greeting"); got != "hello" {
		t.Errorf("after kill and restart: %q", got)
	}
	if p.Pid() == first {
		t.Error("the pid is the old one")
	}
	p.Restart() // stops it first
	p.Stop()
	aof, err := filepath.Glob(filepath.Join(p.Dir(), "append*", "*"))
	if err != nil || len(aof) == 0 {
		t.Errorf("no append-only file in %s", p.Dir())
	}
	if _, err := os.Stat(p.Dir()); err != nil {
		t.Error(err)
	}
}

func TestFrozenServerKeepsItsPortAndAnswersLater(t *testing.T) {
	p := New(t)
	p.Freeze()
	c, err := net.Dial("tcp", p.Addr()) // the kernel takes it
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "PING\r\n")
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 16)); err == nil {
		t.Fatalf("a frozen server answered %d bytes", n)
	}
	p.Thaw()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "+PONG\r\n" {
		t.Fatalf("after thaw: %q, %v", line, err)
	}
}
