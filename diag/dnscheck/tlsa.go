package dnscheck

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// TLSA is one record of DANE (RFC 6698), as RFC 7672 uses it for mail.
type TLSA struct {
	Usage    uint8  `json:"usage"`    // 2 = DANE-TA, 3 = DANE-EE; 0 and 1 are unusable for mail
	Selector uint8  `json:"selector"` // 0 = whole certificate, 1 = public key
	Matching uint8  `json:"matching"` // 0 = exact, 1 = SHA-256, 2 = SHA-512
	Data     []byte `json:"data"`
}

// maxTLSA bounds the data of a record, in octets; an exact certificate has one or two thousand.
const maxTLSA = 16 << 10

// ParseTLSA reads the form "3 1 1 hex…"; white space within the data is allowed.
func ParseTLSA(s string) (TLSA, error) {
	var t TLSA
	f := strings.Fields(s)
	if len(f) < 4 {
		return t, errors.New("dnscheck: a TLSA record has four parts")
	}
	for i, into := range []*uint8{&t.Usage, &t.Selector, &t.Matching} {
		n, err := strconv.ParseUint(f[i], 10, 8)
		if err != nil {
			return t, errors.New("dnscheck: a TLSA record begins with three numbers")
		}
		*into = uint8(n)
	}
	data := strings.Join(f[3:], "")
	if len(data) > 2*maxTLSA {
		return t, errors.New("dnscheck: the TLSA record is too large")
	}
	var err error
	if t.Data, err = hex.DecodeString(data); err != nil {
		return t, errors.New("dnscheck: the TLSA record's data is not hexadecimal")
	}
	return t, nil
}

// Usable says why senders must ignore the record (RFC 7672 section 3.1); "" if they use it.
func (t TLSA) Usable() string {
	switch {
	case t.Usage != 2 && t.Usage != 3:
		return "usages other than 2 and 3 are not for mail"
	case t.Selector > 1:
		return "the selector is unknown"
	case t.Matching > 2:
		return "the matching type is unknown"
	case t.Matching == 1 && len(t.Data) != sha256.Size, t.Matching == 2 && len(t.Data) != sha512.Size, len(t.Data) == 0:
		return "the data has the wrong length"
	}
	return ""
}

// Matches reports whether the record stands for the certificates that a host shows, its own first. For usage 2 the caller must
// also verify the host's certificate against the one matched, and its name (RFC 7672 section 3.1.2).
func (t TLSA) Matches(certs []*x509.Certificate) bool {
	if t.Usable() != "" {
		return false
	}
	if t.Usage == 3 && len(certs) > 1 {
		certs = certs[:1]
	}
	for _, c := range certs {
		data := c.Raw
		if t.Selector == 1 {
			data = c.RawSubjectPublicKeyInfo
		}
		switch t.Matching {
		case 1:
			sum := sha256.Sum256(data)
			data = sum[:]
		case 2:
			sum := sha512.Sum512(data)
			data = sum[:]
		}
		if bytes.Equal(data, t.Data) {
			return true
		}
	}
	return false
}

// Usables are the records that senders use: of those that differ in nothing but the digest, only the strongest (RFC 7671 section 9).
func Usables(records []TLSA) []TLSA {
	var use []TLSA
	for _, r := range records {
		weaker := func(o TLSA) bool {
			return o.Usable() == "" && o.Usage == r.Usage && o.Selector == r.Selector && r.Matching == 1 && o.Matching == 2
		}
		if r.Usable() == "" && !slices.ContainsFunc(records, weaker) {
			use = append(use, r)
		}
	}
	return use
}

// Fits reports whether a host proves itself by these records. certs are what it shows, its own first; names are those that a certificate
// under an authority of usage 2 may be for: the host's, and the recipient's domain (RFC 7672 section 3.2.2). For usage 3 neither names nor
// dates count (section 3.1.1).
func Fits(records []TLSA, certs []*x509.Certificate, names ...string) bool {
	for _, r := range Usables(records) {
		if r.Matches(certs) && (r.Usage == 3 || slices.ContainsFunc(names, func(n string) bool { return r.anchors(certs, n) })) {
			return true
		}
	}
	return false
}

// anchors verifies a host's certificate against the one that a record of usage 2 stands for (RFC 7672 section 3.1.2).
func (t TLSA) anchors(certs []*x509.Certificate, name string) bool {
	opts := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: name}
	for _, c := range certs {
		if t.Matches([]*x509.Certificate{c}) {
			opts.Roots.AddCert(c)
		} else {
			opts.Intermediates.AddCert(c)
		}
	}
	_, err := certs[0].Verify(opts)
	return err == nil
}

