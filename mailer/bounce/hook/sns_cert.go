package hook

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"
)

// Limits on certificates. A stranger who knows a topic's name can make us fetch what is not kept yet, so fetches are counted.
const (
	certLife    = 24 * time.Hour // how long a certificate is kept, if it lives as long
	certRefused = time.Minute    // how long a bad one is remembered
	certKept    = 32
	certFetches = 10 // per minute
	certChain   = 4  // certificates in one file, and issuers fetched for one
	certBits    = 2048
)

// certPath is how SNS names its certificates.
var certPath = regexp.MustCompile(`^/SimpleNotificationService(-[A-Za-z0-9]{1,64})?\.pem$`)

// issuerHost is where authorities that signed SNS certificates keep their intermediate ones.
var issuerHost = regexp.MustCompile(`^([a-z0-9-]+\.)+amazontrust\.com$|^cacerts\.digicert\.com$`)

// certs fetches, checks and keeps the certificates that sign SNS messages.
type certs struct {
	web   *web
	roots *x509.CertPool
	now   func() time.Time
	turn  chan struct{} // one fetch at a time: whoever waits finds the certificate kept

	mu      sync.Mutex // guards what follows
	kept    map[string]keptCert
	began   time.Time // of the minute in which fetches are counted
	fetches int
}

type keptCert struct {
	key   *rsa.PublicKey // nil = it was refused
	until time.Time
}

func newCerts(w *web, roots *x509.CertPool, now func() time.Time) *certs {
	return &certs{web: w, roots: roots, now: now, turn: make(chan struct{}, 1), kept: map[string]keptCert{}}
}

// key gives the public key of the certificate at a URL. ErrSignature: the URL is not SNS's, or the certificate is no good.
// ErrUnavailable: it could not be had now.
func (c *certs) key(ctx context.Context, at string) (*rsa.PublicKey, error) {
	u, err := snsURL(at)
	if err != nil || !certPath.MatchString(u.Path) || u.RawQuery != "" {
		return nil, ErrSignature
	}
	at = "https://" + u.Hostname() + u.Path
	if k, ok := c.look(at); ok {
		return answer(k)
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ErrUnavailable
	}
	if k, ok := c.look(at); ok {
		return answer(k)
	}
	k, err := c.fetch(ctx, u.Hostname(), at)
	if err != nil {
		return nil, err
	}
	c.keep(at, k)
	return answer(k)
}

func answer(k keptCert) (*rsa.PublicKey, error) {
	if k.key == nil {
		return nil, ErrSignature
	}
	return k.key, nil
}

func (c *certs) look(at string) (keptCert, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[at]
	return k, ok && c.now().Before(k.until)
}

// keep remembers a certificate. The one that ends first makes room, so that refused ones never drive out good ones.
func (c *certs) keep(at string, k keptCert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= certKept {
		first, end := "", time.Time{}
		for name, old := range c.kept {
			if end.IsZero() || old.until.Before(end) {
				first, end = name, old.until
			}
		}
		delete(c.kept, first)
	}
	c.kept[at] = k
}

// may counts a fetch.
func (c *certs) may() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.began) >= time.Minute || now.Before(c.began) {
		c.began, c.fetches = now, 0
	}
	c.fetches++
	return c.fetches <= certFetches
}

// fetch gets a certificate and decides about it. An error means that it could not decide.
func (c *certs) fetch(ctx context.Context, host, at string) (keptCert, error) {
	refused := keptCert{until: c.now().Add(certRefused)}
	if !c.may() {
		return refused, ErrUnavailable
	}
	status, body, err := c.web.get(ctx, at)
	if err != nil || status >= 500 || status == http.StatusTooManyRequests {
		return refused, ErrUnavailable
	}
	if status != http.StatusOK {
		return refused, nil
	}
	var chain []*x509.Certificate
	for len(chain) < certChain {
		var block *pem.Block
		if block, body = pem.Decode(body); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return refused, nil
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return refused, nil
	}
	leaf := chain[0]
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < certBits || leaf.IsCA || !forSNS(leaf, host) {
		return refused, nil
	}
	if trusted, err := c.trusted(ctx, leaf, chain[1:]); err != nil {
		return refused, err
	} else if !trusted {
		return refused, nil
	}
	until := c.now().Add(certLife)
	if leaf.NotAfter.Before(until) {
		until = leaf.NotAfter
	}
	return keptCert{key, until}, nil
}

// forSNS says whether a certificate is made out to SNS. Most regions' says sns.amazonaws.com, some say their own host.
func forSNS(leaf *x509.Certificate, host string) bool {
	return leaf.VerifyHostname("sns.amazonaws.com") == nil || leaf.VerifyHostname(host) == nil
}

// trusted follows the chain to a root. SNS publishes the leaf alone, and a root signs no leaf: the issuers between them are fetched
// from where the certificates say, if that is an authority's host. What is fetched proves itself by its signature, so plain HTTP will do.
func (c *certs) trusted(ctx context.Context, leaf *x509.Certificate, more []*x509.Certificate) (bool, error) {
	o := x509.VerifyOptions{
		Roots: c.roots, Intermediates: x509.NewCertPool(), CurrentTime: c.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, m := range more {
		o.Intermediates.AddCert(m)
	}
	top := leaf
	for range certChain {
		_, err := leaf.Verify(o)
		if err == nil {
			return true, nil
		}
		if errors.As(err, new(x509.SystemRootsError)) {
			return false, ErrUnavailable // this machine knows no authorities
		}
		at := issuerURL(top)
		if at == "" || !errors.As(err, new(x509.UnknownAuthorityError)) {
			return false, nil
		}
		if !c.may() {
			return false, ErrUnavailable
		}
		status, der, err := c.web.get(ctx, at)
		if err != nil || status != http.StatusOK {
			return false, ErrUnavailable
		}
		issuer, err := x509.ParseCertificate(der)
		if err != nil || top.CheckSignatureFrom(issuer) != nil {
			return false, nil
		}
		o.Intermediates.AddCert(issuer)
		top = issuer
	}
	return false, nil
}

// issuerURL is where the certificate's issuer can be had; "" = nowhere that we would look.
func issuerURL(cert *x509.Certificate) string {
	for _, s := range cert.IssuingCertificateURL {
		u, err := url.Parse(s)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.Port() == "" && issuerHost.MatchString(u.Hostname()) {
			return u.String()
		}
	}
	return ""
}
