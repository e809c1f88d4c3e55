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

// DANE is the state of one mail host. Without a resolver that validates there is no DANE: unsigned records bind nobody.
type DANE struct {
	Host    string   `json:"host"`
	Binding bool     `json:"binding"` // senders that know DANE must find a matching certificate
	Records []TLSA   `json:"records,omitempty"`
	Unusual []string `json:"unusual,omitempty"` // why records are ignored
	Unknown bool     `json:"unknown,omitempty"` // DNS failed; senders that know DANE then defer (RFC 7672 section 2.1)
	Why     string   `json:"why"`
}

// CheckDANE looks up the TLSA records of the hosts of m.
func CheckDANE(ctx context.Context, resolver DNS, m MX) []DANE {
	var list []DANE
	for i, h := range m.Hosts {
		if i == maxMXHosts || len(h.Addrs) == 0 {
			continue
		}
		d := DANE{Host: h.Name}
		a := resolver.Lookup(ctx, "_25._tcp."+h.Name, dns.TypeTLSA)
		for _, rr := range a.Records {
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
		d.judge(a, m, h)
		list = append(list, d)
	}
	return list
}

func (d *DANE) judge(a Answer, m MX, h MXHost) {
	switch {
	case a.Outcome.Temporary():
		d.Unknown, d.Why = true, "the TLSA records cannot be looked up now: "+a.Why
	case a.Outcome.Absent():
		d.Why = "the host has no TLSA record"
	case !a.AD:
		d.Why = "there are TLSA records, but our resolver does not vouch for them (no DNSSEC, or it does not validate)"
	case !m.AD && m.Status != MXImplicit, !h.AD:
		d.Why = "there are TLSA records, but the way to the host is not signed (DNSSEC), so they do not bind"
	case len(d.Unusual) == len(a.Records):
		d.Why = "all TLSA records are unusable: senders encrypt, but cannot check the certificate"
	default:
		d.Binding, d.Why = true, "senders that know DANE check the certificate"
	}
}
