package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/miekg/dns"
)

// result is how one of the world's own hosts fared in sending a mail to one recipient.
type result struct {
	code     int    // of the reply that decided; 0 where no host replied
	enhanced string // "5.1.1"; made up by the sending host where there was no reply
	text     string
	host     string // who replied; "" where nobody did
	dsn      bool   // the host took over the duty to report (offers DSN)
	lasting  bool   // trying again is of no use
	err      error  // the end of a dialogue that no reply explains
}

func (r result) ok() bool { return r.code/100 == 2 }

// diagnostic is the reply as a DSN quotes it.
func (r result) diagnostic() string {
	if r.code == 0 {
		return r.text
	}
	return fmt.Sprintf("%d %s %s", r.code, r.enhanced, r.text)
}

func (r result) String() string {
	if r.host == "" {
		return r.text
	}
	return r.host + " said " + r.diagnostic()
}

// sendTimeout bounds one dialogue of the world's own hosts.
const sendTimeout = 30 * time.Second

// replyLimit bounds what a peer may say in one dialogue, in bytes; the world has hosts that never stop.
const replyLimit = 256 << 10

// send offers m to the hosts responsible for to, in the order of RFC 5321 section 5.1, until one gives a final answer.
// From, Raw and the DSN parameters of m go along.
func (h *Host) send(ctx context.Context, m Mail, to Recipient) result {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	targets, failed := h.targets(ctx, domainOf(to.Address))
	for _, t := range targets {
		failed = h.offer(ctx, t, m, to)
		if failed.ok() || failed.lasting {
			break
		}
	}
	return failed
}

type target struct{ host, addr string }

// targets resolves a domain to hosts, or says why it cannot.
func (h *Host) targets(ctx context.Context, domain string) ([]target, result) {
	h.w.mu.Lock()
	direct := h.w.bounceTo[domain]
	h.w.mu.Unlock()
	if direct != "" {
		return []target{{domain, direct}}, result{}
	}
	rrs, rcode, err := h.w.lookup(ctx, domain, dns.TypeMX)
	switch {
	case err != nil || rcode == dns.RcodeServerFailure || rcode == dns.RcodeRefused:
		return nil, result{enhanced: "4.4.3", text: "Host or domain name not found. Name service error: try again"}
	case rcode == dns.RcodeNameError:
		return nil, result{enhanced: "5.1.2", lasting: true, text: "Host or domain name not found. Name service error: Host not found"}
	}
	var mxs []*dns.MX
	for _, rr := range rrs {
		if mx, ok := rr.(*dns.MX); ok {
			mxs = append(mxs, mx)
		}
	}
	if len(mxs) == 1 && mxs[0].Mx == "." {
		return nil, result{code: 556, enhanced: "5.1.10", lasting: true, text: "Domain does not accept mail (nullMX)"}
	}
	if len(mxs) == 0 { // the implicit MX
		mxs = []*dns.MX{{Mx: domain}}
	}
	slices.SortStableFunc(mxs, func(a, b *dns.MX) int { return cmp.Compare(a.Preference, b.Preference) })
	var targets []target
	for _, mx := range mxs {
		addrs, _, _ := h.w.lookup(ctx, mx.Mx, dns.TypeA)
		for _, rr := range addrs {
			if a, ok := rr.(*dns.A); ok {
				targets = append(targets, target{fold(mx.Mx), net.JoinHostPort(a.A.String(), strconv.Itoa(h.w.port))})
			}
		}
	}
	if len(targets) == 0 {
		return nil, result{enhanced: "5.4.4", lasting: true, text: "unable to look up a mail host of the domain: no address"}
	}
	return targets, result{}
}

// lookup asks the world's own DNS server over the wire, as any resolver would.
func (w *World) lookup(ctx context.Context, name string, kind uint16) ([]dns.RR, int, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	c := &dns.Client{Net: "tcp", Timeout: 2 * time.Second}
	a, _, err := c.ExchangeContext(ctx, q, w.Resolver())
	if err != nil {
		return nil, 0, err
	}
	return a.Answer, a.Rcode, nil
}

// offer has one dialogue with one host.
func (h *Host) offer(ctx context.Context, t target, m Mail, to Recipient) result {
	broken := func(err error) result { // RFC 3463 section 3.5: X.4.1 no answer, X.4.2 bad connection
		r := result{enhanced: "4.4.2", err: err, text: "lost connection with " + t.host}
		if se := (*smtp.SMTPError)(nil); errors.As(err, &se) && se.Code != 0 {
			e := se.EnhancedCode
			if e == smtp.EnhancedCodeNotSet || e == smtp.NoEnhancedCode {
				e = smtp.EnhancedCode{se.Code / 100, 0, 0}
			}
			r = result{code: se.Code, enhanced: fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2]), text: oneLine(se.Message), host: t.host, lasting: se.Code/100 == 5}
		}
		return r
	}
	d := net.Dialer{}
	if dest, err := netip.ParseAddrPort(t.addr); err == nil && dest.Addr().IsLoopback() && dest.Addr().Is4() {
		d.LocalAddr = &net.TCPAddr{IP: h.addr.AsSlice()} // each host speaks from its own address
	}
	conn, err := d.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return result{enhanced: "4.4.1", err: err, text: "connect to " + t.host + ": Connection refused"}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	c := smtp.NewClient(limitedConn{conn, &io.LimitedReader{R: conn, N: replyLimit}})
	c.CommandTimeout, c.SubmissionTimeout = sendTimeout, sendTimeout
	defer c.Close()
	if err := c.Hello(h.name); err != nil {
		r := broken(err)
		r.lasting = false // another MX may be kinder
		return r
	}
	offersDSN, _ := c.Extension("DSN")
	offersUTF8, _ := c.Extension("SMTPUTF8")
	offers8Bit, _ := c.Extension("8BITMIME")
	mo := &smtp.MailOptions{}
	if offers8Bit && !ascii(string(m.Raw)) {
		mo.Body = smtp.Body8BitMIME
	}
	ro := &smtp.RcptOptions{}
	if m.UTF8 {
		if !offersUTF8 {
			return result{enhanced: "5.6.7", lasting: true, text: "SMTPUTF8 is required, but was not offered by host " + t.host}
		}
		mo.UTF8 = true
	}
	if offersDSN {
		mo.Return, mo.EnvelopeID = smtp.DSNReturn(m.Ret), m.EnvID
		for _, n := range to.Notify {
			ro.Notify = append(ro.Notify, smtp.DSNNotify(n))
		}
		if kind, address, ok := cutType(to.ORcpt); ok {
			ro.OriginalRecipientType, ro.OriginalRecipient = smtp.DSNAddressType(kind), address
		}
	}
	if err := c.Mail(m.From, mo); err != nil {
		return broken(err)
	}
	if err := c.Rcpt(to.Address, ro); err != nil {
		return broken(err)
	}
	w, err := c.Data()
	if err != nil {
		return broken(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(m.Raw)); err != nil {
		return broken(err)
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		return broken(err)
	}
	c.Quit()
	return result{code: 250, enhanced: "2.0.0", text: oneLine(reply.StatusText), host: t.host, dsn: offersDSN}
}

// limitedConn ends after replyLimit bytes.
type limitedConn struct {
	net.Conn
	r io.Reader
}

func (c limitedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
