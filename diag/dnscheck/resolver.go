package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Resolver is a DNS client that speaks to recursive resolvers itself. The standard library's tells neither TTLs, nor
// the AD bit, nor refusals apart from time-outs, and those are what a report is about. The zero value asks the servers of
// /etc/resolv.conf. It is safe for concurrent use; fields are set before the first Lookup.
type Resolver struct {
	// Servers to ask, host:port, in this order. nil = those of /etc/resolv.conf.
	Servers []string
	// Timeout of one exchange with one server. 0 = 1.5 s.
	Timeout time.Duration
	// Rounds over the servers before giving up. 0 = 2.
	Rounds int
	// Deadline of one Lookup with its aliases, retries and TCP. 0 = 5 s.
	Deadline time.Duration
	// TrustAD says that the way to the servers is safe: what they say of DNSSEC is believed. That of servers on this machine is in any
	// case, since nobody stands between; but for Docker's own, which only passes on what a server elsewhere says.
	TrustAD bool
}

const (
	// udpSize is what we say we take over UDP, in octets: it passes any path unfragmented (DNS flag day 2020).
	udpSize = 1232
	// maxAliases bounds a CNAME chain. BIND stops at 16, unbound at 11; mail needs 2.
	maxAliases = 8
	// maxStray bounds the packets on one socket that do not answer our question before we stop listening.
	maxStray = 32
)

// NewResolver gives a client of one server, "host:port" or "host"; "" = those of /etc/resolv.conf.
func NewResolver(server string) (*Resolver, error) {
	if server == "" {
		if _, err := systemServers(); err != nil {
			return nil, err
		}
		return &Resolver{}, nil // each look-up reads the file: it changes while a daemon runs
	}
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	return &Resolver{Servers: []string{server}}, nil
}

// dockerDNS is where a container on a network of Docker's finds its resolver. It validates nothing and hands on the bits of the server behind
// it, over a way that others can speak on.
const dockerDNS = "127.0.0.11"

func systemServers() ([]string, error) {
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("dnscheck: reading the system's resolvers: %w", err)
	}
	var servers []string
	for _, s := range conf.Servers {
		servers = append(servers, net.JoinHostPort(s, conf.Port))
	}
	if len(servers) == 0 {
		return nil, errors.New("dnscheck: /etc/resolv.conf names no resolver; set one")
	}
	return servers, nil
}

// Lookup implements DNS.
func (r *Resolver) Lookup(ctx context.Context, name string, qtype uint16) Answer {
	a := Answer{Name: foldName(name), Type: qtype}
	target, err := wireName(name)
	if err != nil {
		a.Outcome, a.Why = BadName, "this is no name that DNS could hold"
		return a
	}
	a.Name = foldName(target)
	servers := r.Servers
	if servers == nil {
		if servers, err = systemServers(); err != nil {
			a.Outcome, a.Why = ServFail, "no resolver is configured"
			return a
		}
	}
	ctx, cancel := context.WithTimeout(ctx, or(r.Deadline, 5*time.Second))
	defer cancel()

	chain := chain{seen: map[string]bool{target: true}, at: target}
	a.AD = r.TrustAD || onLoopback(servers)
	for {
		m := r.ask(ctx, servers, chain.at, qtype, &a)
		if m == nil {
			a.AD, a.Aliases = false, chain.names()
			return a
		}
		a.AD = a.AD && m.AuthenticatedData
		again := chain.follow(m, &a)
		if a.Outcome != Found {
			a.Records, a.TTL = nil, 0
		}
		if a.Outcome.Temporary() {
			a.AD = false
		}
		if !again {
			a.Aliases = chain.names()
			return a
		}
	}
}

// onLoopback says whether all servers are on this machine, and answer themselves.
func onLoopback(servers []string) bool {
	for _, s := range servers {
		at, err := netip.ParseAddrPort(s)
		if err != nil || !at.Addr().Unmap().IsLoopback() || at.Addr().Unmap().String() == dockerDNS {
			return false
		}
	}
	return true
}

// ask puts one question to the servers until one gives a usable answer; nil, and the reason in a, if none does.
func (r *Resolver) ask(ctx context.Context, servers []string, name string, qtype uint16, a *Answer) *dns.Msg {
	rounds := r.Rounds
	if rounds <= 0 {
		rounds = 2
	}
	for range rounds {
		for _, server := range servers {
			m, tcp, outcome, why := r.exchange(ctx, server, name, qtype, &a.Queries)
			a.TCP = a.TCP || tcp
			if outcome == "" {
				return m
			}
			a.Outcome, a.Why = outcome, why
			if ctx.Err() != nil {
				if a.Outcome != ServFail && a.Outcome != Refused {
					a.Outcome, a.Why = Timeout, "no answer in time"
				}
				return nil
			}
		}
	}
	return nil
}

