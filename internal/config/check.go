package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
)

// checker asks of a configuration that was read what start-up will rely on.
type checker struct {
	*report
	c   *Config
	dir string // relative paths count from here
}

func (k *checker) all() {
	k.c.signers = map[string][]Signer{}
	k.http()
	k.store()
	k.tokenKeys()
	k.throttle()
	k.delivery()
	k.smtp()
	k.diag()
	k.canary()
	k.routes()
	k.domains()
	k.realms()
	k.apiKeys()
	k.hooks()
	k.bounceMailbox()
}

func (k *checker) http() {
	h := &k.c.HTTP
	k.listen("http.listen", h.Listen, false)
	k.listen("http.ops_listen", h.OpsListen, true)
	k.sameAddress("http.ops_listen", h.OpsListen, "http.listen", h.Listen)
	k.sameAddress("smtp.bounce_listen", k.c.SMTP.BounceListen, "http.listen", h.Listen)
	k.sameAddress("smtp.bounce_listen", k.c.SMTP.BounceListen, "http.ops_listen", h.OpsListen)
	k.c.proxies = nil
	for i, s := range h.TrustedProxies {
		p, err := network("trusted_proxies", s)
		if err != nil {
			k.bad(at("http.trusted_proxies", i), err.Error(), `trusted_proxies = ["10.0.0.0/8"]`)
			continue
		}
		if p.Bits() == 0 {
			k.bad(at("http.trusted_proxies", i), "this network is everybody: anybody could say to be anybody", "name your proxies' networks")
		}
		k.c.proxies = append(k.c.proxies, p)
	}
	if h.PublicURL == "" {
		k.bad("http.public_url", "[http] public_url is required: every link begins with it", `public_url = "https://reset.example.org"`)
		return
	}
	u, ok := k.ownURL("http.public_url", h.PublicURL)
	if ok && (u.RawQuery != "" || u.Fragment != "" || u.ForceQuery) {
		k.bad("http.public_url", "public_url has a query or fragment; links are made by adding /r/ and a token", "end it after the host or a path")
	}
	h.PublicURL = strings.TrimRight(h.PublicURL, "/")
}

func (k *checker) store() {
	s := &k.c.Store
	k.secret(&s.Redis, &s.RedisFile, "store.redis")
	if s.Redis != "" {
		path := "store.redis"
		if s.RedisFile != "" {
			path = "store.redis_file"
		}
		k.redisURL(path, string(s.Redis))
	}
	s.Dir = k.abs(s.Dir)
	k.oneOf("store.durability", s.Durability, "memory", "fsync", "replica")
	if s.Durability == "memory" {
		k.warn("store.durability", "with memory a 202 promises nothing: a crash of Redis loses resets that were accepted", `durability = "fsync"`)
	}
	if s.Retention.Std() < 24*time.Hour {
		k.bad("store.retention", "retention is below 24h, the longest life of a link", `retention = "720h"`)
	}
}

func (k *checker) throttle() {
	if k.c.Throttle.Merge.Std() > 24*time.Hour {
		k.bad("throttle.merge", "merge is over 24h: the first mail's link would be dead", `merge = "60s"`)
	}
	k.c.denied = nil
	for i, s := range k.c.Throttle.Deny {
		p, err := network("deny", s)
		if err != nil {
			k.bad(at("throttle.deny", i), err.Error(), `deny = ["192.0.2.0/24", "2001:db8::/32"]`)
			continue
		}
		if p.Bits() == 0 {
			k.bad(at("throttle.deny", i), "this network is everybody: no ask would be served", "")
		}
		k.c.denied = append(k.c.denied, p)
	}
	if k.c.Throttle.Account.Off() && k.c.Throttle.Source.Off() {
		k.warn("throttle.account", "both throttles are off: anybody can have a mailbox flooded", "")
	}
}

func (k *checker) canary() {
	c := k.c.Canary
	if e := c.Every.Std(); e != 0 && e < 5*time.Minute {
		k.bad("canary.every", "every is below 5m: each canary is a real mail", `every = "1h", or 0 for none`)
	}
	if w := c.Within.Std(); w < time.Minute || w > 12*time.Hour {
		k.bad("canary.within", "within is not between 1m and 12h", `within = "15m"`)
	}
}

// network reads one network or address of a list. Bits behind its length show that something else was meant.
func network(list, s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, errors.New(list + " has what is no network and no IP address")
	case p.Masked() != p:
		return netip.Prefix{}, fmt.Errorf("%s has a network with bits set behind its length; it is %v", list, p.Masked())
	}
	return p, nil
}

// Proxies are the networks whose X-Forwarded-For is believed.
func (c *Config) Proxies() []netip.Prefix { return slices.Clone(c.proxies) }

