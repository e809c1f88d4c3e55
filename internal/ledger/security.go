package ledger

// Security is how a dialogue was secured, and what had been demanded of it. Nil in an Attempt = in clear, and nobody demanded more.
type Security struct {
	Cipher string `json:"ci,omitempty"` // as crypto/tls names it; "" = no handshake was completed
	// Certificate is what the authorities that we trust make of the host's certificate: Verified, or one of the faults; "" = none was seen.
	Certificate Fault  `json:"ce,omitempty"`
	Problem     string `json:"pr,omitempty"` // in words, what did not fit: the certificate, or the policy
	Policy      Policy `json:"po,omitempty"` // whose demand it was; "" = nobody's
	PolicyID    string `json:"id,omitempty"` // MTA-STS: the id that the policy was fetched under
	// Failed is what did not fit the policy; "" = it fits, or nobody demanded anything. With MTASTSTesting the mail goes out all the same.
	Failed Fault `json:"fa,omitempty"`
}

// Policy is who demands that mail to a host is secured.
type Policy string

const (
	ByRoute       Policy = "route"           // our own route, tls = "required" or "implicit"
	MTASTS        Policy = "mta_sts"         // the recipient's domain, by MTA-STS in mode enforce (RFC 8461)
	MTASTSTesting Policy = "mta_sts_testing" // the same in mode testing: a failure is noted, and the mail goes out
	DANE          Policy = "dane"            // the host's own records, validated by DNSSEC (RFC 7672)
)

// Fault is what was wrong with TLS. The words are those of TLS reports (RFC 8460 section 4.3), where it has one.
type Fault string

const (
	Verified        Fault = "verified"                  // none: the certificate is by an authority that we trust, for the host's name
	NoSTARTTLS      Fault = "starttls_not_supported"    // not offered, or refused
	HostMismatch    Fault = "certificate_host_mismatch" // for other names than the host's
	CertExpired     Fault = "certificate_expired"       // run out, or not valid yet
	SelfSigned      Fault = "certificate_self_signed"   // signed by itself; RFC 8460 counts it as not trusted
	NotTrusted      Fault = "certificate_not_trusted"   // by no authority that we trust
	TLSAMismatch    Fault = "tlsa_invalid"              // no DANE record of the host fits its certificate
	TLSAUnknown     Fault = "dnssec_invalid"            // DNS does not tell the DANE records: no mail may go to the host until it does
	NotInPolicy     Fault = "sts_mx_mismatch"           // MTA-STS does not name the host among those that take the domain's mail
	ValidationFault Fault = "validation_failure"        // anything else: the handshake fails
)

// Enforced says whether a failure keeps the mail from the host.
func (p Policy) Enforced() bool { return p != "" && p != MTASTSTesting }
