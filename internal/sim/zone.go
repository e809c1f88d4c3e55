package sim

import (
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Zone is what the world's DNS server knows. Names are compared in lower case, with or without a final dot. A name that was
// never set, and has nothing below it, is NXDOMAIN; a name without records of the type asked is an empty answer.
type Zone struct {
	mu      sync.Mutex
	records map[string]map[uint16][]dns.RR // guarded by mu; name -> type -> records
	trouble map[string]trouble             // guarded by mu
	queries map[string]int                 // guarded by mu; how often each name was asked for, any type
	signed  map[string]bool                // guarded by mu; names from which on down answers are said to be validated
}

// MX is one mail exchanger of a domain.
type MX struct {
	Preference uint16
	Host       string
}

type trouble int

const (
	servfail trouble = iota + 1
	timeout
	refused
)

// recordTTL is short, in seconds, since records change while a test runs.
const recordTTL = 1

func newZone() *Zone {
	return &Zone{records: map[string]map[uint16][]dns.RR{}, trouble: map[string]trouble{}, queries: map[string]int{}, signed: map[string]bool{}}
}

// set replaces the records of one type; none removes them.
func (z *Zone) set(name string, kind uint16, rrs ...dns.RR) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name = fold(name)
	if len(rrs) == 0 {
		delete(z.records[name], kind)
		return
	}
	if z.records[name] == nil {
		z.records[name] = map[uint16][]dns.RR{}
	}
	z.records[name][kind] = rrs
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(fold(name)), Rrtype: kind, Class: dns.ClassINET, Ttl: recordTTL}
}

// SetMX replaces the mail exchangers of a domain; none removes them.
func (z *Zone) SetMX(domain string, mx ...MX) {
	rrs := make([]dns.RR, len(mx))
	for i, m := range mx {
		rrs[i] = &dns.MX{Hdr: header(domain, dns.TypeMX), Preference: m.Preference, Mx: dns.Fqdn(fold(m.Host))}
	}
	z.set(domain, dns.TypeMX, rrs...)
}

// SetNullMX says that a domain takes no mail (RFC 7505).
func (z *Zone) SetNullMX(domain string) {
	z.set(domain, dns.TypeMX, &dns.MX{Hdr: header(domain, dns.TypeMX), Preference: 0, Mx: "."})
}

// SetTXT replaces the TXT records of a name. Each value is one record, cut into strings of 255 bytes as DNS wants (RFC 1035
// section 3.3).
func (z *Zone) SetTXT(name string, values ...string) {
	rrs := make([]dns.RR, len(values))
	for i, v := range values {
		var parts []string
		for len(v) > 255 {
			parts, v = append(parts, escape(v[:255])), v[255:]
		}
		rrs[i] = &dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: append(parts, escape(v))}
	}
	z.set(name, dns.TypeTXT, rrs...)
}

// escape protects what miekg/dns would read as the escapes of a zone file.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

// SetA replaces the IPv4 and IPv6 addresses of a name; none removes them.
func (z *Zone) SetA(name string, addrs ...netip.Addr) {
	var a, aaaa []dns.RR
	for _, addr := range addrs {
		if addr.Unmap().Is4() {
			a = append(a, &dns.A{Hdr: header(name, dns.TypeA), A: addr.Unmap().AsSlice()})
		} else {
			aaaa = append(aaaa, &dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: addr.AsSlice()})
		}
	}
	z.set(name, dns.TypeA, a...)
	z.set(name, dns.TypeAAAA, aaaa...)
}

// SetCNAME makes name an alias of target. The server answers with the alias and what the target has, one chain of up to eight.
func (z *Zone) SetCNAME(name, target string) {
	z.set(name, dns.TypeCNAME, &dns.CNAME{Hdr: header(name, dns.TypeCNAME), Target: dns.Fqdn(fold(target))})
}