// exchange asks one server, over UDP, then over TCP if the answer is cut. An outcome means that no usable answer came.
func (r *Resolver) exchange(ctx context.Context, server, name string, qtype uint16, queries *int) (m *dns.Msg, tcp bool, _ Outcome, why string) {
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.AuthenticatedData = true // RFC 6840 section 5.7: tell us whether it validated, without sending the signatures
	q.SetEdns0(udpSize, false)

	*queries++
	m, outcome, why := r.roundTrip(ctx, "udp", server, q)
	if outcome == "" && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) && q.IsEdns0() != nil {
		q.Extra = nil // a server from before RFC 6891
		*queries++
		m, outcome, why = r.roundTrip(ctx, "udp", server, q)
	}
	if outcome == "" && m.Truncated {
		tcp = true
		*queries++
		if m, outcome, why = r.roundTrip(ctx, "tcp", server, q); outcome != "" {
			why = "the answer is too long for UDP, and over TCP: " + why
		} else if m.Truncated {
			outcome, why = Broken, "the answer is cut even over TCP"
		}
	}
	if outcome != "" {
		return nil, tcp, outcome, why
	}
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		return m, tcp, "", ""
	case dns.RcodeServerFailure:
		return nil, tcp, ServFail, "the resolver could not get an answer (SERVFAIL)"
	case dns.RcodeRefused:
		return nil, tcp, Refused, "the resolver refuses to answer us (REFUSED)"
	case dns.RcodeNotAuth, dns.RcodeNotImplemented:
		return nil, tcp, Lame, "the server asked does not resolve this name (" + rcodeName(m.Rcode) + ")"
	}
	return nil, tcp, Broken, "the resolver answered " + rcodeName(m.Rcode)
}

func rcodeName(rcode int) string {
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE %d", rcode)
}

// roundTrip sends q on a socket of its own (so that the kernel picks a fresh source port) and waits for the answer to it.
// Over UDP, packets that answer another question, carry another id or cannot be read are passed over: they may be forged.
func (r *Resolver) roundTrip(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, Outcome, string) {
	ctx, cancel := context.WithTimeout(ctx, or(r.Timeout, 1500*time.Millisecond))
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, failed(ctx, err), "the resolver cannot be reached over " + network
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := &dns.Conn{Conn: raw, UDPSize: udpSize}
	if err := conn.WriteMsg(q); err != nil {
		return nil, failed(ctx, err), "the resolver cannot be reached over " + network
	}
	stray := ""
	for range maxStray {
		m, err := conn.ReadMsg()
		switch {
		case err != nil && m == nil && (ctx.Err() != nil || isNetError(err)):
			if stray != "" {
				return nil, Broken, stray
			}
			if o := failed(ctx, err); o != Timeout {
				return nil, o, "the resolver cannot be reached over " + network
			}
			return nil, Timeout, "no answer in time"
		case err != nil:
			stray = "the answer cannot be read"
		case m.Id != q.Id || !m.Response || m.Opcode != dns.OpcodeQuery || !sameQuestion(m, q):
			stray = "the answer is to another question"
		default:
			return m, "", ""
		}
		if network == "tcp" {
			return nil, Broken, stray
		}
	}
	return nil, Broken, stray
}

func sameQuestion(m, q *dns.Msg) bool {
	if len(m.Question) == 0 && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeRefused || m.Rcode == dns.RcodeServerFailure) {
		return true // RFC 1035 lets a server that could not read the question leave it out; the id has matched
	}
	return len(m.Question) == 1 && m.Question[0].Qtype == q.Question[0].Qtype && m.Question[0].Qclass == q.Question[0].Qclass &&
		lower(m.Question[0].Name) == q.Question[0].Name
}

// isNetError tells a failure of the connection from an answer that could not be unpacked.
func isNetError(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// failed is the outcome of an error of the network.
func failed(ctx context.Context, err error) Outcome {
	var ne net.Error
	if ctx.Err() != nil || errors.As(err, &ne) && ne.Timeout() {
		return Timeout
	}
	return ServFail
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
