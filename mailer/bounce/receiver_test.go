package bounce

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer"
)

// site is a receiver at work, and what it kept.
type site struct {
	*Receiver
	paths *mailer.Paths
	addr  string

	mu   sync.Mutex
	kept []string // "ID from bytes"
}

func newSite(t *testing.T, change func(*Receiver)) *site {
	t.Helper()
	paths, err := mailer.NewPaths("bounces.example", []mailer.Key{{ID: "k1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{paths: paths}
	s.Receiver = &Receiver{Domain: "bounces.example", Verify: paths.ParseReturnPath, Keep: func(_ context.Context, id ledger.MessageID, from string, raw []byte) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kept = append(s.kept, fmt.Sprintf("%s <%s> %d", id, from, len(raw)))
		return nil
	}}
	if change != nil {
		change(s.Receiver)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d sessions are still open", n)
		}
	})
	return s
}

func (s *site) mails() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

func (s *site) path(fill byte) string { return s.paths.ReturnPath(s.id(fill)) }

func (s *site) id(fill byte) ledger.MessageID { return ledger.NewMessageID(3, ledger.Seed{fill}) }

// peer is a host that speaks with the receiver.
type peer struct {
	t  *testing.T
	c  net.Conn
	br *bufio.Reader
}

// call connects and hears the greeting, or whatever comes in its place.
func (s *site) call(t *testing.T) (*peer, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := &peer{t, c, bufio.NewReader(c)}
	return p, p.hear()
}

// hear reads one reply and gives its last line; "" = the connection is closed.
func (p *peer) hear() string {
	p.c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		l, err := p.br.ReadString('\n')
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				p.t.Error("no reply")
			}
			return ""
		}
		if len(l) > 3 && l[3] != '-' {
			return strings.TrimSpace(l)
		}
	}
}

func (p *peer) say(line string) string {
	io.WriteString(p.c, line+"\r\n")
	return p.hear()
}

// talk says lines and fails where a reply does not begin as it should: line, reply, line, reply …
func (p *peer) talk(pairs ...string) {
	p.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := p.say(pairs[i]); !strings.HasPrefix(got, pairs[i+1]) || pairs[i+1] == "" && got != "" {
			p.t.Fatalf("%s: %s, want %s", pairs[i], got, pairs[i+1])
		}
	}
}

const report = "From: MAILER-DAEMON@shop.example\r\nSubject: Undelivered\r\n\r\n..no such user\r\n"

func TestReceives(t *testing.T) {
	s := newSite(t, nil)
	p, hi := s.call(t)
	if !strings.HasPrefix(hi, "220 bounces.example") {
		t.Fatal(hi)
	}
	p.talk("EHLO mx.shop.example", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+strings.ToUpper(s.path(1))+">", "250", "DATA", "354")
	p.talk(report+".", "250 2.0.0",
		"MAIL FROM:<x@shop.example> SIZE=100", "250", "RCPT TO:<"+s.path(1)+">", "250", "RCPT TO:<"+s.path(1)+">", "250", "RCPT TO:<"+s.path(2)+">", "250",
		"DATA", "354", report+".", "250", "QUIT", "221")
	want := fmt.Sprintf("%[1]s <> %[3]d|%[1]s <x@shop.example> %[3]d|%[2]s <x@shop.example> %[3]d", s.id(1), s.id(2), len(report)-1) // less the dot of SMTP
	if got := strings.Join(s.mails(), "|"); got != want {
		t.Errorf("kept %s\nwant %s", got, want)
	}
	if st := s.Stats(); st.Kept != 3 || st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
}

