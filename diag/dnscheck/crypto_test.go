package dnscheck

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"testing"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func hash256(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func b64key(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	_, data, err := keyData(public)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// testShortRSA is the p= of a key with 512 bits, which Go no longer makes: the modulus need not be a product of two primes.
func testShortRSA(t testing.TB) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), 511)
	n.Add(n, big.NewInt(12345))
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return b64(der)
}
