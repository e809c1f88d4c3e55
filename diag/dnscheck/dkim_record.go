package dnscheck

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// dkimRecord is a key record (RFC 6376 section 3.6.1).
type dkimRecord struct {
	public   crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey; nil = revoked
	kind     string           // "rsa" or "ed25519"
	bits     int              // of an RSA modulus; 256 for Ed25519
	data     string           // p= without white space
	hashes   []string         // h=; nil = all
	services []string         // s=; nil = all
	testing  bool             // t=y
	strict   bool             // t=s: i= must be exactly d=
	notes    string           // n=
}

var (
	errNoKey     = errors.New("it holds no p=")
	errKeyKind   = errors.New("its k= is neither rsa nor ed25519")
	errKeyData   = errors.New("its p= cannot be read as a key")
	errKeyLength = fmt.Errorf("its key is longer than %d bits", maxRSABits)
)

// maxRSABits bounds the work of one verification; RFC 8301 asks verifiers for up to 4096.
const maxRSABits = 8192

// parseDKIMRecord reads a record as a strict verifier does.
func parseDKIMRecord(txt string) (dkimRecord, error) {
	var rec dkimRecord
	tags, err := parseTags(txt)
	if err != nil {
		return rec, err
	}
	if v, ok := tags.get("v"); ok && (v != "DKIM1" || tags[0].name != "v") {
		return rec, errors.New("its v= is not DKIM1, or does not come first")
	}
	rec.kind = "rsa"
	if k, ok := tags.get("k"); ok {
		rec.kind = squeeze(k)
	}
	for _, f := range tags.list("t") {
		rec.testing = rec.testing || f == "y"
		rec.strict = rec.strict || f == "s"
	}
	rec.hashes, rec.services = tags.list("h"), tags.list("s")
	if n, ok := tags.get("n"); ok {
		rec.notes = unquote(n)
	}
	p, ok := tags.get("p")
	if !ok {
		return rec, errNoKey
	}
	if rec.kind != "rsa" && rec.kind != "ed25519" {
		return rec, errKeyKind
	}
	if rec.data = squeeze(p); rec.data == "" {
		return rec, nil
	}
	raw, err := base64.StdEncoding.DecodeString(rec.data)
	if err != nil {
		return rec, errKeyData
	}
	if rec.kind == "ed25519" {
		if len(raw) != ed25519.PublicKeySize {
			return rec, errKeyData
		}
		rec.public, rec.bits = ed25519.PublicKey(raw), 256
		return rec, nil
	}
	key, err := parseRSA(raw)
	if err != nil {
		return rec, err
	}
	rec.public, rec.bits = key, key.N.BitLen()
	return rec, nil
}

// parseRSA takes both forms in use: SubjectPublicKeyInfo, and the bare RSAPublicKey that RFC 6376 names (erratum 3017).
func parseRSA(raw []byte) (*rsa.PublicKey, error) {
	if len(raw) > 2*maxRSABits/8 {
		return nil, errKeyLength
	}
	key, err := x509.ParsePKCS1PublicKey(raw)
	if err != nil {
		any, err := x509.ParsePKIXPublicKey(raw)
		if err != nil {
			return nil, errKeyData
		}
		var ok bool
		if key, ok = any.(*rsa.PublicKey); !ok {
			return nil, errKeyData
		}
	}
	if key.N.BitLen() > maxRSABits {
		return nil, errKeyLength
	}
	return key, nil
}

// forMail says why the record may not be used for the signatures that mail carries today; "" if it may.
func (r dkimRecord) forMail() string {
	if len(r.hashes) > 0 && !slices.Contains(r.hashes, "sha256") {
		return "its h= does not allow sha256"
	}
	if len(r.services) > 0 && !slices.Contains(r.services, "*") && !slices.Contains(r.services, "email") {
		return "its s= does not allow email"
	}
	return ""
}

// looksLikeKey tells key records from other TXT records that a wildcard may put at the same name.
func looksLikeKey(txt string) bool {
	tags, _ := parseTags(txt)
	_, p := tags.get("p")
	v, _ := tags.get("v")
	return p && !strings.HasPrefix(v, "DMARC") || strings.HasPrefix(v, "DKIM")
}

// keyData is what p= must hold for a key of ours, and its k=.
func keyData(public crypto.PublicKey) (kind, data string, err error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return "", "", fmt.Errorf("dnscheck: encoding a public key: %w", err)
		}
		return "rsa", base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return "", "", errors.New("dnscheck: an Ed25519 key of the wrong length")
		}
		return "ed25519", base64.StdEncoding.EncodeToString(k), nil
	}
	return "", "", fmt.Errorf("dnscheck: DKIM signs with RSA and Ed25519 keys, not %T", public)
}
