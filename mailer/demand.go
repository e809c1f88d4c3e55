package mailer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// demand is what a host must prove before it gets the mail. The zero value demands nothing: opportunistic TLS.
type demand struct {
	policy ledger.Policy
	id     string          // of the MTA-STS policy
	tlsa   []dnscheck.TLSA // DANE: the records; none = the host must encrypt, and no certificate can be checked (RFC 7672 section 2.2)
	names  []string        // DANE: whom a certificate under an authority may be for, the host's own name first
	unfit  ledger.Fault    // found before any dialogue: the host is not to be dialled
	why    string          // of unfit
}

// enforced says whether mail may go to the host only if it fits.
func (d demand) enforced() bool { return d.policy.Enforced() }

// key is what two mails must have in common beside the host to share a connection. One that was made for less does not serve for more.
// Under an authority's record (usage 2) the names count: a certificate for the domain of the one mail may be none for that of the other.
func (d demand) key() string {
	var b strings.Builder
	b.WriteString(string(d.policy))
	named := false
	for _, t := range d.tlsa {
		b.WriteByte(' ')
		b.WriteString(string([]byte{t.Usage, t.Selector, t.Matching}))
		b.Write(t.Data)
		named = named || t.Usage == 2
	}
	if named {
		b.WriteString(" " + strings.Join(d.names, " "))
	}
	return b.String()
}

// sni is the name that the host is asked for; DANE asks for the one that has the records (RFC 7672 section 8.1).
func (d demand) sni(host string) string {
	if len(d.names) > 0 {
		return d.names[0]
	}
	return host
}

// begin is how the dialogue is recorded before anything is known of its TLS; nil = nothing is demanded.
func (d demand) begin() *ledger.Security {
	if d.policy == "" {
		return nil
	}
	return &ledger.Security{Policy: d.policy, PolicyID: d.id, Failed: d.unfit, Problem: d.why}
}

// fails notes what does not fit; nothing where nothing is demanded.
func (d demand) fails(s *ledger.Security, fault ledger.Fault, problem string) *ledger.Security {
	if d.policy == "" {
		return s
	}
	if s == nil {
		s = d.begin()
	}
	if d.policy == ledger.DANE && len(d.tlsa) == 0 && fault != ledger.NoSTARTTLS && fault != ledger.ValidationFault {
		return s // nothing can be checked, so nothing of a certificate fails
	}
	s.Failed, s.Problem = fault, clip(problem)
	return s
}

// shown judges what a host has shown in its handshake: by the authorities that we trust, and by whoever demands more.
func (d demand) shown(cs tls.ConnectionState, host string, roots *x509.CertPool) *ledger.Security {
	s := d.begin()
	if s == nil {
		s = &ledger.Security{}
	}
	s.Cipher = tls.CipherSuiteName(cs.CipherSuite)
	certs := cs.PeerCertificates
	if len(certs) == 0 { // no cipher that Go offers is without a certificate
		s.Certificate = ledger.ValidationFault
		return d.fails(s, ledger.ValidationFault, "the host showed no certificate")
	}
	var problem string
	s.Certificate, problem = judgeCertificate(certs, host, roots)
	s.Problem = problem
	switch d.policy {
	case ledger.MTASTS, ledger.MTASTSTesting:
		if s.Certificate != ledger.Verified && d.unfit == "" {
			return d.fails(s, s.Certificate, problem)
		}
		if d.unfit != "" {
			s.Problem = d.why
		}
	case ledger.DANE:
		if len(d.tlsa) > 0 && !dnscheck.Fits(d.tlsa, certs, d.names...) {
			return d.fails(s, ledger.TLSAMismatch, "no TLSA record fits the certificate that the host shows")
		}
	}
	return s
}

// judgeCertificate verifies a host's certificate, and says in words why it does not.
func judgeCertificate(certs []*x509.Certificate, host string, roots *x509.CertPool) (ledger.Fault, string) {
	opts := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	leaf := certs[0]
	_, err := leaf.Verify(opts)
	if err == nil {
		return ledger.Verified, ""
	}
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		return ledger.HostMismatch, "the " + clip(strings.TrimPrefix(err.Error(), "x509: "))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && leaf.NotBefore.After(time.Now()):
		return ledger.CertExpired, "the certificate is not valid before " + leaf.NotBefore.UTC().Format(time.DateOnly)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ledger.CertExpired, "the certificate ran out on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case errors.As(err, &unknown) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil:
		return ledger.SelfSigned, "the certificate is signed by itself, by no authority"
	case errors.As(err, &unknown):
		return ledger.NotTrusted, "the certificate is by an authority that we do not trust"
	}
	return ledger.NotTrusted, "the certificate does not verify: " + clip(strings.TrimPrefix(err.Error(), "x509: "))
}

// policyWords name a policy for people.
func policyWords(p ledger.Policy) string {
	switch p {
	case ledger.MTASTS:
		return "MTA-STS"
	case ledger.MTASTSTesting:
		return "MTA-STS (testing)"
	case ledger.DANE:
		return "DANE"
	}
	return "the route"
}
