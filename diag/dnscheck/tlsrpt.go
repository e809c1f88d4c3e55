package dnscheck

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/miekg/dns"
)

// TLSRPT is a domain's wish for reports about TLS (RFC 8460).
type TLSRPT struct {
	Found   bool     `json:"found"`
	Unknown bool     `json:"unknown,omitempty"` // DNS failed
	Why     string   `json:"why"`
	RUA     []string `json:"rua,omitempty"`
}

// CheckTLSRPT reads the record at _smtp._tls.
func CheckTLSRPT(ctx context.Context, resolver DNS, domain string) TLSRPT {
	var r TLSRPT
	a := resolver.Lookup(ctx, "_smtp._tls."+domain, dns.TypeTXT)
	if a.Outcome.Temporary() {
		r.Unknown, r.Why = true, "the record cannot be looked up now: "+a.Why
		return r
	}
	var records []string
	for _, txt := range a.Texts() {
		if first, _, _ := strings.Cut(txt, ";"); strings.TrimRight(first, " \t") == "v=TLSRPTv1" {
			records = append(records, txt)
		}
	}
	switch len(records) {
	case 0:
		r.Why = "the domain has no TLS-RPT record"
		return r
	case 1:
	default:
		r.Why = fmt.Sprintf("there are %d TLS-RPT records; senders ignore them all", len(records))
		return r
	}
	tags, _ := parseTags(records[0])
	rua, _ := tags.get("rua")
	for s := range strings.SplitSeq(rua, ",") {
		s = strings.Trim(s, " \t")
		u, err := url.Parse(s)
		if err == nil && (u.Scheme == "mailto" && reportHost(s) != "" || u.Scheme == "https" && u.Host != "") {
			r.RUA = append(r.RUA, s)
		}
	}
	if len(r.RUA) == 0 {
		r.Why = "the TLS-RPT record names no mailto: or https: address"
		return r
	}
	r.Found, r.Why = true, "reports are wanted"
	return r
}
