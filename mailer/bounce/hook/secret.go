package hook

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
)

// SecretHeader is the header that may carry the shared secret of a provider which signs nothing, beside HTTP basic authentication.
const SecretHeader = "X-Resetd-Secret"

// minSecret is the shortest password that we take for a secret, in bytes.
const minSecret = 8

// lines gives the non-empty lines of a secret.
func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// shared are secrets that a request must show, kept as hashes so that comparing tells nothing, not even a length.
type shared [][sha256.Size]byte

func newShared(secret string) (shared, error) {
	var out shared
	for _, l := range lines(secret) {
		if len(l) < minSecret {
			return nil, errors.New("the secret is shorter than 8 characters; anybody who knows it can write events")
		}
		out = append(out, sha256.Sum256([]byte(l)))
	}
	return out, nil
}

// shown says whether the request carries one of the secrets, as the password of basic authentication or in SecretHeader.
func (s shared) shown(header http.Header) bool {
	r := http.Request{Header: header}
	_, password, _ := r.BasicAuth()
	ok := 0
	for _, given := range []string{password, header.Get(SecretHeader)} {
		h := sha256.Sum256([]byte(given))
		for _, want := range s {
			ok |= subtle.ConstantTimeCompare(h[:], want[:])
		}
	}
	return ok == 1
}

// publicKeys reads ECDSA P-256 and Ed25519 keys: base64 of SubjectPublicKeyInfo, one per line, or PEM.
func publicKeys(secret string) ([]any, error) {
	var ders [][]byte
	if strings.Contains(secret, "-----BEGIN") {
		for rest := []byte(secret); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			ders = append(ders, block.Bytes)
		}
	} else {
		for _, l := range lines(secret) {
			der, err := base64.StdEncoding.DecodeString(l)
			if err != nil {
				return nil, errors.New("the public key is not base64")
			}
			ders = append(ders, der)
		}
	}
	var keys []any
	for _, der := range ders {
		k, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, errors.New("the public key is not one in SubjectPublicKeyInfo form")
		}
		switch k := k.(type) {
		case *ecdsa.PublicKey:
			if k.Curve != elliptic.P256() {
				return nil, errors.New("the public key is not on curve P-256")
			}
		case ed25519.PublicKey:
		default:
			return nil, errors.New("the public key is neither ECDSA nor Ed25519")
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no public key")
	}
	return keys, nil
}

// unbase64 decodes standard or URL alphabet, padded or not.
func unbase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
