package dnscheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// mechanism evaluates one mechanism (RFC 7208 section 5) and writes it into the trace.
func (e *spfEval) mechanism(ctx context.Context, t spfTerm, domain string, depth int) (bool, error) {
	step := SPFStep{Depth: depth, Domain: domain, Term: t.raw}
	if t.queries() {
		if err := e.count(&step); err != nil {
			e.trace(step, string(SPFPermError))
			return false, err
		}
	}
	if t.name == "include" {
		return e.include(ctx, t, step, domain, depth)
	}
	var match bool
	var err error
	switch t.name {
	case "all":
		match = true
	case "ip4", "ip6":
		match = t.prefix.Contains(e.ip)
		step.Why = "the network of the term"
	default:
		target, terr := e.target(ctx, t.spec, domain)
		if terr != nil {
			e.trace(step, string(SPFPermError))
			return false, permError("%q %v", clip(t.raw, 80), terr)
		}
		step.Asked = show(target, 255)
		switch t.name {
		case "a":
			match, err = e.hostMatches(ctx, target, t, &step)
		case "mx":
			match, err = e.mx(ctx, target, t, &step)
		case "ptr":
			match = e.ptr(ctx, target, &step)
		case "exists":
			a, lerr := e.ask(ctx, target, dns.TypeA, &step) // always A, also for IPv6 clients (section 5.7)
			match, err = a.Outcome == Found, lerr
		}
	}
	if err != nil {
		result, _ := e.ended(err)
		e.trace(step, string(result))
		return false, err
	}
	if match {
		e.trace(step, "match")
	} else {
		e.trace(step, "no match")
	}
	return match, nil
}

// include asks whether another domain's record passes the client (section 5.2).
func (e *spfEval) include(ctx context.Context, t spfTerm, step SPFStep, domain string, depth int) (bool, error) {
	target, err := e.target(ctx, t.spec, domain)
	if err != nil {
		e.trace(step, string(SPFPermError))
		return false, permError("%q %v", clip(t.raw, 80), err)
	}
	step.Asked = show(target, 255)
	e.trace(step, "entered")
	result, why := e.host(ctx, target, depth+1)
	step.Why = why
	switch result {
	case SPFPass:
		e.trace(step, "match")
		return true, nil
	case SPFTempError:
		e.trace(step, string(result))
		return false, spfError{SPFTempError, why}
	case SPFPermError:
		e.trace(step, string(result))
		return false, spfError{SPFPermError, why}
	case SPFNone:
		e.trace(step, string(SPFPermError))
		return false, permError("%q leads to a domain without an SPF record", clip(t.raw, 80))
	}
	e.trace(step, "no match")
	return false, nil
}

// ask is a look-up on behalf of a term: failures end the evaluation, and those that find nothing are counted as void.
func (e *spfEval) ask(ctx context.Context, name string, qtype uint16, step *SPFStep) (Answer, error) {
	a := e.dns.Lookup(ctx, name, qtype)
	switch {
	case a.Outcome.Temporary():
		step.Answer = string(a.Outcome)
		return a, spfError{SPFTempError, fmt.Sprintf("%s of %s cannot be looked up: %s", dns.TypeToString[qtype], show(name, 80), a.Why)}
	case a.Outcome.Absent():
		step.Void, step.Answer = true, string(a.Outcome)
		if e.out.VoidLookups++; e.out.VoidLookups > spfMaxVoid {
			return a, permError("more than %d look-ups found nothing", spfMaxVoid)
		}
	}
	return a, nil
}

// addressType is the type of the client's family.
func (e *spfEval) addressType() uint16 {
	if e.ip.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}

func (e *spfEval) hostMatches(ctx context.Context, host string, t spfTerm, step *SPFStep) (bool, error) {
	a, err := e.ask(ctx, host, e.addressType(), step)
	if err != nil {
		return false, err
	}
	bits := t.v4
	if e.ip.Is6() {
		bits = t.v6
	}
	addrs := a.Addrs()
	step.Why = listAddrs(addrs)
	for _, ip := range addrs {
		if netip.PrefixFrom(ip, bits).Contains(e.ip) {
			return true, nil
		}
	}
	return false, nil
}

func listAddrs(addrs []netip.Addr) string {
	var b strings.Builder
	for i, ip := range addrs {
		if i == 4 {
			fmt.Fprintf(&b, " and %d more", len(addrs)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(ip.String())
	}
	return b.String()
}

func (e *spfEval) mx(ctx context.Context, domain string, t spfTerm, step *SPFStep) (bool, error) {
	a, err := e.ask(ctx, domain, dns.TypeMX, step)
	if err != nil {
		return false, err
	}
	if len(a.Records) > spfMaxNames {
		return false, permError("%q names %d mail hosts; more than %d may not be looked up", clip(t.raw, 80), len(a.Records), spfMaxNames)
	}
	for _, rr := range sortedMX(a) {
		if rr.Mx == "." {
			continue
		}
		match, err := e.hostMatches(ctx, unescape(strings.TrimSuffix(rr.Mx, ".")), t, step)
		if match || err != nil {
			return match, err
		}
	}
	return false, nil
}

func sortedMX(a Answer) []*dns.MX {
	var mxs []*dns.MX
	for _, rr := range a.Records {
		if mx, ok := rr.(*dns.MX); ok {
			mxs = append(mxs, mx)
		}
	}
	slices.SortStableFunc(mxs, func(a, b *dns.MX) int {
		if a.Preference != b.Preference {
			return int(a.Preference) - int(b.Preference)
		}
		return strings.Compare(lower(a.Mx), lower(b.Mx))
	})
	return mxs
}

// ptr matches a client whose name, confirmed by its address, lies under domain. Failures mean no match (section 5.5).
func (e *spfEval) ptr(ctx context.Context, domain string, step *SPFStep) bool {
	domain = foldName(domain)
	names := e.confirmedNames(ctx)
	step.Why = strings.Join(names, " ")
	for _, name := range names {
		if isUnder(name, domain) {
			return true
		}
	}
	return false
}

// confirmedNames are the names of the client that have its address, of the first ten that reverse DNS gives.
func (e *spfEval) confirmedNames(ctx context.Context) []string {
	rev, err := dns.ReverseAddr(e.ip.String())
	if err != nil {
		return nil
	}
	names := e.dns.Lookup(ctx, rev, dns.TypePTR).targets()
	if len(names) > spfMaxNames {
		names = names[:spfMaxNames]
	}
	var confirmed []string
	for _, name := range names {
		if slices.Contains(e.dns.Lookup(ctx, name, e.addressType()).Addrs(), e.ip) {
			confirmed = append(confirmed, name)
		}
	}
	return confirmed
}

// validatedName is %{p}: the domain itself if it is among the client's names, else one below it, else any, else "unknown".
func (e *spfEval) validatedName(ctx context.Context, domain string) string {
	names, domain := e.confirmedNames(ctx), foldName(domain)
	if slices.Contains(names, domain) {
		return domain
	}
	for _, name := range names {
		if isUnder(name, domain) {
			return name
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return "unknown"
}
