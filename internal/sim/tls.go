package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Certificate is which certificate a host shows.
type Certificate int

// The certificates a host may show.
const (
	CertValid     Certificate = iota // by the world's CA, for the host's name and address
	CertExpired                      // by the world's CA, run out yesterday
	CertWrongName                    // by the world's CA, for another name
	CertUntrusted                    // for the host's name, by nobody that anybody trusts
)

// authority signs the hosts' certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // PEM
}

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sim: key of the CA: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "resetd sim CA"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sim: certificate of the CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sim: certificate of the CA: %w", err)
	}
	a := &authority{key: key, cert: cert, file: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return nil, fmt.Errorf("sim: certificate of the CA: %w", err)
	}
	return a, nil
}

// config makes the server side of TLS for one host.
func (a *authority) config(name string, addr netip.Addr, kind Certificate) (*tls.Config, error) {
	der, key, err := a.issue(name, addr, kind)
	if err != nil {
		return nil, err
	}
	chain := [][]byte{der}
	if kind != CertUntrusted {
		chain = append(chain, a.cert.Raw) // DANE of usage 2 wants the authority in what is shown (RFC 7672 section 3.1.2)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}}, nil
}

// issue makes a key and its certificate.
func (a *authority) issue(name string, addr netip.Addr, kind Certificate) (der []byte, key *ecdsa.PrivateKey, err error) {
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("sim: key of a host: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, nil, fmt.Errorf("sim: serial number: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if addr.IsValid() {
		tmpl.IPAddresses = []net.IP{addr.AsSlice()}
	}
	parent, signer := a.cert, a.key
	switch kind {
	case CertExpired:
		tmpl.NotAfter = time.Now().Add(-24 * time.Hour)
	case CertWrongName:
		tmpl.Subject.CommonName, tmpl.DNSNames, tmpl.IPAddresses = "elsewhere.example", []string{"elsewhere.example"}, nil
	case CertUntrusted:
		parent, signer = tmpl, key
	}
	der, err = x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sim: certificate of a host: %w", err)
	}
	return der, key, nil
}

// Certificates are what a host with TLS shows now, its own first, then the world's CA where that has signed it; nil without TLS. Set makes
// new ones.
func (h *Host) Certificates() []*x509.Certificate {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tls == nil {
		return nil
	}
	var out []*x509.Certificate
	for _, der := range h.tls.Certificates[0].Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			panic(fmt.Sprintf("sim: certificate of host %s: %v", h.name, err)) // we made it ourselves
		}
		out = append(out, c)
	}
	return out
}

// WriteCertificate writes a certificate of the world's CA and its key to PEM files, which go with the world: for servers that
// are not hosts of it, such as a Postfix or an HTTPS page on loopback. addr may be the zero Addr.
func (w *World) WriteCertificate(name string, addr netip.Addr, kind Certificate) (certFile, keyFile string, err error) {
	der, key, err := w.authority.issue(name, addr, kind)
	if err != nil {
		return "", "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("sim: key of a certificate: %w", err)
	}
	certFile = filepath.Join(w.dir, w.queueID()+".pem")
	keyFile = certFile + ".key"
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", "", fmt.Errorf("sim: certificate: %w", err)
		}
	}
	return certFile, keyFile, nil
}
