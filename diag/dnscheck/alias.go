package dnscheck

import (
	"time"

	"github.com/miekg/dns"
)

// chain follows the aliases from the name asked to the name that has the records.
type chain struct {
	at   string          // where we stand, in wire form
	seen map[string]bool // every name of the chain
	path []string        // the names after the first
	ttl  uint32          // the least TTL of the aliases; meaningless while path is empty
}

func (c *chain) names() []string {
	if len(c.path) == 0 {
		return nil
	}
	names := make([]string, len(c.path))
	for i, n := range c.path {
		names[i] = foldName(n)
	}
	return names
}

// follow reads one message: it moves along the aliases in it, fills a with what stands at their end, and reports whether
// the end must be asked for in a new message.
func (c *chain) follow(m *dns.Msg, a *Answer) (again bool) {
	alias := map[string]*dns.CNAME{}
	for _, rr := range m.Answer {
		if cn, ok := rr.(*dns.CNAME); ok && alias[lower(cn.Hdr.Name)] == nil {
			alias[lower(cn.Hdr.Name)] = cn
		}
	}
	moved := false
	for a.Type != dns.TypeCNAME {
		cn := alias[c.at]
		if cn == nil {
			break
		}
		next := lower(cn.Target)
		if c.seen[next] || len(c.path) == maxAliases {
			a.Outcome, a.Why = Broken, "its aliases (CNAME) run in a circle or too far"
			return false
		}
		if len(c.path) == 0 || cn.Hdr.Ttl < c.ttl {
			c.ttl = cn.Hdr.Ttl
		}
		c.seen[next], c.at, moved = true, next, true
		c.path = append(c.path, next)
	}

	a.Records = nil
	ttl := c.ttl
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Rrtype != a.Type || h.Class != dns.ClassINET || lower(h.Name) != c.at {
			continue
		}
		if len(a.Records) == 0 && len(c.path) == 0 || h.Ttl < ttl {
			ttl = h.Ttl
		}
		a.Records = append(a.Records, rr)
	}
	switch {
	case len(a.Records) > 0:
		a.Outcome, a.Why, a.TTL = Found, "", time.Duration(ttl)*time.Second
	case m.Rcode == dns.RcodeNameError:
		a.Outcome, a.Why = NXDomain, "no such name"
		if len(c.path) > 0 {
			a.Why = "it is an alias (CNAME) of a name that does not exist"
		}
	case moved && !hasSOA(m):
		return true
	case !moved && strangers(m):
		a.Outcome, a.Why = Broken, "the answer is about another name"
	case !moved && referral(m):
		a.Outcome, a.Why = Lame, "the server asked sends us elsewhere instead of resolving the name"
	default:
		a.Outcome, a.Why = NoData, "the name has no record of this type"
	}
	return false
}

func hasSOA(m *dns.Msg) bool {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

// strangers reports an answer section with records, none of which belongs to the name asked. Signatures are no strangers.
func strangers(m *dns.Msg) bool {
	for _, rr := range m.Answer {
		if rr.Header().Rrtype != dns.TypeRRSIG {
			return true
		}
	}
	return false
}

// referral is how a server that does not recurse answers: name servers of another zone, and no promise to recurse.
func referral(m *dns.Msg) bool {
	if m.RecursionAvailable || m.Authoritative || hasSOA(m) {
		return false
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeNS {
			return true
		}
	}
	return false
}
