package sim_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim"
)

// raw speaks SMTP line by line, to say what no client library would.
type raw struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dialRaw(t *testing.T, h *sim.Host) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &raw{t, conn, bufio.NewReader(conn)}
}

// expect reads a line for each prefix.
func (r *raw) expect(prefixes ...string) {
	r.t.Helper()
	for _, p := range prefixes {
		line, err := r.r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, p) {
			r.t.Fatalf("got %q (%v), want %q…", line, err, p)
		}
	}
}

// say sends a command, reads the whole reply and returns it; its last line must begin with prefix.
func (r *raw) say(command, prefix string) string {
	r.t.Helper()
	fmt.Fprintf(r.conn, "%s\r\n", command)
	var all strings.Builder
	for {
		line, err := r.r.ReadString('\n')
		if err != nil {
			r.t.Fatalf("after %q: %v", command, err)
		}
		all.WriteString(line)
		if len(line) > 3 && line[3] == ' ' {
			if !strings.HasPrefix(line, prefix) {
				r.t.Fatalf("after %q: got %q, want %q…", command, line, prefix)
			}
			return all.String()
		}
	}
}

// postNothing asks a directory and does not care for the answer.
func postNothing(url string) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Post(url, "application/json", strings.NewReader("{}")); err == nil {
		resp.Body.Close()
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