// Denied are the networks from which no ask is served.
func (c *Config) Denied() []netip.Prefix { return slices.Clone(c.denied) }

func (k *checker) delivery() {
	if len(k.c.Delivery.Retry) == 0 {
		k.bad("delivery.retry", "retry has no gap: a mail that is deferred would never be offered again", `retry = ["1m", "3m", "6m", "10m", "15m", "30m"]`)
	}
	if len(k.c.Delivery.Retry) > 100 {
		k.bad("delivery.retry", "retry has over 100 gaps; the last one repeats by itself", "")
	}
	for i, d := range k.c.Delivery.Retry {
		if path := at("delivery.retry", i); d.Std() < time.Second {
			k.bad(path, "the gap is below 1s", `such as "1m"`)
		}
	}
}

func (k *checker) smtp() {
	s := &k.c.SMTP
	switch {
	case s.Helo == "":
		k.bad("smtp.helo", "[smtp] helo is required: mail hosts look at the name that greets them", `helo = "mail.example.org"`)
	case !isHost(s.Helo, false) && !isAddressLiteral(s.Helo):
		k.bad("smtp.helo", "helo is not a host name", `helo = "mail.example.org"`)
	case !strings.ContainsAny(s.Helo, ".["):
		k.warn("smtp.helo", "helo has no dot; most hosts on the Internet refuse such a name", "")
	}
	switch {
	case s.BounceDomain == "":
		k.bad("smtp.bounce_domain", "[smtp] bounce_domain is required: returned mail goes there", `bounce_domain = "bounces.example.org"`)
	case !isHost(s.BounceDomain, false):
		k.bad("smtp.bounce_domain", "bounce_domain is not a domain", `bounce_domain = "bounces.example.org"`)
	}
	k.listen("smtp.bounce_listen", s.BounceListen, true)
	k.reportBox("smtp.dmarc_reports", s.DMARCReports)
	k.reportBox("smtp.tls_reports", s.TLSReports)
	k.c.outgoing = k.publicIPs("smtp.outgoing_ips", s.OutgoingIPs, "receivers see another, that of the relay or of the NAT", "name the addresses that receivers see")
	k.c.receivers = k.publicIPs("smtp.receiver_ips", s.ReceiverIPs, "nobody on the Internet reaches it", "name the addresses to which the MX leads, of the NAT or the balancer where there is one")
	if r := k.c.DNS.Resolver; r != "" {
		if _, port, ok := hostPort(r); !ok || port == 0 {
			k.bad("dns.resolver", "resolver is not host:port", `resolver = "127.0.0.1:53"`)
		}
	}
}

// publicIPs reads a list of addresses that the Internet is to see.
func (k *checker) publicIPs(key string, texts []string, private, instead string) []netip.Addr {
	var out []netip.Addr
	for i, text := range texts {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			_, name, _ := strings.Cut(key, ".")
			k.bad(at(key, i), "this is not an IP address", name+` = ["192.0.2.25", "2001:db8::25"]`)
			continue
		}
		if !dnscheck.IsPublic(ip.Unmap()) {
			k.warn(at(key, i), "the address is not a public one; "+private, instead)
		}
		out = append(out, ip.Unmap())
	}
	return out
}

func (k *checker) routes() {
	seen := map[string]bool{}
	for i := range k.c.Routes {
		r := &k.c.Routes[i]
		path := at("route", i)
		k.name(path, "route", r.Name, seen)
		switch {
		case r.Smarthost == "" && !r.MX:
			k.bad(path+".smarthost", "a route needs smarthost or mx = true", `smarthost = "smtp.example.net:587"`)
		case r.Smarthost != "" && r.MX:
			k.bad(path+".mx", "a route has smarthost or mx, not both", "write two routes")
		case r.Smarthost != "":
			if h, port, ok := hostPort(r.Smarthost); !ok || h == "" || port == 0 {
				k.bad(path+".smarthost", "smarthost is not host:port", `smarthost = "smtp.example.net:587"`)
			} else if port == 465 && r.TLS != "" && r.TLS != "implicit" {
				k.warn(path+".tls", "port 465 speaks TLS from the first byte", `tls = "implicit"`)
			}
			if k.has(path + ".port") {
				k.bad(path+".port", "port is for mx = true; a smarthost's port stands behind its name", "")
			}
		}
		if r.Port < 1 || r.Port > 65535 {
			k.bad(path+".port", "port is not between 1 and 65535", "port = 25")
		}
		if r.Cap.Per > 31*24*time.Hour {
			k.bad(path+".cap", "cap has a time of over 31 days", `cap = "10000/24h"`)
		}
		if r.TLS == "" && r.MX {
			r.TLS = "opportunistic"
		} else if r.TLS == "" {
			r.TLS = "required"
		}
		k.oneOf(path+".tls", r.TLS, "none", "opportunistic", "required", "implicit")
		k.policy(path+".mta_sts", r, &r.MTASTS)
		k.policy(path+".dane", r, &r.DANE)
		k.login(path, r)
		k.caFile(path+".ca_file", &r.CAFile)
	}
}

