package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer"
)

// questionsOf says of each domain that mail comes from how it is meant to send: the [[domain]] tables, and the domains of From that no
// table signs for.
func questionsOf(cfg *config.Config) []dnscheck.Question {
	var out []dnscheck.Question
	add := func(name string) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if name == "" || slices.ContainsFunc(out, func(q dnscheck.Question) bool { return q.Domain == name }) {
			return
		}
		q := dnscheck.Question{Domain: name, EnvelopeDomain: cfg.SMTP.BounceDomain, IPs: cfg.OutgoingIPs(), HELO: cfg.SMTP.Helo, ReturnAddrs: cfg.ReceiverIPs()}
		q.DMARCReports, q.TLSReports = reportAddress(cfg, cfg.SMTP.DMARCReports), reportAddress(cfg, cfg.SMTP.TLSReports)
		for _, s := range cfg.DKIM(name) {
			q.Selectors = append(q.Selectors, dnscheck.Selector{Name: s.Selector, Public: s.Key.Public()})
		}
		out = append(out, q)
	}
	for _, d := range cfg.Domains {
		add(d.Name)
	}
	for _, r := range cfg.Realms() {
		_, domain, _ := strings.Cut(r.From, "@")
		if domain = strings.Trim(domain, " >"); len(cfg.DKIM(domain)) == 0 {
			add(domain)
		}
	}
	return out
}

// dnsOf is whom checks ask.
func dnsOf(cfg *config.Config) (dnscheck.Deps, error) {
	dns, err := dnscheck.NewResolver(cfg.DNS.Resolver)
	if err != nil {
		return dnscheck.Deps{}, err
	}
	dns.TrustAD = cfg.DNS.TrustAD
	d := dnscheck.Dialer{DNS: dns}
	if cfg.SMTP.AllowPrivateAddresses {
		d.Allow = func(netip.AddrPort) bool { return true }
	}
	deps := dnscheck.Deps{DNS: dns, HTTP: dnscheck.PolicyClient(d), Lists: dnscheck.Blocklists()}
	if cfg.SMTP.BounceListen == "" {
		return deps, nil // bounces go to a mailbox, or nowhere
	}
	paths, err := pathsOf(cfg)
	if err != nil {
		return dnscheck.Deps{}, err
	}
	r := &mailer.Reacher{ReturnPath: probePath(paths), HELO: cfg.SMTP.Helo, Port: mxPort(cfg), AllowPrivate: cfg.SMTP.AllowPrivateAddresses}
	deps.Receiver = r.Reach
	return deps, nil
}

// mxPort is where mail hosts are asked: the port of the first route that leads to the MX; 0 = 25.
func mxPort(cfg *config.Config) int {
	for _, r := range cfg.Routes {
		if r.MX {
			return r.Port
		}
	}
	return 0
}

// outsideOf is what people may ask of the world. Probes go to the port of the first route that leads to the MX, 25 without one. The
// prober says the null sender until it is given a ReturnPath.
func outsideOf(cfg *config.Config) (desk.Outside, error) {
	deps, err := dnsOf(cfg)
	if err != nil {
		return desk.Outside{}, err
	}
	p := &mailer.Prober{DNS: deps.DNS, HTTP: deps.HTTP, HELO: cfg.SMTP.Helo, AllowPrivate: cfg.SMTP.AllowPrivateAddresses, Replies: cfg.Replies(), MTASTS: true, DANE: true}
	for _, r := range cfg.Routes {
		if !r.MX {
			continue
		}
		route, err := routeOf(cfg, r)
		if err != nil {
			return desk.Outside{}, err
		}
		p.Port, p.RootCAs, p.MTASTS, p.DANE = route.Port, route.RootCAs, route.MTASTS, route.DANE
		break
	}
	return desk.Outside{Domains: questionsOf(cfg), DNS: deps, Prober: p}, nil
}

// pathsOf makes the return paths of a configuration.
func pathsOf(cfg *config.Config) (*mailer.Paths, error) {
	var keys []mailer.Key
	for _, k := range cfg.TokenKeys() {
		keys = append(keys, mailer.Key{ID: k.ID, Secret: k.Secret})
	}
	return mailer.NewPaths(cfg.SMTP.BounceDomain, keys)
}

// probePath gives a return path as real mails have one, of a message that never was: some hosts call back before they answer.
func probePath(paths *mailer.Paths) func() string {
	return func() string {
		seed := ledger.NewSeed()
		return paths.ReturnPath(ledger.NewMessageID(int(seed[0])%ledger.Partitions, seed))
	}
}
