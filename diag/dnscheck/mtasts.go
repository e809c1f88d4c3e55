package dnscheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// STSStatus is how a domain stands with MTA-STS.
type STSStatus string

const (
	// STSAbsent: no record; nobody expects a policy.
	STSAbsent STSStatus = "absent"
	// STSValid: record and policy are in order.
	STSValid STSStatus = "valid"
	// STSBadRecord: the TXT record cannot be read, or there are several; senders act as if there were none.
	STSBadRecord STSStatus = "bad_record"
	// STSNoPolicy: there is a record, but the policy cannot be fetched or read.
	STSNoPolicy STSStatus = "no_policy"
	// STSNotFetched: there is a record; the policy was not asked for.
	STSNotFetched STSStatus = "not_fetched"
	// STSUnknown: DNS failed.
	STSUnknown STSStatus = "unknown"
)

// MTASTS is what a sender learns about the TLS policy of a domain.
type MTASTS struct {
	Status    STSStatus  `json:"status"`
	Why       string     `json:"why"`
	ID        string     `json:"id,omitempty"`
	Policy    *STSPolicy `json:"policy,omitempty"`
	Uncovered []string   `json:"uncovered,omitempty"` // mail hosts that the policy does not allow
}

// PolicyClient makes an HTTP client that fetches policies as RFC 8461 section 3.3 demands: no redirects, no proxy, proper
// certificates, only hosts on the Internet (unless allowed), and small budgets of time and octets.
func PolicyClient(d Dialer) *http.Client {
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  5 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckMTASTS reads the record of a domain and fetches its policy; with a nil client only the record is read. hosts are the
// mail hosts that the policy must cover.
func CheckMTASTS(ctx context.Context, resolver DNS, client *http.Client, domain string, hosts []string) MTASTS {
	s := stsRecord(ctx, resolver, domain)
	if s.Status != STSNotFetched || client == nil {
		return s
	}
	p, err := fetchPolicy(ctx, client, domain)
	if err != nil {
		s.Status, s.Why = STSNoPolicy, strings.TrimPrefix(err.Error(), "dnscheck: ")
		return s
	}
	s.Status, s.Why, s.Policy = STSValid, "mode "+p.Mode, &p
	for _, h := range hosts {
		if p.Mode != "none" && !p.Covers(h) {
			s.Uncovered = append(s.Uncovered, foldName(h))
		}
	}
	return s
}

// stsRecord reads the record of a domain: STSNotFetched, with the ID, where it announces a policy.
func stsRecord(ctx context.Context, resolver DNS, domain string) MTASTS {
	var s MTASTS
	a := resolver.Lookup(ctx, "_mta-sts."+domain, dns.TypeTXT)
	if a.Outcome.Temporary() {
		s.Status, s.Why = STSUnknown, "the record cannot be looked up now: "+a.Why
		return s
	}
	var records []string
	for _, txt := range a.Texts() {
		if first, _, _ := strings.Cut(txt, ";"); strings.TrimRight(first, " \t") == "v=STSv1" {
			records = append(records, txt)
		}
	}
	switch len(records) {
	case 0:
		s.Status, s.Why = STSAbsent, "the domain has no MTA-STS record"
		return s
	case 1:
	default:
		s.Status, s.Why = STSBadRecord, fmt.Sprintf("there are %d MTA-STS records; senders ignore them all", len(records))
		return s
	}
	tags, err := parseTags(records[0])
	id, _ := tags.get("id")
	if err != nil || !isSTSID(id) {
		s.Status, s.Why = STSBadRecord, "the record has no id= of 1 to 32 letters and digits"
		return s
	}
	s.ID = id
	s.Status, s.Why = STSNotFetched, "the policy was not fetched"
	return s
}

func isSTSID(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; !isDigit(s[i]) && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func fetchPolicy(ctx context.Context, client *http.Client, domain string) (STSPolicy, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return STSPolicy{}, errors.New("dnscheck: the policy's address is no URL")
	}
	res, err := client.Do(req)
	if err != nil {
		return STSPolicy{}, fmt.Errorf("dnscheck: the policy cannot be fetched: %s", fetchReason(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return STSPolicy{}, fmt.Errorf("dnscheck: the policy's server answers with status %d; it must be 200, without redirect", res.StatusCode)
	}
	if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || media != "text/plain" {
		return STSPolicy{}, errors.New("dnscheck: the policy is not served as text/plain")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPolicy+1))
	if err != nil {
		return STSPolicy{}, fmt.Errorf("dnscheck: the policy cannot be fetched: %s", fetchReason(err))
	}
	return ParseSTSPolicy(string(body))
}

// fetchReason says what went wrong without repeating addresses.
func fetchReason(err error) string {
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	var ne net.Error
	switch {
	case errors.Is(err, ErrNotPublic):
		return "its server has no address on the Internet"
	case errors.As(err, &host):
		return "the certificate of its server is for another name"
	case errors.As(err, &cert):
		return "the certificate of its server is not trusted"
	case errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "its server does not answer in time"
	}
	return "its server cannot be reached or breaks off"
}
