package config

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// MinRSA and GoodRSA are in bits. RFC 8301 section 3.2: signers must use at least 1024, and should use at least 2048.
const (
	MinRSA  = 1024
	GoodRSA = 2048
)

// ParseDKIMKey reads a private key in PEM: RSA as PKCS #1 or #8, Ed25519 as PKCS #8. Its errors say what was found instead, and quote nothing.
func ParseDKIMKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("there is no PEM block (-----BEGIN PRIVATE KEY-----)")
	}
	switch {
	case strings.Contains(block.Type, "PUBLIC"):
		return nil, errors.New("this is the public half of a key; the private one signs")
	case strings.Contains(block.Type, "CERTIFICATE"):
		return nil, errors.New("this is a certificate; DKIM signs with a bare private key")
	case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return nil, errors.New("the key is encrypted with a passphrase, and nobody is there to type it")
	case block.Type == "OPENSSH PRIVATE KEY":
		return nil, errors.New("this is an SSH key; `resetd keys dkim new` makes one for DKIM")
	}
	var key any
	var err error
	if block.Type == "RSA PRIVATE KEY" {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("the PEM block holds no private key that can be read (RSA PKCS #1 or #8, or Ed25519 PKCS #8)")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if n := key.N.BitLen(); n < MinRSA {
			return nil, fmt.Errorf("the RSA key has %d bits; receivers ignore keys below %d", n, MinRSA)
		}
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("the key is neither RSA nor Ed25519, and DKIM knows no other")
}

func (k *checker) dkim(domain, path string, d *DKIM) {
	if d.Selector == "" {
		k.bad(path+".selector", "a DKIM key needs a selector", `selector = "r2026"`)
	} else if !isHost(d.Selector, true) {
		k.bad(path+".selector", "the selector is not a DNS label", "letters, digits and -")
	}
	if d.KeyFile == "" && d.Key == "" {
		k.bad(path+".key_file", "a DKIM key needs key_file", "`resetd keys dkim new -selector S -domain D -out DIR` makes one")
		return
	}
	file := d.KeyFile != ""
	where := path + ".key"
	if file {
		where = path + ".key_file"
	}
	if !k.secret(&d.Key, &d.KeyFile, path+".key") {
		return
	}
	key, err := ParseDKIMKey([]byte(d.Key))
	if err != nil {
		k.bad(where, err.Error(), "`resetd keys dkim new` makes RSA and Ed25519 keys")
		return
	}
	if r, ok := key.(*rsa.PrivateKey); ok && r.N.BitLen() < GoodRSA {
		k.warn(where, fmt.Sprintf("the RSA key has %d bits; some receivers want %d", r.N.BitLen(), GoodRSA), "`resetd keys dkim new` makes one of 2048")
	}
	name := strings.ToLower(domain)
	k.c.signers[name] = append(k.c.signers[name], Signer{Domain: name, Selector: d.Selector, Key: key})
}

// DKIM gives the keys that sign for a domain, in the order of the file: its own, or those of the nearest parent that has a [[domain]]; none where there is no such.
func (c *Config) DKIM(domain string) []Signer {
	for d := strings.ToLower(strings.TrimSuffix(domain, ".")); d != ""; {
		for _, have := range c.Domains {
			if strings.EqualFold(have.Name, d) {
				return c.signers[d]
			}
		}
		_, d, _ = strings.Cut(d, ".")
	}
	return nil
}