// SetPTR names an address in the reverse tree.
func (z *Zone) SetPTR(addr netip.Addr, name string) {
	rev, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return // an invalid address has no place in the tree
	}
	z.set(rev, dns.TypePTR, &dns.PTR{Hdr: header(rev, dns.TypePTR), Ptr: dns.Fqdn(fold(name))})
}

// Add puts a record written as in a zone file beside those that are there: `x.example. 60 IN CAA 0 issue "ca.example"`.
func (z *Zone) Add(record string) error {
	rr, err := dns.NewRR(record)
	if err != nil {
		return err
	}
	name, kind := fold(rr.Header().Name), rr.Header().Rrtype
	rr.Header().Name = dns.Fqdn(name)
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.records[name] == nil {
		z.records[name] = map[uint16][]dns.RR{}
	}
	z.records[name][kind] = append(z.records[name][kind], rr)
	return nil
}

// SetServfail makes every question about this name fail with SERVFAIL until Remove or SetHealthy.
func (z *Zone) SetServfail(name string) { z.setTrouble(name, servfail) }

// SetRefused makes every question about this name answered with REFUSED.
func (z *Zone) SetRefused(name string) { z.setTrouble(name, refused) }

// SetTimeout leaves every question about this name without any answer.
func (z *Zone) SetTimeout(name string) { z.setTrouble(name, timeout) }

// SetHealthy ends the trouble of a name; its records are there again.
func (z *Zone) SetHealthy(name string) { z.setTrouble(name, 0) }

func (z *Zone) setTrouble(name string, t trouble) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.trouble[fold(name)] = t
}

// Remove makes a name NXDOMAIN again.
func (z *Zone) Remove(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.records, fold(name))
	delete(z.trouble, fold(name))
}

// SetSigned says whether answers about a name and all below it are validated by DNSSEC; the longest name set counts. There are no
// signatures: as a validating resolver does, the server sets the AD bit for whoever asks for it.
func (z *Zone) SetSigned(name string, signed bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.signed[fold(name)] = signed
}

// validated says whether every name of an answer is signed.
func (z *Zone) validated(question string, rrs []dns.RR) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, name := range append([]string{question}, names(rrs)...) {
		name = fold(name)
		for {
			signed, set := z.signed[name]
			if set && signed {
				break
			}
			_, rest, more := strings.Cut(name, ".")
			if set || !more {
				return false
			}
			name = rest
		}
	}
	return true
}

func names(rrs []dns.RR) (out []string) {
	for _, rr := range rrs {
		out = append(out, rr.Header().Name)
	}
	return out
}

// Queries is how often anything was asked about this name.
func (z *Zone) Queries(name string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.queries[fold(name)]
}

// answer is what the server says to one question; silent means not a word.
func (z *Zone) answer(q dns.Question) (rrs []dns.RR, rcode int, silent bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := fold(q.Name)
	z.queries[name]++
	switch z.trouble[name] {
	case servfail:
		return nil, dns.RcodeServerFailure, false
	case refused:
		return nil, dns.RcodeRefused, false
	case timeout:
		return nil, 0, true
	}
	for range 8 { // length of an alias chain
		if !z.exists(name) {
			return rrs, dns.RcodeNameError, false
		}
		if found := z.records[name][q.Qtype]; len(found) > 0 || q.Qtype == dns.TypeCNAME {
			return append(rrs, found...), dns.RcodeSuccess, false
		}
		alias := z.records[name][dns.TypeCNAME]
		if len(alias) == 0 {
			return rrs, dns.RcodeSuccess, false
		}
		rrs = append(rrs, alias[0])
		name = fold(alias[0].(*dns.CNAME).Target)
	}
	return nil, dns.RcodeServerFailure, false
}

// exists reports whether name has a record or one below it: an empty name above others is not NXDOMAIN (RFC 8020).
func (z *Zone) exists(name string) bool {
	for n, kinds := range z.records {
		if len(kinds) > 0 && (n == name || strings.HasSuffix(n, "."+name)) {
			return true
		}
	}
	return false
}
