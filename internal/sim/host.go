package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Host is one mail host with a name, an address of its own and a mailbox for all that it takes.
type Host struct {
	w    *World
	name string
	addr netip.Addr

	mu         sync.Mutex
	behaviour  Behaviour             // guarded by mu; each connection keeps the one it began with
	tls        *tls.Config           // guarded by mu; nil without TLS
	listener   net.Listener          // guarded by mu; nil while the host is down
	answer     func()                // guarded by mu; ends a silence; nil while there is none
	conns      map[net.Conn]struct{} // guarded by mu
	mail       []Mail                // guarded by mu
	counts     Counts                // guarded by mu
	transcript []string              // guarded by mu; at most transcriptLines
	changed    chan struct{}         // guarded by mu; closed and renewed when mail or counts change
}

// Counts is what a host has seen since it was made or cleared.
type Counts struct {
	Connections   int   // TCP connections taken
	Dialogues     int   // mail transactions begun, that is MAIL commands; a reused connection has several
	Rcpts         int   // RCPT commands
	Dots          int   // mails that came whole, whatever was answered
	Logins        int   // AUTH commands
	LoginsRefused int   // of those, refused
	LoginsInClear int   // of those, tried without TLS
	BytesOut      int64 // bytes written by the host, TLS not counted
}

var errEnded = errors.New("sim: the world has ended")

// transcriptLines bounds a transcript; the oldest half goes when it is full.
const transcriptLines = 20_000

// Name is the host's name, lower case.
func (h *Host) Name() string { return h.name }

// IP is the host's own loopback address.
func (h *Host) IP() netip.Addr { return h.addr }

// Addr is host:port, for a route that names its smarthost by address.
func (h *Host) Addr() string { return netip.AddrPortFrom(h.addr, uint16(h.w.port)).String() }

// Set gives the host another behaviour: as a restart does, it ends open connections. The mailbox stays.
func (h *Host) Set(b Behaviour) error {
	var conf *tls.Config
	if b.hasTLS() {
		var err error
		if conf, err = h.w.authority.config(h.name, h.addr, b.cert); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.Close()
	}
	h.behaviour, h.tls = b, conf
	if h.answer != nil {
		h.answer()
		h.answer = nil
	}
	if b.Closed || b.Silent {
		if h.listener != nil {
			h.listener.Close()
			h.listener = nil
		}
		var err error
		if b.Silent {
			h.answer, err = silence(netip.AddrPortFrom(h.addr, uint16(h.w.port)))
		}
		return err
	}
	if h.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", h.Addr())
	if err != nil {
		return fmt.Errorf("sim: host %s: %w", h.name, err)
	}
	started := h.w.run(func(ctx context.Context) {
		stop := context.AfterFunc(ctx, func() { l.Close() }) // the world may end before it knows this host
		defer stop()
		h.accept(ctx, l)
	})
	if !started {
		return errors.Join(errEnded, l.Close())
	}
	h.listener = l
	return nil
}

// Behaviour is the present one.
func (h *Host) Behaviour() Behaviour {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.behaviour
}

func (h *Host) accept(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		if err != nil { // out of file descriptors, for instance: others may give some back
			if !sleep(ctx, 10*time.Millisecond) {
				return
			}
			continue
		}
		h.mu.Lock()
		b, conf := h.behaviour, h.tls
		if h.conns == nil {
			h.conns = map[net.Conn]struct{}{}
		}
		h.conns[conn] = struct{}{}
		h.counts.Connections++
		h.signal()
		h.mu.Unlock()
		started := h.w.run(func(ctx context.Context) {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			defer h.forget(conn)
			h.serve(ctx, b, conf, conn)
		})
		if !started {
			h.forget(conn)
		}
	}
}

func (h *Host) forget(conn net.Conn) {
	conn.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, conn)
}

// shut ends the listener and all connections, for good.
func (h *Host) shut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listener != nil {
		h.listener.Close()
		h.listener = nil
	}
	if h.answer != nil {
		h.answer()
		h.answer = nil
	}
	for c := range h.conns {
		c.Close()
	}
}

// signal wakes those who wait. h.mu is held.
func (h *Host) signal() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// count changes the counts.
func (h *Host) count(f func(*Counts)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.counts)
	h.signal()
}

// note adds a line to the transcript.
func (h *Host) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.transcript) >= transcriptLines {
		h.transcript = append([]string(nil), h.transcript[transcriptLines/2:]...)
	}
	h.transcript = append(h.transcript, fmt.Sprintf(format, args...))
}

// keep puts a mail into the mailbox.
func (h *Host) keep(m Mail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mail = append(h.mail, m)
	h.signal()
}

// Mail is what the host has taken, oldest first.
func (h *Host) Mail() []Mail {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Mail(nil), h.mail...)
}

// Counts is what the host has seen.
func (h *Host) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

// Transcript is what was said, one line each: "C: " by the client, "S: " by the host, "-- " for events. It holds neither the
// text of mails nor passwords.
func (h *Host) Transcript() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.transcript...)
}

// Clear empties mailbox, counts and transcript.
func (h *Host) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mail, h.counts, h.transcript = nil, Counts{}, nil
	h.signal()
}

// Wait returns the mailbox once it holds n mails; until then it waits, and gives up when ctx ends.
func (h *Host) Wait(ctx context.Context, n int) ([]Mail, error) {
	err := h.until(ctx, func() bool { return len(h.mail) >= n })
	return h.Mail(), err
}

// WaitCounts waits until the counts are as ok wants them.
func (h *Host) WaitCounts(ctx context.Context, ok func(Counts) bool) error {
	return h.until(ctx, func() bool { return ok(h.counts) })
}

// until waits until ok, which is called with h.mu held.
func (h *Host) until(ctx context.Context, ok func() bool) error {
	for {
		h.mu.Lock()
		done, changed, have := ok(), h.changed, len(h.mail)
		h.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("sim: waiting at %s, which holds %d mails: %w", h.name, have, ctx.Err())
		case <-h.w.ctx.Done():
			return fmt.Errorf("sim: waiting at %s: %w", h.name, errEnded)
		}
	}
}
