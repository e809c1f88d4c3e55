package mailer

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// ProbeStep is one step of a probe: what was done, what came of it, how long it took, what it means.
type ProbeStep struct {
	Step     string   `json:"step"` // mx, policy, address, connect, banner, ehlo, starttls, mail, rcpt, rset, quit
	Host     string   `json:"host,omitempty"`
	IP       string   `json:"ip,omitempty"`
	Grade    Grade    `json:"grade"`
	Code     int      `json:"code,omitempty"`     // of the host's reply
	Enhanced string   `json:"enhanced,omitempty"` // of the host's reply
	Text     string   `json:"text,omitempty"`     // the host's own words
	Says     string   `json:"says"`               // what it means, a sentence for people
	Reason   string   `json:"reason,omitempty"`   // of diag/reply, where a host refused
	Cause    string   `json:"cause,omitempty"`    // in the catalogue of causes, where the step explains why no mail arrives
	Millis   int64    `json:"ms"`
	Cert     *Shown   `json:"certificate,omitempty"`
	Offers   []string `json:"offers,omitempty"` // extensions of EHLO
}

// Grade is how a step went.
type Grade string

const (
	// GradeOK: as it should be.
	GradeOK Grade = "ok"
	// GradeCare: it works, and somebody should know.
	GradeCare Grade = "care"
	// GradeBad: it ends the dialogue with this host.
	GradeBad Grade = "bad"
)

// Shown is the certificate that a host shows.
type Shown struct {
	TLS      string    `json:"tls"` // "TLS 1.3"
	Names    []string  `json:"names,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"not_after"`
	Verified bool      `json:"verified"`          // by the authorities that we trust, for the host's name
	Problem  string    `json:"problem,omitempty"` // why it does not verify
	DANE     string    `json:"dane,omitempty"`    // match, mismatch; "" = no record binds
}

// Probed is the whole of a probe.
type Probed struct {
	Outcome ledger.Outcome `json:"outcome"`         // accepted: a host would take mail for the address
	Cause   string         `json:"cause,omitempty"` // in the catalogue; "" where nothing is wrong
	Says    string         `json:"says"`
	Steps   []ProbeStep    `json:"steps"`
}

// Prober asks the hosts of an address, up to RCPT, whether they would take mail for it. It never says DATA, so nothing is sent; a host
// may still take a probe badly, which is why people start it and nothing else does. The zero value works but for DNS.
type Prober struct {
	DNS  dnscheck.DNS
	HTTP *http.Client // fetches the MTA-STS policy; nil = only its record is read
	HELO string       // "" = localhost
	// Port of the hosts; 0 = 25.
	Port int
	// MTASTS and DANE say whether our mail obeys these policies. They are shown in any case, and end a probe only where they end a mail.
	MTASTS, DANE bool
	// ReturnPath gives the sender to say in MAIL; nil or "" = the null sender. A real one shows what a real mail would meet.
	ReturnPath   func() string
	RootCAs      *x509.CertPool // nil = the system's
	AllowPrivate bool           // hosts may be on loopback, private and link-local addresses
	Limits       Limits         // zero fields are shorter than for mail: a person waits
	Hosts        int            // that are asked until one decides; 0 = 3
	Replies      *reply.Book    // what a host's refusal means; nil = the built-in rules
}

// probeTime is how long a probe may take in all.
const probeTime = 45 * time.Second

// limits are those of a dialogue while a person waits.
func (p *Prober) limits() Limits {
	l := p.Limits
	for _, d := range []struct {
		have *time.Duration
		def  time.Duration
	}{{&l.Dial, 8 * time.Second}, {&l.Banner, 15 * time.Second}, {&l.Command, 15 * time.Second}, {&l.BeforeDot, 30 * time.Second}} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	return l.withDefaults()
}

// Probe asks about an address, which ParseAddress takes. Each step is told as soon as it is over; tell may be nil.
func (p *Prober) Probe(ctx context.Context, to Address, tell func(ProbeStep)) Probed {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	r := &probing{p: p, to: to, limits: p.limits(), tell: tell}
	r.run(ctx)
	if r.out.Steps == nil {
		r.out.Steps = []ProbeStep{}
	}
	return r.out
}

// probing is one probe under way.
type probing struct {
	p       *Prober
	to      Address
	limits  Limits
	tell    func(ProbeStep)
	out     Probed
	demands map[string]demand // by host: what it must prove
}

func (r *probing) step(began time.Time, s ProbeStep) {
	s.Millis = time.Since(began).Milliseconds()
	s.Text = clip(s.Text)
	r.out.Steps = append(r.out.Steps, s)
	if r.tell != nil {
		r.tell(s)
	}
}

func (r *probing) end(o ledger.Outcome, cause, says string) {
	r.out.Outcome, r.out.Cause, r.out.Says = o, cause, says
}