// DANE is the state of one mail host. Without a resolver that validates there is no DANE: unsigned records bind nobody.
type DANE struct {
	Host    string   `json:"host"`
	Base    string   `json:"base,omitempty"`    // the name that has the records, where it is another: the host's name is an alias
	Binding bool     `json:"binding"`           // senders that know DANE must find a matching certificate
	Encrypt bool     `json:"encrypt,omitempty"` // validated records, of which none is usable: senders must encrypt, and cannot check the certificate
	Records []TLSA   `json:"records,omitempty"`
	Unusual []string `json:"unusual,omitempty"` // why records are ignored
	Unknown bool     `json:"unknown,omitempty"` // DNS failed; senders that know DANE then defer (RFC 7672 section 2.1)
	Why     string   `json:"why"`
}

// CheckDANE looks up the TLSA records of the hosts of m, for a port; 0 = 25.
func CheckDANE(ctx context.Context, resolver DNS, m MX, port int) []DANE {
	var list []DANE
	for i, h := range m.Hosts {
		if i == maxMXHosts || len(h.Addrs) == 0 {
			continue
		}
		named := m.AD || m.Status == MXImplicit
		list = append(list, HostDANE(ctx, resolver, DANEHost{Name: h.Name, Alias: h.Alias, Named: named, Signed: h.AD && named, Port: port}))
	}
	return list
}

// DANEHost is a host whose records are looked up.
type DANEHost struct {
	Name   string
	Alias  string // what its name is an alias of; "" = it is none
	Named  bool   // that it is a mail host of the domain is validated
	Signed bool   // the way to its address, MX and aliases included, is validated
	Port   int    // 0 = 25
}

// HostDANE looks up the TLSA records of one host. Where its name is an alias, the name behind it is asked first; where only the alias itself
// is validated, and not what it leads to, the records of the name bind all the same (RFC 7672 section 2.2.2).
func HostDANE(ctx context.Context, resolver DNS, h DANEHost) DANE {
	d := DANE{Host: h.Name}
	bases := []string{h.Alias, h.Name}
	if !h.Signed && h.Named && h.Alias != "" {
		alias := resolver.Lookup(ctx, h.Name, dns.TypeCNAME)
		switch {
		case alias.Outcome.Temporary():
			d.Unknown, d.Why = true, "whether the host's alias is signed cannot be looked up now: "+alias.Why
			return d
		case alias.Outcome == Found && alias.AD:
			bases, h.Signed = []string{h.Name}, true
		}
	}
	for _, base := range bases {
		if base == "" {
			continue
		}
		d = DANE{Host: h.Name}
		a := resolver.Lookup(ctx, fmt.Sprintf("_%d._tcp.%s", or(h.Port, 25), base), dns.TypeTLSA)
		d.read(a)
		d.judge(a, h.Signed)
		if base != h.Name {
			d.Base = base
		}
		if d.Unknown || d.Binding || d.Encrypt {
			break
		}
	}
	return d
}

func (d *DANE) read(a Answer) {
	for _, rr := range a.Records[:min(len(a.Records), maxTLSARecords)] {
		r, ok := rr.(*dns.TLSA)
		if !ok {
			continue
		}
		t, err := ParseTLSA(fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.MatchingType, r.Certificate))
		if err != nil {
			d.Unusual = append(d.Unusual, strings.TrimPrefix(err.Error(), "dnscheck: "))
			continue
		}
		d.Records = append(d.Records, t)
		if why := t.Usable(); why != "" {
			d.Unusual = append(d.Unusual, why)
		}
	}
}

// maxTLSARecords bounds the records of one host that are looked at.
const maxTLSARecords = 64

func (d *DANE) judge(a Answer, signed bool) {
	switch {
	case a.Outcome.Temporary():
		d.Unknown, d.Why = true, "the TLSA records cannot be looked up now: "+a.Why
	case a.Outcome.Absent():
		d.Why = "the host has no TLSA record"
	case !a.AD:
		d.Why = "there are TLSA records, but our resolver does not vouch for them (no DNSSEC, or it does not validate)"
	case !signed:
		d.Why = "there are TLSA records, but the way to the host is not signed (DNSSEC), so they do not bind"
	case len(Usables(d.Records)) == 0:
		d.Encrypt, d.Why = true, "all TLSA records are unusable: senders encrypt, but cannot check the certificate"
	default:
		d.Binding, d.Why = true, "senders that know DANE check the certificate"
	}
}
