package mailer

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// host is a mail host whose behaviour is a script: the reply to each verb, per connection. It records what was said to it.
type host struct {
	addr  string
	port  int
	roots *x509.CertPool
	cert  tls.Certificate

	mu     sync.Mutex
	said   []string // every line, bodies left out
	bodies []string
	conns  int
}

// manners says how a host answers. A missing verb is answered "250 ok"; "" closes the connection instead of answering.
// "MAIL#2" is the answer to the second MAIL of a connection only.
// Verbs: BANNER, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, DOT, RSET, QUIT.
type manners map[string]string

const ehloPlain = "250-host.example\r\n250-DSN\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES"

func polite(over manners) manners {
	m := manners{"BANNER": "220 host.example ESMTP", "EHLO": ehloPlain, "DATA": "354 go on", "DOT": "250 2.0.0 Ok: queued as 4XyZ1",
		"QUIT": "221 bye", "STARTTLS": "220 go on", "AUTH": "235 2.7.0 welcome"}
	for k, v := range over {
		m[k] = v
	}
	return m
}

// newHost starts a host; the n-th connection (from 0) follows the n-th manners, later ones the last.
func newHost(t testing.TB, ms ...manners) *host {
	t.Helper()
	h := newSilentHost(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	h.port = l.Addr().(*net.TCPAddr).Port
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns++
			h.mu.Unlock()
			m := ms[min(n, len(ms)-1)]
			wg.Go(func() {
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				defer c.Close()
				h.serve(c, m)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	return h
}

func newSilentHost(t testing.TB) *host {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"relay.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{roots: x509.NewCertPool(), cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	h.roots.AddCert(leaf)
	return h
}

func (h *host) serve(c net.Conn, m manners) {
	if m["IMPLICIT"] != "" {
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{h.cert}})
	}
	times := map[string]int{}
	say := func(verb string) bool {
		times[verb]++
		text, ok := m[verb+"#"+strconv.Itoa(times[verb])]
		if !ok {
			text, ok = m[verb]
		}
		if !ok {
			text = "250 ok"
		}
		if text == "" {
			return false
		}
		_, err := io.WriteString(c, text+"\r\n")
		return err == nil
	}
	if m["ENDLESS"] == "BANNER" {
		for {
			if _, err := io.WriteString(c, "220-"+strings.Repeat("x", 200)+"\r\n"); err != nil {
				return
			}
		}
	}
	if !say("BANNER") {
		return
	}
	br := bufio.NewReader(c)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		h.mu.Lock()
		h.said = append(h.said, line)
		h.mu.Unlock()
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if m["ENDLESS"] == verb {
			for {
				if _, err := io.WriteString(c, "250-"+strings.Repeat("x", 200)+"\r\n"); err != nil {
					return
				}
			}
		}
		if !say(verb) {
			return
		}
		switch {
		case verb == "DATA" && strings.HasPrefix(m["DATA"], "354"):
			var body strings.Builder
			for {
				l, err := br.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				body.WriteString(strings.TrimPrefix(l, "."))
			}
			h.mu.Lock()
			h.bodies = append(h.bodies, body.String())
			h.mu.Unlock()
			if !say("DOT") {
				return
			}
		case verb == "STARTTLS" && strings.HasPrefix(m["STARTTLS"], "220"):
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{h.cert}})
			if err := tc.Handshake(); err != nil {
				return
			}
			c, br = tc, bufio.NewReader(tc)
			m = polite(m)
			m["EHLO"] = "250-host.example\r\n250-AUTH PLAIN LOGIN\r\n250 DSN"
			if v, ok := m["EHLO2"]; ok {
				m["EHLO"] = v
			}
		case verb == "QUIT":
			return
		}
	}
}

// heard gives the lines said to the host whose verb is one of these.
func (h *host) heard(verbs string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, l := range h.said {
		if strings.Contains(verbs, strings.ToUpper(strings.SplitN(l, " ", 2)[0])) {
			out = append(out, l)
		}
	}
	return out
}

func (h *host) mails() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.bodies)
}

func (h *host) connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns
}

// relay is a route to the host as our smarthost.
func (h *host) relay() Route {
	return Route{Name: "relay", Smarthost: h.addr, TLS: TLSNone, HELO: "mail.example", RootCAs: h.roots}
}

// zone is a resolver that knows a few names, given without the trailing dot that must be asked for.
type zone struct {
	mx   map[string][]*net.MX
	ip   map[string][]string
	fail map[string]error
}

func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	name, ok := strings.CutSuffix(name, ".")
	if !ok {
		return nil, fmt.Errorf("asked without a trailing dot")
	}
	if err := z.fail["mx "+name]; err != nil {
		return nil, err
	}
	if mx, ok := z.mx[name]; ok {
		return mx, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	name, ok := strings.CutSuffix(name, ".")
	if !ok {
		return nil, fmt.Errorf("asked without a trailing dot")
	}
	if err := z.fail[name]; err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, s := range z.ip[name] {
		out = append(out, netip.MustParseAddr(s))
	}
	if out == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return out, nil
}

func testEnvelope() Envelope {
	return Envelope{From: "b-x@bounces.example", To: "jo@shop.example", MessageID: "msg_test"}
}

const testMail = "From: <a@mail.example>\r\nTo: <jo@shop.example>\r\nSubject: x\r\n\r\nhello\r\n.dot\r\n"

func deliverer(t testing.TB, res Resolver) *Deliverer {
	t.Helper()
	d := &Deliverer{Resolver: res, Limits: Limits{Banner: 5 * time.Second, Command: 5 * time.Second, FinalDot: 5 * time.Second}}
	t.Cleanup(func() { d.Close() })
	return d
}

// summary writes attempts as one line each, so that a test can say what it expects in words.
func summary(as []ledger.Attempt) string {
	var b strings.Builder
	for _, a := range as {
		fmt.Fprintf(&b, "%s %s", a.Outcome, a.Stage)
		if a.Code != 0 {
			b.WriteString(" " + strconv.Itoa(a.Code))
		}
		if a.Enhanced != "" {
			b.WriteString(" " + a.Enhanced)
		}
		if a.TLS != "" {
			b.WriteString(" " + strings.ReplaceAll(a.TLS, " ", ""))
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}