// policy: a recipient's own TLS policy is obeyed by mx routes, unless they never speak TLS.
func (k *checker) policy(path string, r *Route, obey *bool) {
	if *obey && k.has(path) {
		switch {
		case !r.MX:
			k.bad(path, last(path)+" is for mx = true; behind a smarthost it is the relay that meets the recipient's hosts", "")
		case r.TLS == "none":
			k.bad(path, last(path)+" needs TLS, and this route has none", `tls = "opportunistic"`)
		}
	}
	*obey = *obey && r.MX && r.TLS != "none"
	if host, _, ok := hostPort(k.c.DNS.Resolver); *obey && k.has(path) && last(path) == "dane" && ok && !isLoopback(host) && !k.c.DNS.TrustAD {
		k.warn(path, "dane has no effect: what a resolver on another machine says of DNSSEC is not believed", "a validating resolver on this machine, or [dns] trust_ad = true where nobody else can speak on the way to it")
	}
}

// login: AUTH goes only over verified TLS, so that a password is never told to whoever answers.
func (k *checker) login(path string, r *Route) {
	has := k.secret(&r.Password, &r.PasswordFile, path+".password")
	switch {
	case r.Username != "" && r.Password == "" && r.PasswordFile == "":
		k.bad(path+".username", "username without a password", `password_file = "relay.password"`)
	case r.Username == "" && has:
		k.bad(path+".password_file", "a password without username", "")
	case r.Username != "" && r.MX:
		k.bad(path+".username", "username with mx: there is nobody to log in to at a recipient's MX", "")
	case r.Username != "" && (r.TLS == "none" || r.TLS == "opportunistic"):
		k.bad(path+".tls", "username needs verified TLS, or the password is told to whoever answers", `tls = "required", with ca_file for an authority of your own`)
	}
}

func (k *checker) domains() {
	seen := map[string]bool{}
	for i := range k.c.Domains {
		d := &k.c.Domains[i]
		path := at("domain", i)
		switch name := strings.ToLower(d.Name); {
		case d.Name == "":
			k.bad(path+".name", "a domain needs a name", `name = "example.org"`)
		case !isHost(d.Name, false):
			k.bad(path+".name", "name is not a domain", "write an internationalised one in its xn-- form")
		case seen[name]:
			k.bad(path+".name", "two [[domain]] tables have this name", "put all keys in one")
		default:
			seen[name] = true
		}
		selectors := map[string]bool{}
		for j := range d.DKIM {
			where := path + "." + at("dkim", j)
			if s := strings.ToLower(d.DKIM[j].Selector); s != "" && selectors[s] {
				k.bad(where+".selector", "two keys of this domain have this selector; DNS has room for one", "RSA and Ed25519 need a selector each")
			} else {
				selectors[s] = true
			}
			k.dkim(d.Name, where, &d.DKIM[j])
		}
		if len(d.DKIM) == 0 {
			k.warn(path, "the domain has no [[domain.dkim]]: its mail goes out unsigned, and Gmail, Yahoo and Microsoft refuse or junk it", "`resetd keys dkim new` makes keys")
		}
	}
}

var hexDigest = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (k *checker) apiKeys() {
	const ofNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	names, secrets := map[string]bool{}, map[string]bool{}
	for i := range k.c.APIKeys {
		a := &k.c.APIKeys[i]
		path := at("api_key", i)
		k.name(path, "api_key", a.Name, names)
		if a.Role == "" {
			k.bad(path+".role", "an API key needs a role", "app, support, admin or ops")
		} else {
			k.oneOf(path+".role", a.Role, "app", "support", "admin", "ops")
		}
		for j, r := range a.Realms {
			k.knownRealm(at(path+".realms", j), r)
		}
		switch d := strings.ToLower(a.SecretSHA256); {
		case d == "":
			k.bad(path+".secret_sha256", "an API key needs secret_sha256", "`resetd keys api` makes a secret and prints its table")
		case !hexDigest.MatchString(d):
			k.bad(path+".secret_sha256", "secret_sha256 is not 64 hex digits", "it is the hash, not the secret; `resetd keys api` prints both")
		case d == ofNothing:
			k.bad(path+".secret_sha256", "secret_sha256 is the hash of nothing", "`resetd keys api` makes a secret")
		case secrets[d]:
			k.bad(path+".secret_sha256", "two API keys have this secret: the audit trail could not tell them apart", "`resetd keys api` makes another")
		default:
			secrets[d], a.SecretSHA256 = true, d
		}
	}
	if len(k.c.APIKeys) == 0 {
		k.warn("", "there is no [[api_key]]: nobody can ask for a reset", "`resetd keys api -name shop -role app` makes one")
	}
}

