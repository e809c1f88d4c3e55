package bounce

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer"
)

// FuzzReceiver: whatever is said, nothing is kept but whole mails to return paths of ours, and the session ends.
func FuzzReceiver(f *testing.F) {
	paths, err := mailer.NewPaths("bounces.example", []mailer.Key{{ID: "k1", Secret: [32]byte{1}}})
	if err != nil {
		f.Fatal(err)
	}
	id := ledger.NewMessageID(3, ledger.Seed{1})
	good := "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + paths.ReturnPath(id) + ">\r\nDATA\r\n"
	f.Add(good + report + ".\r\nQUIT\r\n")
	f.Add(good + report + ".\n")
	f.Add("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<jo@shop.example>\r\nDATA\r\n")
	f.Add("EHLO x\r\nBDAT 4294967295\r\n")
	f.Add("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + paths.ReturnPath(id) + ">\r\nBDAT 3\r\nabcRSET\r\nBDAT 1 LAST\r\nx")
	f.Fuzz(func(t *testing.T, said string) {
		ours, theirs := net.Pipe()
		r := &Receiver{Domain: "bounces.example", Verify: paths.ParseReturnPath, Keep: func(_ context.Context, got ledger.MessageID, _ string, _ []byte) error {
			if got != id {
				t.Errorf("kept for %s", got)
			}
			return nil
		}}
		l := &oneConn{c: ours, done: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- r.Serve(l) }()
		heard := make(chan struct{})
		go func() {
			io.Copy(io.Discard, theirs)
			close(heard)
		}()
		io.WriteString(theirs, said)
		theirs.Close()
		<-heard
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
		if n := r.Stats().Open; n != 0 {
			t.Errorf("%d sessions are still open", n)
		}
	})
}

// oneConn is a listener with one connection in it.
type oneConn struct {
	mu   sync.Mutex
	c    net.Conn
	done chan struct{}
	once sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	l.mu.Lock()
	c := l.c
	l.c = nil
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