// run goes from DNS to the first host that decides.
func (r *probing) run(ctx context.Context) {
	began := time.Now()
	mx := dnscheck.CheckMX(ctx, r.p.DNS, r.to.Domain)
	ok, outcome, cause := readMX(mx)
	grade := GradeBad
	if ok {
		grade = GradeOK
	}
	r.step(began, ProbeStep{Step: "mx", Grade: grade, Says: sentence(mx.Why), Cause: cause})
	if !ok {
		r.end(outcome, cause, sentence(mx.Why))
		return
	}
	r.policies(ctx, mx)
	most := r.p.Hosts
	if most == 0 {
		most = 3
	}
	r.end(ledger.Unreachable, "deferred.remote_down", "No host of the domain can be reached.")
	asked := 0
	for _, h := range mx.Hosts {
		ips := r.addresses(h)
		if len(mx.Hosts) > 1 && len(ips) > 1 {
			ips = oneOfEach(ips)
		}
		demand := r.demands[h.Name]
		if len(ips) > 0 && demand.unfit != "" && demand.enforced() {
			s := ProbeStep{Step: "policy", Host: h.Name, Grade: GradeBad, Cause: "tls.policy_failed", Says: policyWords(demand.policy) + " keeps mail from this host: " + demand.why + "."}
			r.end(demand.blockedAs(), s.Cause, s.Says)
			r.step(time.Now(), s)
			continue
		}
		for _, ip := range ips {
			if asked++; asked > most || ctx.Err() != nil {
				return
			}
			d := &probeDialogue{probing: r, host: h.Name, ip: ip, demand: demand}
			if d.run(ctx) {
				return
			}
		}
	}
}

// readMX says whether there is anybody to ask, and if not, what that means.
func readMX(mx dnscheck.MX) (ok bool, outcome ledger.Outcome, cause string) {
	switch mx.Status {
	case dnscheck.MXHosts, dnscheck.MXImplicit:
		return true, "", ""
	case dnscheck.MXNoDomain:
		return false, ledger.NoHost, "recipient.no_domain"
	case dnscheck.MXNull, dnscheck.MXNone, dnscheck.MXDead:
		return false, ledger.NoHost, "recipient.no_mail_service"
	}
	return false, ledger.NoDNS, "deferred.other"
}

// addresses tells where a host is, and leaves out where we must not go.
func (r *probing) addresses(h dnscheck.MXHost) []netip.Addr {
	began := time.Now()
	s := ProbeStep{Step: "address", Host: h.Name, Grade: GradeOK}
	var ips []netip.Addr
	hidden := false
	for _, ip := range h.Addrs[:min(maxAddresses, len(h.Addrs))] {
		ip = ip.Unmap()
		if !r.p.AllowPrivate && !dnscheck.IsPublic(ip) {
			hidden = true
			continue
		}
		ips = append(ips, ip)
	}
	switch {
	case len(ips) > 0 && hidden:
		s.Grade, s.Says = GradeCare, "The host has addresses on the Internet, and others that nobody can reach; those are left out."
	case len(ips) > 0:
		s.Says = "The host has an address on the Internet."
		if r.p.AllowPrivate {
			s.Says = "The host has an address."
		}
	case hidden:
		s.Grade, s.Cause, s.Says = GradeBad, "recipient.no_mail_service", "The host has no address on the Internet: it is a loopback, private or reserved one, and no connection is made to it."
		r.end(ledger.Blocked, s.Cause, s.Says)
	case h.Unknown:
		s.Grade, s.Cause, s.Says = GradeBad, "deferred.other", "DNS does not tell the host's address at the moment."
		r.end(ledger.NoDNS, s.Cause, s.Says)
	default:
		s.Grade, s.Cause, s.Says = GradeBad, "recipient.no_mail_service", "The host has no address."
	}
	var texts []string
	for _, ip := range ips {
		texts = append(texts, ip.String())
	}
	s.Text = strings.Join(texts, ", ")
	r.step(began, s)
	return ips
}

// policies tells what the domain demands of TLS. MTA-STS is asked for as it is published now; a mail may go by an older policy that is still
// valid.
func (r *probing) policies(ctx context.Context, mx dnscheck.MX) {
	began := time.Now()
	var hosts []string
	for _, h := range mx.Hosts {
		hosts = append(hosts, h.Name)
	}
	sts := dnscheck.CheckMTASTS(ctx, r.p.DNS, r.p.HTTP, r.to.Domain, hosts)
	dane := dnscheck.CheckDANE(ctx, r.p.DNS, mx, r.p.Port)
	s := ProbeStep{Step: "policy", Grade: GradeOK, Says: "MTA-STS: " + sentence(sts.Why)}
	switch sts.Status {
	case dnscheck.STSValid:
		s.Text = sts.Policy.Mode
		if len(sts.Uncovered) > 0 {
			s.Grade = GradeCare
		}
	case dnscheck.STSAbsent, dnscheck.STSNotFetched:
	default:
		s.Grade = GradeCare
	}
	if n := slices.IndexFunc(dane, func(d dnscheck.DANE) bool { return d.Binding }); n >= 0 {
		s.Says += " DANE: " + sentence(dane[n].Why)
	} else {
		s.Says += " DANE: no record that binds."
	}
	r.demands = map[string]demand{}
	for _, h := range hosts {
		r.demands[h] = r.demandOf(h, sts, dane)
		if r.demands[h].enforced() {
			s.Says += " " + h + " must fit " + policyWords(r.demands[h].policy) + "."
		}
	}
	r.step(began, s)
}

// demandOf is what a host must prove before our mail goes there.
func (r *probing) demandOf(host string, sts dnscheck.MTASTS, dane []dnscheck.DANE) demand {
	for _, x := range dane {
		if d, ok := daneDemand(x, r.to.Domain); ok && r.p.DANE && x.Host == host {
			return d
		}
	}
	if sts.Policy != nil && r.p.MTASTS {
		if d, ok := stsDemand(*sts.Policy, sts.ID, host); ok {
			return d
		}
	}
	return demand{}
}
