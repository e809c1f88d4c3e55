package bounce

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	s := newSite(t, func(r *Receiver) {
		r.Limits.MessageBytes, r.Limits.SessionBytes, r.Limits.LineBytes = 10_000, 100_000, 2000
	})
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<> SIZE=10001", "552", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354")
	line := strings.Repeat("x", 100) + "\r\n"
	if got := p.say(strings.Repeat(line, 200) + "."); !strings.HasPrefix(got, "552") {
		t.Error(got)
	}
	if st := s.Stats(); st.TooLarge != 1 || len(s.mails()) != 0 {
		t.Errorf("%+v", st)
	}
	// The same session may go on, until it has said too much altogether.
	p.talk("MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354")
	io.WriteString(p.c, strings.Repeat(line, 2000))
	p.say(".")
	if st := s.Stats(); st.CutOff == 0 || len(s.mails()) != 0 {
		t.Errorf("%+v", st)
	}
	q, _ := s.call(t)
	if got := q.say("EHLO " + strings.Repeat("x", 5000)); got != "" && !strings.HasPrefix(got, "500") {
		t.Error(got)
	}
}

// A mail in chunks is one more way in; it has the same limits.
func TestChunks(t *testing.T) {
	s := newSite(t, func(r *Receiver) { r.Limits.MessageBytes = 1000 })
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250")
	io.WriteString(p.c, "BDAT 5\r\nhello")
	if got := p.hear(); !strings.HasPrefix(got, "250") {
		t.Fatal(got)
	}
	io.WriteString(p.c, "BDAT 2 LAST\r\n\r\n")
	if got := p.hear(); !strings.HasPrefix(got, "250") || len(s.mails()) != 1 {
		t.Fatal(got, s.mails())
	}
	p.talk("MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250")
	io.WriteString(p.c, "BDAT 5\r\nhello")
	p.hear()
	p.talk("RSET", "250", "QUIT", "221")
	if len(s.mails()) != 1 {
		t.Errorf("half a mail was kept: %v", s.mails())
	}
}

func TestBodiesTogether(t *testing.T) {
	s := newSite(t, func(r *Receiver) { r.Limits.Bodies = 50_000 })
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354")
	if got := p.say(strings.Repeat("a line\r\n", 10_000) + "."); !strings.HasPrefix(got, "452 4.3.1") {
		t.Error(got)
	}
	p.talk("MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354", report+".", "250")
	if n := s.bodies.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func TestTooManyErrors(t *testing.T) {
	s := newSite(t, nil)
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250")
	for range 10 {
		p.talk("RCPT TO:<jo@bounces.example>", "550 5.1.1")
	}
	p.talk("RCPT TO:<jo@bounces.example>", "421 4.7.0", "NOOP", "")
}

func TestTooManyCommands(t *testing.T) {
	s := newSite(t, nil)
	p, _ := s.call(t)
	for i := 0; ; i++ {
		got := p.say("NOOP")
		if got == "" || i > 50 {
			t.Fatalf("after %d commands: %q", i, got)
		}
		if strings.HasPrefix(got, "421 4.7.0") {
			if i != 49 { // the greeting is the first of fifty replies
				t.Errorf("after %d commands", i)
			}
			break
		}
	}
	if got := p.hear(); got != "" {
		t.Error(got)
	}
}

func TestTooManySessions(t *testing.T) {
	s := newSite(t, func(r *Receiver) { r.Limits.Sessions, r.Limits.PerIP = 2, 1 }) // loopback is not counted by address
	a, _ := s.call(t)
	s.call(t)
	for range 50 {
		if _, hi := s.call(t); hi != "421 4.3.2 too many sessions, try again later" {
			t.Fatalf("third session: %q", hi)
		}
	}
	if st := s.Stats(); st.Open != 2 || st.TurnedOff != 50 {
		t.Errorf("%+v", st)
	}
	a.talk("QUIT", "221", "NOOP", "")
	// The server's side of the first session may end a moment after its client's.
	for {
		if p, hi := s.call(t); strings.HasPrefix(hi, "220") {
			p.talk("EHLO x", "250")
			return
		}
	}
}

// from is a connection that claims to come from somewhere.
type from struct {
	net.Conn
	addr string
}

func (f from) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(f.addr), Port: 4711}
}

func TestSessionsPerAddress(t *testing.T) {
	r := &Receiver{Limits: ReceiverLimits{PerIP: 2}}
	d := newDoor(nil, r.Limits.withDefaults(), &r.stats)
	for _, c := range []struct {
		addr string
		in   bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"2001:db8:0:1::3", true},
		{"127.0.0.1", true}, {"127.0.0.1", true}, {"127.0.0.1", true},
	} {
		if in := d.admit(from{addr: c.addr}) != nil; in != c.in {
			t.Errorf("%s: let in %v, want %v", c.addr, in, c.in)
		}
	}
	for g := range d.open {
		d.leave(g)
		d.leave(g)
	}
	if len(d.perIP) != 0 || r.Stats().Open != 0 {
		t.Errorf("left behind: %v", d.perIP)
	}
}

// A relay that sends many mails in one session is cut at the limit, but never between storing a mail and answering it.
func TestLimitSparesTheAnswer(t *testing.T) {
	s := newSite(t, func(r *Receiver) { r.Limits.Commands = 6 })
	p, _ := s.call(t) // the greeting is one, then five
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "NOOP", "250", "DATA", "354", report+".", "250", "NOOP", "421 4.7.0")
	if len(s.mails()) != 1 {
		t.Error(s.mails())
	}
}

func TestIdle(t *testing.T) {
	s := newSite(t, func(r *Receiver) { r.Limits.Idle = 30 * time.Millisecond })
	p, _ := s.call(t)
	if got := p.hear(); !strings.HasPrefix(got, "421") {
		t.Error(got)
	}
	if got := p.hear(); got != "" {
		t.Error(got)
	}
	s2 := newSite(t, func(r *Receiver) { r.Limits.Session = 30 * time.Millisecond })
	p, _ = s2.call(t)
	if got := p.hear(); !strings.HasPrefix(got, "421") {
		t.Error(got)
	}
}
