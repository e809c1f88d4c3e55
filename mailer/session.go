package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/resetd/resetd/internal/ledger"
)

// The stages of a dialogue, in order. An attempt names the last one begun.
const (
	stageDNS      = "dns"
	stageDial     = "dial"
	stageBanner   = "banner"
	stageEhlo     = "ehlo"
	stageStartTLS = "starttls"
	stageAuth     = "auth"
	stageMail     = "mail"
	stageRcpt     = "rcpt"
	stageData     = "data"
	stageDot      = "dot"
)

// Faults of ours that end a dialogue before the host could say anything about the mail.
var (
	errNoTLS        = errors.New("the host offers no STARTTLS, and the route requires TLS")
	errLoginInClear = errors.New("the route has a password, and the connection has no verified TLS: it was not sent")
	errInjected     = errors.New("the host sent clear text behind its STARTTLS reply")
	errNotOffered   = errors.New("the host offers no STARTTLS")
	errNoAuth       = errors.New("the relay offers no login that we can use (PLAIN or LOGIN)")
)

// errHandshake wraps what TLS said; errCertificate what was wrong with a certificate that must verify.
type errHandshake struct{ error }
type errCertificate struct{ error }

// errPolicy is a host that does not fit what is demanded of it.
type errPolicy struct {
	policy ledger.Policy
	error
}

func (e errPolicy) Unwrap() error { return e.error }

// session is an open connection, ready for MAIL. It serves one dialogue at a time.
type session struct {
	w      *wire
	top    *speech
	client *smtp.Client
	local  string           // our address of the connection
	helo   string           // the name that was said in EHLO; "" = none yet
	tls    string           // "TLS 1.3"; "" = in clear
	sec    *ledger.Security // what is recorded of it; nil = in clear, and nothing is demanded
	demand demand
	asked  ledger.Asked // of the mail under way
	stage  string
	mails  int // taken by the host over this connection
	idle   *time.Timer
}

// dial connects to a target and begins the first dialogue's clock.
func dial(ctx context.Context, limits Limits, t target, port string) (*session, error) {
	d := net.Dialer{Timeout: limits.Dial}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.ip.String(), port))
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, limits: limits}
	w.begin()
	s := &session{w: w, stage: stageDial, demand: t.demand, sec: t.demand.begin()}
	if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		s.local = tcp.AddrPort().Addr().Unmap().WithZone("").String()
	}
	return s, nil
}

// greet brings a fresh connection to the point where MAIL may be said: banner, EHLO, TLS, AUTH. With clear, TLS is left out.
func (s *session) greet(route Route, host string, clear bool) error {
	verified := false
	if route.TLS == TLSImplicit {
		ok, err := s.secure(route, host)
		if err != nil {
			return err
		}
		verified = ok
	} else {
		s.top = &speech{Conn: s.w, w: s.w}
	}
	if err := s.hello(route.helo(), stageBanner); err != nil {
		return err
	}
	if clear {
		s.sec = s.demand.fails(s.sec, ledger.ValidationFault, "the TLS handshake had failed")
	}
	if route.TLS != TLSImplicit && route.TLS != TLSNone && !clear {
		offered, _ := s.client.Extension("STARTTLS")
		switch {
		case offered:
			ok, err := s.startTLS(route, host)
			if err != nil {
				return err
			}
			verified = ok
			if err := s.hello(route.helo(), stageEhlo); err != nil {
				return err
			}
		case s.demand.enforced() && s.demand.policy != ledger.ByRoute:
			s.stage = stageStartTLS
			s.sec = s.demand.fails(s.sec, ledger.NoSTARTTLS, errNotOffered.Error())
			return errPolicy{s.demand.policy, errNotOffered}
		case route.TLS == TLSRequired:
			s.stage = stageStartTLS
			s.sec = s.demand.fails(s.sec, ledger.NoSTARTTLS, errNotOffered.Error())
			return errNoTLS
		default:
			s.sec = s.demand.fails(s.sec, ledger.NoSTARTTLS, errNotOffered.Error())
		}
	}
	if route.Username != "" {
		return s.login(route, verified)
	}
	return nil
}

