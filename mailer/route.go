package mailer

import (
	"crypto/x509"
	"net"
	"strconv"
)

// TLSMode is how a route's connections are secured.
type TLSMode string

const (
	TLSNone          TLSMode = "none"          // never, even where offered
	TLSOpportunistic TLSMode = "opportunistic" // STARTTLS where offered, else in clear; also after a failed handshake. The zero value means this
	TLSRequired      TLSMode = "required"      // STARTTLS or nothing
	TLSImplicit      TLSMode = "implicit"      // TLS from the first octet (port 465)
)

// Route is a way out. With a Smarthost it leads to our own relay, else to the recipient's MX.
//
// To a relay, required and implicit mean a certificate that verifies for the relay's name: the mail carries a live link. To an MX they
// mean encryption only, as its name came from DNS and proves nothing (RFC 7435); what proves it is the recipient's own
// policy, MTASTS and DANE. A password is never sent without a verified certificate, whatever the mode.
type Route struct {
	Name         string
	Smarthost    string         // host:port; "" = to the MX
	MX           bool           // straight to the recipient's MX
	Port         int            // of the MX; 0 = 25
	TLS          TLSMode        // "" = opportunistic
	MTASTS       bool           // obey the MTA-STS policy of the recipient's domain (RFC 8461); only with MX, and not with TLSNone
	DANE         bool           // obey the DANE records of the recipient's hosts (RFC 7672); only with MX, and not with TLSNone
	RootCAs      *x509.CertPool // nil = the system's
	Username     string         // "" = no AUTH
	Password     string
	HELO         string // "" = localhost
	ToUs         bool   // the mail is for ourselves: an MX with our own name is where it belongs, and no loop
	AllowPrivate bool   // an MX may be on a loopback, private or link-local address; a relay always may, it is configured by name
}

func (r Route) smart() bool { return r.Smarthost != "" }

// mustVerify says whether a certificate that does not verify ends the dialogue.
func (r Route) mustVerify() bool {
	return r.Username != "" || r.smart() && (r.TLS == TLSRequired || r.TLS == TLSImplicit)
}

// self is the name by which an MX is known to be ourselves; "" = that does not matter.
func (r Route) self() string {
	if r.ToUs {
		return ""
	}
	return r.helo()
}

func (r Route) helo() string {
	if r.HELO == "" {
		return "localhost"
	}
	return r.HELO
}

func (r Route) port() string {
	if r.smart() {
		if _, port, err := net.SplitHostPort(r.Smarthost); err == nil {
			return port
		}
	}
	if r.Port == 0 {
		return "25"
	}
	return strconv.Itoa(r.Port)
}
