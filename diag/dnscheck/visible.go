package dnscheck

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Sighting is what one server shows of a key.
type Sighting struct {
	Where string  `json:"where"` // "the resolver", or the name of an authoritative server
	Key   DKIMKey `json:"key"`
}

// Everywhere looks at a key on all servers that answer for it: the resolver, whose cache receivers may share, and each authoritative
// server of the zone, which one after another learn of a change.
type Everywhere struct {
	DNS DNS
	// Port of authoritative servers. 0 = 53.
	Port uint16
	// Allow names addresses of authoritative servers that are asked though they are not public. nil = none.
	Allow func(netip.Addr) bool
}

// maxAuthorities bounds the servers of a zone that are asked.
const maxAuthorities = 16

// CheckKey compares a key with what each server shows. The resolver comes first, then the zone's servers by name. A server that has no
// address to ask is an unknown one, not a silent yes.
func (e Everywhere) CheckKey(ctx context.Context, domain string, s Selector) []Sighting {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	out := []Sighting{{Where: "the resolver", Key: CheckKey(ctx, e.DNS, domain, s)}}
	names := e.authorities(ctx, dkimName(s.Name, domain))
	more := make([]Sighting, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() { more[i] = Sighting{Where: name, Key: e.ask(ctx, name, domain, s)} })
	}
	asking.Wait()
	return append(out, more...)
}

// authorities are the servers of the zone that a name lies in: the NS records of the nearest name above it that has some.
func (e Everywhere) authorities(ctx context.Context, name string) []string {
	for name = foldName(name); strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		a := e.DNS.Lookup(ctx, name, dns.TypeNS)
		var names []string
		for _, rr := range a.Records {
			if ns, ok := rr.(*dns.NS); ok && len(names) < maxAuthorities {
				names = append(names, foldName(ns.Ns))
			}
		}
		if len(names) > 0 {
			return names
		}
	}
	return nil
}

func (e Everywhere) ask(ctx context.Context, server, domain string, s Selector) DKIMKey {
	unknown := func(why string) DKIMKey {
		return DKIMKey{Selector: s.Name, Name: foldName(dkimName(s.Name, domain)), Status: KeyUnknown, Why: why}
	}
	list, _ := addresses(ctx, e.DNS, server)
	port := "53"
	if e.Port != 0 {
		port = strconv.Itoa(int(e.Port))
	}
	var at []string
	for _, a := range list {
		for _, ip := range a.Addrs() {
			if ip = ip.Unmap(); IsPublic(ip) || e.Allow != nil && e.Allow(ip) {
				at = append(at, net.JoinHostPort(ip.String(), port))
			}
		}
	}
	if len(at) == 0 {
		return unknown("the server has no address that could be asked")
	}
	r := &Resolver{Servers: at[:min(4, len(at))]}
	return CheckKey(ctx, r, domain, s)
}