func (k *checker) hooks() {
	seen := map[string]bool{}
	for i := range k.c.Hooks {
		h := &k.c.Hooks[i]
		path := at("hook", i)
		if h.Provider == "" {
			k.bad(path+".provider", "a hook needs a provider", "ses, sendgrid, mailgun, postmark or standard")
			continue
		}
		if !k.oneOf(path+".provider", h.Provider, "ses", "sendgrid", "mailgun", "postmark", "standard") {
			continue
		}
		if seen[h.Provider] {
			k.bad(path+".provider", "two [[hook]] tables have this provider, and one URL", "put them together")
		}
		seen[h.Provider] = true
		for j, r := range h.Routes {
			k.knownRoute(at(path+".routes", j), r)
		}
		has := k.secret(&h.Secret, &h.SecretFile, path+".secret")
		switch {
		case h.Provider == "ses" && len(h.Topics) == 0:
			k.warn(path, "no topics: anybody can make an SNS topic of their own, so no event is taken until its topic is named", `topics = ["arn:aws:sns:…"]`)
		case h.Provider != "ses" && len(h.Topics) > 0:
			k.bad(path+".topics", "topics are for ses", "")
		case h.Provider != "ses" && !has && h.SecretFile == "" && h.Secret == "":
			k.bad(path+".secret_file", "the hook has no secret, so that its events could not be verified", `secret_file = "postmark.secret"`)
		}
	}
}

func (k *checker) bounceMailbox() {
	b := &k.c.BounceMailbox
	has := k.secret(&b.Password, &b.PasswordFile, "bounce_mailbox.password")
	if b.IMAP == "" {
		return
	}
	k.imapURL("bounce_mailbox.imap", b.IMAP)
	k.caFile("bounce_mailbox.ca_file", &b.CAFile)
	if b.Username == "" {
		k.bad("bounce_mailbox.username", "imap needs username", "")
	}
	if !has && b.PasswordFile == "" {
		k.bad("bounce_mailbox.password_file", "imap needs password_file", "")
	}
}

// name checks a name that people choose, and that it is unique.
func (k *checker) name(path, what, name string, seen map[string]bool) {
	switch {
	case name == "":
		k.bad(path+".name", "every [["+what+"]] needs a name", "")
	case !slug.MatchString(name):
		k.bad(path+".name", "a name is 1 to 64 letters, digits, - , _ or .", "")
	case seen[name]:
		k.bad(path+".name", "two [["+what+"]] tables have this name", "")
	}
	seen[name] = true
}

var slug = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (k *checker) oneOf(path, value string, words ...string) bool {
	if slices.Contains(words, value) {
		return true
	}
	if k.broken(path) {
		return false
	}
	try := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	if near := closest(value, words); near != "" {
		try = "did you mean " + near + "? It is " + try
	}
	k.bad(path, last(path)+" has a value that is unknown", try)
	return false
}

func (k *checker) knownRealm(path, name string) {
	var names []string
	for _, r := range k.c.RealmTables {
		if r.Name == name {
			return
		}
		names = append(names, r.Name)
	}
	k.unknownName(path, "realm", name, names)
}

func (k *checker) knownRoute(path, name string) {
	var names []string
	for _, r := range k.c.Routes {
		if r.Name == name {
			return
		}
		names = append(names, r.Name)
	}
	k.unknownName(path, "route", name, names)
}

func (k *checker) unknownName(path, what, name string, known []string) {
	if k.meant[what+"[]"] || k.meant[what] {
		return // the tables are there, written in a way that could not be read
	}
	try := "add it as [[" + what + "]]"
	if near := closest(name, known); near != "" {
		try = "did you mean " + near + "?"
	} else if len(known) > 0 {
		try = "there are: " + strings.Join(known, ", ")
	}
	k.bad(path, fmt.Sprintf("there is no %s of this name", what), try)
}

func (k *checker) folder(path, what string, dir *string) {
	if *dir == "" {
		return
	}
	*dir = k.abs(*dir)
	if _, err := os.ReadDir(*dir); err != nil {
		k.bad(path, what+" cannot be read: "+reason(err), "relative paths count from the folder of "+filepath.Base(k.file))
	}
}

// ReceiverIPs are the addresses under which the Internet reaches the receiver of returned mail; nil = unknown.
func (c *Config) ReceiverIPs() []netip.Addr { return slices.Clone(c.receivers) }

// OutgoingIPs are the addresses that mail leaves from; nil = unknown.
func (c *Config) OutgoingIPs() []netip.Addr { return slices.Clone(c.outgoing) }
