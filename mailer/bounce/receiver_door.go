package bounce

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// door is the listener: it lets in as many sessions as there is room for, and puts a guard on each.
type door struct {
	net.Listener
	limits ReceiverLimits
	stats  *counters

	mu     sync.Mutex
	open   map[*guard]struct{}
	perIP  map[netip.Prefix]int
	closed bool // hurry was called: guards end at their next pause
}

func newDoor(l net.Listener, limits ReceiverLimits, stats *counters) *door {
	return &door{Listener: l, limits: limits, stats: stats, open: map[*guard]struct{}{}, perIP: map[netip.Prefix]int{}}
}

// Accept gives the next session that there is room for. The others are told so and closed at once: they cost no goroutine and no memory.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g := d.admit(c); g != nil {
			return g, nil
		}
		d.stats.turnedOff.Add(1)
		c.SetWriteDeadline(time.Now().Add(time.Second)) // a new connection's send buffer has room; this never waits
		io.WriteString(c, "421 4.3.2 too many sessions, try again later\r\n")
		c.Close()
	}
}

func (d *door) admit(c net.Conn) *guard {
	from := source(c.RemoteAddr())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.open) >= d.limits.Sessions || d.perIP[from] >= d.limits.PerIP && !from.Addr().IsLoopback() {
		return nil
	}
	g := &guard{Conn: c, door: d, from: from, left: d.limits.SessionBytes, replies: d.limits.Commands, end: time.Now().Add(d.limits.Session)}
	d.open[g] = struct{}{}
	d.perIP[from]++
	d.stats.sessions.Add(1)
	d.stats.open.Add(1)
	return g
}

func (d *door) leave(g *guard) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.open[g]; !ok {
		return
	}
	delete(d.open, g)
	if d.perIP[g.from]--; d.perIP[g.from] == 0 {
		delete(d.perIP, g.from)
	}
	d.stats.open.Add(-1)
}

// hurry ends the sessions that wait for a command, and the others after the mail that they are at.
func (d *door) hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for g := range d.open {
		g.hurry()
	}
}

func (d *door) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func (d *door) closeAll() {
	d.mu.Lock()
	var all []*guard
	for g := range d.open {
		all = append(all, g)
	}
	d.mu.Unlock()
	for _, g := range all {
		g.Close()
	}
}

// source is what counts as one sender: an IPv4 address, or an IPv6 /64, which one customer has whole.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// errCutOff is what the SMTP library sees when a guard ends a session.
var errCutOff = errors.New("session ended by its limits")

// guard is one session's connection, below any TLS. The deadlines that the library sets are ignored: it sets one per command, which
// would leave a whole body only the time of a command.
type guard struct {
	net.Conn
	door *door
	from netip.Prefix
	end  time.Time

	left int64 // bytes that may still be read; reader's side only

	mu      sync.Mutex
	replies int  // that may still be written
	busy    bool // a mail is being received or stored
	last    bool // close after the next reply
	rushed  bool // hurry was called
}

func (g *guard) SetDeadline(time.Time) error      { return nil }
func (g *guard) SetReadDeadline(time.Time) error  { return nil }
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

func (g *guard) Read(b []byte) (int, error) {
	if g.left <= 0 {
		g.door.stats.cutOff.Add(1)
		return 0, errCutOff
	}
	if int64(len(b)) > g.left {
		b = b[:g.left]
	}
	g.mu.Lock()
	t := time.Now().Add(g.door.limits.Idle)
	if t.After(g.end) {
		t = g.end
	}
	if g.rushed && !g.busy {
		t = time.Unix(1, 0)
	}
	g.Conn.SetReadDeadline(t)
	g.mu.Unlock()
	n, err := g.Conn.Read(b)
	g.left -= int64(n)
	return n, err
}

// Write counts replies. In clear each line of a reply is one write, and those that go on ("250-") are free.
func (g *guard) Write(b []byte) (int, error) {
	g.mu.Lock()
	inClear := len(b) > 3 && b[0] >= '1' && b[0] <= '5'
	if !inClear || b[3] != '-' {
		g.replies--
	}
	over, last := g.replies < 0, g.last
	g.mu.Unlock()
	g.Conn.SetWriteDeadline(time.Now().Add(g.door.limits.Idle))
	if over {
		g.door.stats.cutOff.Add(1)
		if inClear {
			io.WriteString(g.Conn, "421 4.7.0 too many commands, bye\r\n")
		}
		g.Close()
		return 0, errCutOff
	}
	n, err := g.Conn.Write(b)
	if last {
		g.Close()
	}
	return n, err
}

func (g *guard) Close() error {
	g.door.leave(g)
	return g.Conn.Close()
}

// working says whether a mail is being received or stored, which nothing but its limits interrupts.
func (g *guard) working(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = yes
	if !yes {
		g.replies = max(g.replies, 1) // what was stored is answered, or it comes again
		g.last = g.last || g.rushed
	}
}

// finish closes the session after the next reply.
func (g *guard) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = true
}

func (g *guard) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rushed = true
	if !g.busy {
		g.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// guardOf finds the guard below TLS; nil only for a connection that came through no door.
func guardOf(c net.Conn) *guard {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g, _ := c.(*guard)
	return g
}
