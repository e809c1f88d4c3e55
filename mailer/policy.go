package mailer

import (
	"context"
	"slices"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// policies say what each host of one delivery must prove. A host with DANE records is judged by these alone: MTA-STS may not overrule
// them, in either direction (RFC 8461 section 2).
type policies struct {
	route  Route
	domain string
	hosts  *dnscheck.MailHosts  // nil = nobody is asked for DANE
	sts    *dnscheck.STSInForce // nil = none
	known  map[string]demand
}

// policiesFor finds the MTA-STS policy of the recipient's domain. hosts will have been looked up when a host is asked about.
func (d *Deliverer) policiesFor(ctx context.Context, route Route, domain string, hosts *dnscheck.MailHosts) *policies {
	p := &policies{route: route, domain: domain, known: map[string]demand{}}
	if route.TLS == TLSNone || hosts == nil {
		return p
	}
	if route.DANE {
		p.hosts = hosts
	}
	if route.MTASTS && d.STS != nil {
		in := d.STS.InForce(ctx, domain)
		p.sts = &in
	}
	return p
}

// enforced says whether the domain's MTA-STS policy rules hosts out.
func (p *policies) enforced() bool {
	return p.sts != nil && p.sts.Policy != nil && p.sts.Policy.Mode == "enforce"
}

// of says what a host must prove.
func (p *policies) of(ctx context.Context, host string) demand {
	d, ok := p.known[host]
	if !ok {
		d = p.find(ctx, host)
		p.known[host] = d
	}
	return d
}

func (p *policies) find(ctx context.Context, host string) demand {
	if p.hosts != nil {
		if d, ok := daneDemand(p.hosts.DANE(ctx, host, p.route.Port), p.domain, p.hosts.Behind()); ok {
			return d
		}
	}
	if p.sts != nil && p.sts.Policy != nil {
		if d, ok := stsDemand(*p.sts.Policy, p.sts.ID, host); ok {
			return d
		}
	}
	if p.route.TLS == TLSRequired || p.route.TLS == TLSImplicit {
		return demand{policy: ledger.ByRoute}
	}
	return demand{}
}

// daneDemand reads what a host's records demand; false = nothing.
func daneDemand(x dnscheck.DANE, domains ...string) (demand, bool) {
	d := demand{policy: ledger.DANE}
	switch {
	case x.Unknown:
		d.unfit, d.why = ledger.TLSAUnknown, x.Why
		return d, true
	case !x.Binding && !x.Encrypt:
		return demand{}, false
	}
	d.tlsa = dnscheck.Usables(x.Records)
	for _, n := range append([]string{x.Base, x.Host}, domains...) {
		if n != "" && !slices.Contains(d.names, n) {
			d.names = append(d.names, n)
		}
	}
	return d, true
}

// stsDemand reads what a policy demands of a host; false = nothing.
func stsDemand(p dnscheck.STSPolicy, id, host string) (demand, bool) {
	d := demand{policy: ledger.MTASTS, id: id}
	switch p.Mode {
	case "enforce":
	case "testing":
		d.policy = ledger.MTASTSTesting
	default:
		return demand{}, false
	}
	if !p.Covers(host) {
		d.unfit, d.why = ledger.NotInPolicy, "the policy names no such mail host"
	}
	return d, true
}

// blocked is the attempt at a host that is not dialled, because it does not fit before a word is said.
func (d demand) blocked(a ledger.Attempt, t target) ledger.Attempt {
	a.Host, a.IP, a.Stage, a.Security = t.host, t.ip.String(), stageDNS, d.begin()
	a.Outcome, a.Text = d.blockedAs(), clip(policyWords(d.policy)+": "+d.why)
	return a
}

// blockedAs is how that ends: by our own decision, or for want of DNS.
func (d demand) blockedAs() ledger.Outcome {
	if d.unfit == ledger.TLSAUnknown {
		return ledger.NoDNS
	}
	return ledger.Blocked
}
