package realm

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
)

const (
	httpTimeout = 5 * time.Second // for the whole answer, CONTRACT.md
	maxAnswer   = 64 << 10        // bytes, CONTRACT.md
)

// HTTPOptions are what an HTTP directory may need beyond its URL. The zero value is right for a directory on the public Internet.
type HTTPOptions struct {
	AllowPrivate bool          // may be asked at loopback, link-local and private addresses
	Bearer       string        // sent as "Authorization: Bearer …"; "" = none
	Timeout      time.Duration // of one look-up; 0 = 5 s
	TLS          *tls.Config   // nil = the system's roots
	Resolver     *net.Resolver // nil = the system's
}

// HTTP is a directory behind a URL, asked by POST.
type HTTP struct {
	url     string
	bearer  string
	timeout time.Duration
	client  *http.Client
}

// NewHTTP is the directory at url. Connections are kept for the next look-up.
func NewHTTP(url string, o HTTPOptions) *HTTP {
	dialer := &net.Dialer{Timeout: httpTimeout, Resolver: o.Resolver}
	if !o.AllowPrivate {
		// The address that is dialled is checked, after DNS: a check of the name before it could be answered differently the second time.
		dialer.Control = dnscheck.PublicOnly
	}
	h := &HTTP{url: url, bearer: o.Bearer, timeout: o.Timeout}
	if h.timeout == 0 {
		h.timeout = httpTimeout
	}
	h.client = &http.Client{
		Transport: &http.Transport{ // no Proxy: it would dial in our place, past the rule above
			DialContext:            dialer.DialContext,
			TLSClientConfig:        o.TLS,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    4,
			MaxConnsPerHost:        32,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true, // the cap is on what is read; a bomb would be small on the wire
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h
}

// Close ends idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// Lookup asks the directory. Every error is an *Unavailable, and neither its text nor its cause's holds an address.
func (h *HTTP) Lookup(ctx context.Context, realm, login string) (Found, error) {
	limit := h.timeout
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)) // whoever asks may have less patience
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body, err := json.Marshal(struct {
		Realm string `json:"realm"`
		Login string `json:"login"`
	}{realm, login})
	if err != nil {
		return Found{}, unavailable(KindNonsense, "the question could not be written", nil)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return Found{}, unavailable(KindRefused, "its URL cannot be used", nil)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "resetd")
	if h.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+h.bearer)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return Found{}, transport(err, limit)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Found{}, badStatus(resp.StatusCode)
	}
	// application/json, or a type of RFC 6839's +json; a login page in HTML is the usual wrong answer.
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || t != "application/json" && !strings.HasSuffix(t, "+json") {
		return Found{}, unavailable(KindNonsense, "it answered something other than JSON (see Content-Type)", nil)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(answer) > maxAnswer {
		return Found{}, unavailable(KindTooBig, fmt.Sprintf("it answered more than %d KiB", maxAnswer>>10), nil)
	}
	if err != nil {
		return Found{}, transport(err, limit)
	}
	return decodeAnswer(answer, realm)
}

// transport says in our own words why no answer came: Go's texts hold the URL and the dialled address.
func transport(err error, limit time.Duration) *Unavailable {
	var errno syscall.Errno
	var timeout net.Error
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, dnscheck.ErrNotPublic):
		return unavailable(KindRefused, "its host name leads to "+ErrPrivateAddress.Error(), ErrPrivateAddress)
	case errors.Is(err, context.Canceled):
		return unavailable(KindSilent, "the look-up was ended from our side", context.Canceled)
	case errors.As(err, &dns):
		return unavailable(KindSilent, "its host name could not be looked up", nil)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return unavailable(KindSilent, fmt.Sprintf("no answer within %s", max(limit.Round(10*time.Millisecond), 0)), context.DeadlineExceeded)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable(KindRefused, "the connection was refused", syscall.ECONNREFUSED)
	case errors.As(err, &cert):
		return unavailable(KindRefused, "its TLS certificate is not trusted", nil)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return unavailable(KindSilent, "the connection was closed before the answer was complete", io.ErrUnexpectedEOF)
	case errors.As(err, &errno):
		return unavailable(KindSilent, "no connection: "+errno.Error(), errno)
	}
	return unavailable(KindSilent, "no answer: the connection failed", nil)
}

func badStatus(code int) *Unavailable {
	switch {
	case code >= 300 && code < 400:
		return unavailable(KindStatus, fmt.Sprintf("it answered %d, a redirect, which is not followed", code), nil)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return unavailable(KindStatus, fmt.Sprintf("it answered %d: our credentials are not accepted", code), nil)
	}
	return unavailable(KindStatus, fmt.Sprintf("it answered %d", code), nil)
}

// decodeAnswer reads what the directory sent. What a decision rests on must be beyond doubt; a look-alike that makes no sense is merely left out.
func decodeAnswer(data []byte, realm string) (Found, error) {
	var raw struct {
		Accounts json.RawMessage `json:"accounts"`
		Near     json.RawMessage `json:"near"`
	}
	if err := strictJSON(data, &raw); err != nil {
		return Found{}, unavailable(KindNonsense, "its answer is "+err.Error(), nil)
	}
	var accounts []json.RawMessage
	if t := bytes.TrimSpace(raw.Accounts); len(t) == 0 || t[0] != '[' || json.Unmarshal(t, &accounts) != nil {
		return Found{}, unavailable(KindNonsense, "its answer has no array accounts", nil)
	}
	var found Found
	seen := map[string]bool{}
	for _, one := range accounts {
		a, err := ParseAccount(one)
		if err != nil {
			return Found{}, unavailable(KindNonsense, "its answer makes no sense: "+err.Error(), nil)
		}
		switch {
		case a.Realm != "" && a.Realm != realm:
			return Found{}, unavailable(KindNonsense, "it answered for another realm than the one asked", nil)
		case seen[a.ID]:
			return Found{}, unavailable(KindNonsense, "it answered two accounts with one id", nil)
		}
		a.Realm, seen[a.ID] = realm, true
		found.Accounts = append(found.Accounts, a)
	}
	var near []json.RawMessage
	if json.Unmarshal(raw.Near, &near) != nil {
		return found, nil
	}
	for _, one := range near {
		if a, err := ParseAccount(one); err == nil && (a.Realm == "" || a.Realm == realm) && !seen[a.ID] && len(found.Near) < maxNear {
			a.Realm = realm
			found.Near = append(found.Near, a)
		}
	}
	return found, nil
}
