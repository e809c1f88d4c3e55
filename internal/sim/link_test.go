package sim_test

import (
	"encoding/base64"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim"
)

func TestLink(t *testing.T) {
	const link = "https://reset.shop.example/r/tok_en-1"
	b64 := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("Dear Jo,\r\n", 20) + link + "\r\n"))
	for name, c := range map[string]struct{ raw, want string }{
		"plain":              {"Subject: x\r\n\r\nGo to <" + link + ">.\r\n", link},
		"end of a sentence":  {"Subject: x\r\n\r\nGo to " + link + ".\r\n", link},
		"first of two":       {"Subject: x\r\n\r\n" + link + "\r\nhttps://x.example/r/second\r\n", link},
		"other links before": {"Subject: x\r\n\r\nhttps://shop.example/help " + link + "\r\n", link},
		"base64":             {"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64[:76] + "\r\n" + b64[76:], link},
		"soft line break":    {"Content-Transfer-Encoding: quoted-printable\r\n\r\nhttps://reset.shop.example/r/t=\r\nok_en=2D1\r\n", link},
		"html only":          {"Content-Type: text/html\r\n\r\n<a href=\"" + link + "\">x</a>", link},
		"text before html":   {"Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\nContent-Type: text/html\r\n\r\nhttp://x.example/r/html\r\n--q\r\n\r\n" + link + "\r\n--q--\r\n", link},
		"nested": {"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\n" +
			link + "\r\n--i--\r\n--o--\r\n", link},
		"none":      {"Subject: x\r\n\r\nhttps://shop.example/\r\n", ""},
		"not mail":  {"\x00\x01", ""},
		"no header": {"", ""},
	} {
		if got := sim.Link([]byte(c.raw)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Whatever a mail is, looking for its link ends, and finds only what looks like one.
func FuzzLink(f *testing.F) {
	f.Add([]byte(story))
	f.Add([]byte("Content-Type: text/html\r\n\r\n<a href=\"https://x.example/r/t\">x</a>"))
	f.Add([]byte("Content-Transfer-Encoding: base64\r\n\r\naHR0cHM6Ly94LmV4YW1wbGUvci90\r\n"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o--\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if l := sim.Link(raw); l != "" && (!strings.HasPrefix(l, "http") || !strings.Contains(l, "/r/")) {
			t.Errorf("%q", l)
		}
	})
}

// Close ends everything, whatever is going on, and nothing of it is left.
func TestCloseWaitsForAll(t *testing.T) {
	before := runtime.NumGoroutine()
	w, err := sim.New(sim.WithRedis())
	if err != nil {
		t.Fatal(err)
	}
	d := w.Directory()
	d.Misbehave(sim.Hangs)
	hanging := make(chan struct{})
	go func() { defer close(hanging); postNothing(d.URL()) }()

	held := w.Host("mx.hold.example", sim.HoldDot(make(chan struct{}), nil))
	sent := make(chan struct{})
	go func() { defer close(sent); deliver(held, "jo@hold.example", nil, nil) }()
	later := w.Host("mx.later.example", sim.AcceptThenBounce(time.Hour, "failed", "5.0.0", "550 no"))
	if err := deliver(later, "jo@later.example", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := held.WaitCounts(soon(t), func(c sim.Counts) bool { return c.Rcpts == 1 }); err != nil {
		t.Fatal(err)
	}
	for ctx := soon(t); d.Asked() == 0 && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	ca := w.CAFile()
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-hanging
	<-sent
	if exists(ca) {
		t.Error("the temporary folder is still there")
	}
	if err := later.Set(sim.MailboxFull()); err == nil {
		t.Error("a host came back in a world that has ended")
	}
	for ctx := soon(t); runtime.NumGoroutine() > before && ctx.Err() == nil; {
		time.Sleep(time.Millisecond) // the client's goroutines of net/http end a moment later
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before, n, buf[:runtime.Stack(buf, true)])
	}
}