// hello reads the banner and says EHLO. The library does both in one call; the first write tells where one ends.
func (s *session) hello(name, stage string) error {
	s.stage = stage
	if stage == stageBanner {
		s.w.stage(s.w.limits.Banner)
	} else {
		s.w.stage(s.w.limits.Command)
	}
	s.top.onWrite = func() {
		s.stage, s.helo = stageEhlo, name
		s.w.stage(s.w.limits.Command)
	}
	s.client = smtp.NewClient(s.top)
	return s.client.Hello(name)
}

// startTLS says STARTTLS itself: the library offers it only in a constructor that first says EHLO as "localhost", which some hosts
// refuse. The library's client before TLS is dropped with whatever it had buffered, so nothing said in clear is heard afterwards.
func (s *session) startTLS(route Route, host string) (verified bool, err error) {
	s.stage = stageStartTLS
	s.w.stage(s.w.limits.Command)
	if _, err := io.WriteString(s.top, "STARTTLS\r\n"); err != nil {
		return false, err
	}
	br := bufio.NewReader(s.top)
	code, msg, err := textproto.NewReader(br).ReadResponse(220)
	if err != nil {
		var said *textproto.Error
		if errors.As(err, &said) {
			s.sec = s.demand.fails(s.sec, ledger.NoSTARTTLS, "the host refuses STARTTLS")
			return false, &smtp.SMTPError{Code: code, Message: msg}
		}
		return false, err
	}
	if br.Buffered() > 0 { // CVE-2011-0411 and its many cousins
		s.sec = s.demand.fails(s.sec, ledger.ValidationFault, errInjected.Error())
		return false, errInjected
	}
	verified, err = s.secure(route, host)
	if err == nil {
		s.top.greeting = strings.NewReader("220 in TLS now\r\n") // the library waits for a banner on every new client
	}
	return verified, err
}

// secure shakes hands. What the host's certificate is worth is found out in any case; it decides where the route or a policy says so.
func (s *session) secure(route Route, host string) (verified bool, err error) {
	s.stage = stageStartTLS
	s.w.stage(s.w.limits.Command)
	conn := tls.Client(s.w, &tls.Config{ServerName: s.demand.sni(host), InsecureSkipVerify: true}) // verified below, to be told
	if err := conn.Handshake(); err != nil {
		s.sec = s.demand.fails(s.sec, ledger.ValidationFault, "the TLS handshake fails: "+plain(err))
		return false, errHandshake{err}
	}
	s.sec = s.demand.shown(conn.ConnectionState(), host, route.RootCAs)
	verified = s.sec.Certificate == ledger.Verified
	if s.sec.Failed != "" && s.demand.enforced() {
		return false, errPolicy{s.demand.policy, errors.New(s.sec.Problem)}
	}
	if !verified && route.mustVerify() {
		s.sec.Policy, s.sec.Failed = ledger.ByRoute, s.sec.Certificate
		return false, errCertificate{errors.New(s.sec.Problem)}
	}
	s.top = &speech{Conn: conn, w: s.w}
	s.tls = tls.VersionName(conn.ConnectionState().Version)
	return verified, nil
}

func (s *session) login(route Route, verified bool) error {
	s.stage = stageAuth
	if !verified {
		s.stage = stageStartTLS
		return errLoginInClear
	}
	s.w.stage(s.w.limits.Command)
	switch {
	case s.client.SupportsAuth(sasl.Plain):
		return s.client.Auth(sasl.NewPlainClient("", route.Username, route.Password))
	case s.client.SupportsAuth(sasl.Login):
		return s.client.Auth(sasl.NewLoginClient(route.Username, route.Password))
	}
	return errNoAuth
}

// leave says QUIT where a command may be said, and closes. In the middle of a body only the closing tells the host to drop it.
func (s *session) leave() {
	s.w.farewell()
	if s.client != nil && s.stage != stageData {
		if s.w.wasCut() != nil {
			io.WriteString(s.top, "RSET\r\nQUIT\r\n") // the reply that we did not wait for comes first; nobody reads it
		} else {
			s.client.Quit()
		}
	}
	s.close()
}

func (s *session) close() { s.w.Conn.Close() }

// reset makes the connection fit for another mail after one that ended early. The library says EHLO again before the next MAIL; that
// is allowed (RFC 5321 section 4.1.4) and costs a round trip, less than a new connection. A slow host is not worth waiting for.
func (s *session) reset() bool {
	s.w.farewell()
	return s.client.Reset() == nil
}