func TestRefuses(t *testing.T) {
	s := newSite(t, func(r *Receiver) { r.Limits.Errors = 100 })
	p, _ := s.call(t)
	p.talk("MAIL FROM:<>", "502", "EHLO x", "250", "RCPT TO:<"+s.path(1)+">", "502", "MAIL FROM:<>", "250", "DATA", "502")
	forged := strings.Replace(s.path(1), "b-", "b-a", 1)
	p.talk("RCPT TO:<"+forged+">", "550 5.1.1 no such return path", "RCPT TO:<b-x@bounces.example>", "550 5.1.1", "RCPT TO:<jo@bounces.example>", "550 5.1.1",
		"RCPT TO:<jo@shop.example>", "550 5.7.1", "RCPT TO:<"+strings.Replace(s.path(1), "bounces.", "shop.", 1)+">", "550 5.7.1",
		"RCPT TO:<"+s.path(1)+"@shop.example>", "5", "RCPT TO:<@shop.example:"+s.path(1)+">", "250", "RSET", "250",
		"MAIL FROM:<>", "250", "RCPT TO:<postmaster@bounces.example>", "550 5.1.1 nobody", "RCPT TO:<Postmaster>", "5", "RCPT TO:<abuse@BOUNCES.example>", "550 5.1.1 nobody",
		"RCPT TO:<postmaster@shop.example>", "550 5.7.1", "DATA", "502", "AUTH PLAIN AHgAeA==", "5", "VRFY jo", "252", "TURN", "502", "STARTTLS", "502")
	if st := s.Stats(); st.Forged != 3 || st.Foreign < 3 || len(s.mails()) != 0 {
		t.Errorf("%+v, kept %v", st, s.mails())
	}
}

func TestPostmaster(t *testing.T) {
	var got string
	s := newSite(t, func(r *Receiver) {
		r.Postmaster = func(_ context.Context, from string, raw []byte) error {
			got = from
			return nil
		}
	})
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<jo@shop.example>", "250", "RCPT TO:<postmaster@bounces.example>", "250", "DATA", "354", report+".", "250", "QUIT", "221")
	if got != "jo@shop.example" || len(s.mails()) != 0 {
		t.Error(got, s.mails())
	}
}

// 250 is said only for what is stored.
func TestNotKept(t *testing.T) {
	s := newSite(t, func(r *Receiver) {
		r.Keep = func(context.Context, ledger.MessageID, string, []byte) error {
			return errors.New("redis at 10.0.0.1 is down")
		}
	})
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354")
	if got := p.say(report + "."); got != "451 4.3.0 could not be stored, try again later" {
		t.Error(got)
	}
	if st := s.Stats(); st.NotKept != 1 || st.Kept != 0 {
		t.Errorf("%+v", st)
	}
}

// A mail under way when Shutdown comes is stored and answered; a session that waits is ended.
func TestShutdown(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := newSite(t, func(r *Receiver) {
		keep := r.Keep
		r.Keep = func(ctx context.Context, id ledger.MessageID, from string, raw []byte) error {
			close(begun)
			<-goOn
			return keep(ctx, id, from, raw)
		}
	})
	idle, _ := s.call(t)
	idle.talk("EHLO x", "250")
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354")
	io.WriteString(p.c, report+".\r\n")
	<-begun
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if got := idle.hear(); !strings.HasPrefix(got, "421") {
		t.Errorf("idle session: %q", got)
	}
	close(goOn)
	if got := p.hear(); !strings.HasPrefix(got, "250") {
		t.Errorf("mail under way: %q", got)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if len(s.mails()) != 1 {
		t.Error(s.mails())
	}
	if got := p.hear(); got != "" {
		t.Error(got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, ErrServing) {
		t.Error(err)
	}
}

func TestShutdownBeforeServe(t *testing.T) {
	var r Receiver
	if err := r.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Serve(l); !errors.Is(err, ErrServing) {
		t.Error(err)
	}
}

func TestStartTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"bounces.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(r *Receiver) {
		r.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	})
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "STARTTLS", "220")
	p.c = tls.Client(p.c, &tls.Config{InsecureSkipVerify: true})
	p.br = bufio.NewReader(p.c)
	p.talk("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(1)+">", "250", "DATA", "354", report+".", "250")
	if len(s.mails()) != 1 {
		t.Error(s.mails())
	}
	for i := 0; ; i++ { // the limit on commands holds inside TLS too
		if p.say("NOOP") == "" {
			break
		}
		if i > 50 {
			t.Fatal("NOOP without end")
		}
	}
}
