package mailer

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
)

// Reacher finds out whether our receiver of bounces stands behind a mail host, also behind a NAT or a balancer, where no address tells. It says
// RCPT with a return path that we signed, of a message that never was, and with one whose signature is spoilt: only who has our keys takes
// the one and refuses the other. Nothing is sent.
type Reacher struct {
	// ReturnPath makes a signed return path.
	ReturnPath   func() string
	HELO         string // "" = localhost
	Port         int    // of the hosts; 0 = 25
	AllowPrivate bool   // hosts may be on loopback, private and link-local addresses
	Limits       Limits // zero fields: 2 s to connect, 2 s for each reply, 4 s in all; a check waits for it
}

// Reach asks one host, at the first of its addresses that takes a connection, two at most.
func (r *Reacher) Reach(ctx context.Context, h dnscheck.MXHost) dnscheck.Reached {
	out := dnscheck.Reached{Host: h.Name, State: dnscheck.ReachUntried, Why: "it has no address on the Internet"}
	l := r.Limits
	for _, d := range []struct {
		have *time.Duration
		def  time.Duration
	}{{&l.Dial, 2 * time.Second}, {&l.Banner, 2 * time.Second}, {&l.Command, 2 * time.Second}, {&l.BeforeDot, 4 * time.Second}} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	var ips []netip.Addr
	for _, ip := range h.Addrs {
		if ip = ip.Unmap(); r.AllowPrivate || dnscheck.IsPublic(ip) {
			ips = append(ips, ip)
		}
	}
	if len(ips) > 1 {
		ips = oneOfEach(ips)
	}
	for _, ip := range ips[:min(len(ips), 2)] {
		port := "25"
		if r.Port != 0 {
			port = strconv.Itoa(r.Port)
		}
		s, err := dial(ctx, l.withDefaults(), target{host: h.Name, ip: ip}, port)
		if err != nil {
			out.Why = "no connection: " + netText(ctx, err)
			continue
		}
		out.IP = ip
		out.State, out.Why = r.converse(ctx, s)
		return out
	}
	return out
}

// converse asks over a fresh connection.
func (r *Reacher) converse(ctx context.Context, s *session) (dnscheck.ReachState, string) {
	defer s.close()
	defer context.AfterFunc(ctx, s.w.cut)()
	s.top = &speech{Conn: s.w, w: s.w}
	d := &probeDialogue{s: s, read: bufio.NewReader(s.top)}
	path := r.ReturnPath()
	ask := func(command string, limit time.Duration) (answered, string) {
		a, err := d.say(command, limit)
		if err != nil {
			return a, "the dialogue broke off: " + s.errText(err)
		}
		return a, ""
	}
	for _, c := range []struct {
		command string
		limit   time.Duration
	}{{"", s.w.limits.Banner}, {"EHLO " + Route{HELO: r.HELO}.helo(), s.w.limits.Command}, {"MAIL FROM:<>", s.w.limits.Command}} {
		switch a, broke := ask(c.command, c.limit); {
		case broke != "":
			return dnscheck.ReachUntried, broke
		case a.code/100 != 2:
			return dnscheck.ReachUntried, fmt.Sprintf("it does not speak with us (%d)", a.code)
		}
	}
	signed, broke := ask("RCPT TO:<"+path+">", s.w.limits.Command)
	if broke != "" {
		return dnscheck.ReachUntried, broke
	}
	spoilt, broke := ask("RCPT TO:<"+spoil(path)+">", s.w.limits.Command)
	if broke != "" {
		return dnscheck.ReachUntried, broke
	}
	if _, broke := ask("RSET", s.w.limits.Command); broke == "" {
		ask("QUIT", s.w.limits.Command)
	}
	switch good, bad := signed.code/100, spoilt.code/100; {
	case good == 2 && bad == 5:
		return dnscheck.ReachOurs, "it takes a return path that we signed, and no other"
	case good == 2 && bad == 2:
		return dnscheck.ReachAny, "it takes any address"
	case good == 5:
		return dnscheck.ReachOther, fmt.Sprintf("another server answers there, or a receiver with other keys: it refuses a return path that we signed (%d)", signed.code)
	}
	return dnscheck.ReachUntried, fmt.Sprintf("it answers %d and %d to a signed and an unsigned return path, which says nothing", signed.code, spoilt.code)
}

// spoil changes the last character of a return path's signature.
func spoil(path string) string {
	b := []byte(path)
	for i := range b {
		if i+1 < len(b) && b[i+1] == '@' {
			if b[i] == 'a' {
				b[i] = 'q'
			} else {
				b[i] = 'a'
			}
		}
	}
	return string(b)
}
