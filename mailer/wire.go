package mailer

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// wire is the TCP connection, below any TLS. It counts what is read, keeps the deadlines, and knows whether the dialogue may still be
// cut. The deadlines that the client library and crypto/tls set are ignored: a reply that trickles in would renew them for ever.
type wire struct {
	net.Conn
	limits Limits
	left   int // bytes that may still be read in this dialogue; reader's side only

	mu     sync.Mutex
	end    time.Time // of all that comes before the final dot
	armed  bool      // the final dot is being written, or was: nothing cuts any more
	sent   bool      // all of it was written
	cutErr error     // set once, when the caller's context ended before that
}

// begin starts a new dialogue on the connection.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = w.limits.DialogueBytes
	w.end = time.Now().Add(w.limits.BeforeDot)
	w.armed, w.sent = false, false
}

// stage sets the deadline of what comes next: d from now, never past the end of the dialogue.
func (w *wire) stage(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cutErr != nil {
		return
	}
	t := time.Now().Add(d)
	if !w.sent && t.After(w.end) {
		t = w.end
	}
	w.Conn.SetDeadline(t)
}

// cut makes every read and write fail from now on, unless the final dot is on its way.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		return
	}
	w.cutErr = errStopped
	w.Conn.SetDeadline(time.Unix(1, 0))
}

// wasCut says why the dialogue was stopped by us; nil = it was not.
func (w *wire) wasCut() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cutErr
}

// arm is called before the final dot is written. False means that the dialogue was cut first: then it must not be written.
func (w *wire) arm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cutErr != nil {
		return false
	}
	w.armed = true
	return true
}

// dotSent is called when the final dot has left: only its own limit bounds the wait for the reply.
func (w *wire) dotSent() {
	w.mu.Lock()
	w.sent = true
	w.mu.Unlock()
	w.stage(w.limits.FinalDot)
}

// farewell gives the wire a moment to say goodbye, also after a cut.
func (w *wire) farewell() { w.Conn.SetDeadline(time.Now().Add(2 * time.Second)) }

func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

func (w *wire) Read(b []byte) (int, error) {
	if w.left <= 0 {
		return 0, errDialogue
	}
	if len(b) > w.left {
		b = b[:w.left]
	}
	n, err := w.Conn.Read(b)
	w.left -= n
	return n, err
}

// speech is the same connection above any TLS, where commands and replies can be told apart.
type speech struct {
	net.Conn // the wire itself, or TLS over it
	w        *wire
	greeting io.Reader // read before the connection; nil = none
	onWrite  func()    // called before the first write, once
	onDot    func()    // called when the final dot has left; nil = none
	bytes    int       // of the reply being read
	lines    int
	dot      bool // the next read waits for the reply to the final dot
}

func (s *speech) Read(b []byte) (int, error) {
	if s.greeting != nil {
		n, err := s.greeting.Read(b)
		if err == nil {
			return n, nil
		}
		s.greeting = nil
	}
	if s.dot {
		// The library reads only once everything was flushed. So the dot is out.
		s.dot = false
		s.w.dotSent()
		if s.onDot != nil {
			s.onDot()
		}
	}
	if s.bytes >= s.w.limits.ReplyBytes {
		return 0, errReplyBytes
	}
	if s.lines >= s.w.limits.ReplyLines {
		return 0, errReplyLines
	}
	if room := s.w.limits.ReplyBytes - s.bytes; len(b) > room {
		b = b[:room]
	}
	n, err := s.Conn.Read(b)
	s.bytes += n
	s.lines += bytes.Count(b[:n], []byte{'\n'})
	return n, err
}

// Write begins a new turn: what is read afterwards is another reply.
func (s *speech) Write(b []byte) (int, error) {
	if s.onWrite != nil {
		s.onWrite()
		s.onWrite = nil
	}
	s.bytes, s.lines = 0, 0
	return s.Conn.Write(b)
}
