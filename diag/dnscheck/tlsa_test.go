package dnscheck

import (
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"
)

// A record binds only if the resolver vouches for the whole way: MX, address and TLSA.
func TestCheckDANE(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	const way = "d.example. MX 10 mx.d.example.\nmx.d.example. A 8.8.8.8\n"
	tests := []struct {
		what, tlsa string
		ad         bool
		check      func(DANE) bool
	}{
		{"validated", "_25._tcp.mx.d.example. TLSA 3 1 1 " + sum, true, func(d DANE) bool { return d.Binding && len(d.Records) == 1 }},
		{"not validated", "_25._tcp.mx.d.example. TLSA 3 1 1 " + sum, false, func(d DANE) bool { return !d.Binding && len(d.Records) == 1 }},
		{"no record", "", true, func(d DANE) bool { return !d.Binding && !d.Unknown }},
		{"unusable only", "_25._tcp.mx.d.example. TLSA 1 1 1 " + sum, true, func(d DANE) bool { return !d.Binding && len(d.Unusual) == 1 }},
		{"one usable", "_25._tcp.mx.d.example. TLSA 1 1 1 " + sum + "\n_25._tcp.mx.d.example. TLSA 2 0 1 " + sum, true, func(d DANE) bool { return d.Binding && len(d.Unusual) == 1 }},
		{"DNS fails", "_25._tcp.mx.d.example. FAILS servfail", true, func(d DANE) bool { return d.Unknown && !d.Binding }},
	}
	for _, tt := range tests {
		z := newZone(t, way+tt.tlsa)
		z.ad = tt.ad
		got := CheckDANE(t.Context(), z, CheckMX(t.Context(), z, "d.example"), 0)
		if len(got) != 1 || !tt.check(got[0]) || got[0].Why == "" {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
	z := newZone(t, way+"_25._tcp.mx.d.example. TLSA 3 1 1 "+sum)
	z.ad = true
	m := CheckMX(t.Context(), z, "d.example")
	m.AD = false
	if got := CheckDANE(t.Context(), z, m, 0); got[0].Binding {
		t.Errorf("an unsigned MX: %+v", got)
	}
}

func TestTLSAMatches(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	cert := srv.Certificate()
	other := &x509.Certificate{Raw: []byte("other"), RawSubjectPublicKeyInfo: []byte("key")}
	sum512 := sha512.Sum512(cert.RawSubjectPublicKeyInfo)
	tests := []struct {
		record string
		chain  []*x509.Certificate
		want   bool
	}{
		{"3 1 1 " + hex.EncodeToString(hash256(cert.RawSubjectPublicKeyInfo)), []*x509.Certificate{cert, other}, true},
		{"3 0 1 " + hex.EncodeToString(hash256(cert.Raw)), []*x509.Certificate{cert}, true},
		{"3 1 2 " + hex.EncodeToString(sum512[:]), []*x509.Certificate{cert}, true},
		{"3 0 0 " + hex.EncodeToString(cert.Raw), []*x509.Certificate{cert}, true},
		{"3 1 1 " + hex.EncodeToString(hash256(cert.RawSubjectPublicKeyInfo)), []*x509.Certificate{other, cert}, false},
		{"2 1 1 " + hex.EncodeToString(hash256(cert.RawSubjectPublicKeyInfo)), []*x509.Certificate{other, cert}, true},
		{"1 1 1 " + hex.EncodeToString(hash256(cert.RawSubjectPublicKeyInfo)), []*x509.Certificate{cert}, false},
		{"3 1 1 " + hex.EncodeToString(hash256([]byte("x"))), []*x509.Certificate{cert}, false},
		{"3 1 1 abcd", []*x509.Certificate{cert}, false},
		{"3 1 1 " + hex.EncodeToString(hash256(nil)), nil, false},
	}
	for _, tt := range tests {
		r, err := ParseTLSA(tt.record)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Matches(tt.chain); got != tt.want {
			t.Errorf("%s: %v", clip(tt.record, 30), got)
		}
	}
	for _, bad := range []string{"", "3 1 1", "3 1 x ab", "3 1 300 ab", "3 1 1 xyz", "3 1 1 abc", "3 1 1 " + strings.Repeat("ab", maxTLSA+1)} {
		if _, err := ParseTLSA(bad); err == nil {
			t.Errorf("%q was read", clip(bad, 30))
		}
	}
}

func FuzzTLSA(f *testing.F) {
	f.Add("3 1 1 " + strings.Repeat("ab", 32))
	f.Add("2 0 2 ab cd")
	f.Add("256 -1 +1 0x")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseTLSA(s)
		if err == nil && r.Usable() == "" && len(r.Data) == 0 {
			t.Errorf("%q is usable", s)
		}
		r.Matches([]*x509.Certificate{{}})
	})
}
