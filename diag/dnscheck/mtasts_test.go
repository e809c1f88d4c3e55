package dnscheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const goodPolicy = "version: STSv1\r\nmode: enforce\r\nmx: mx.d.example\r\nmx: *.mail.d.example\r\nmax_age: 604800\r\n"

func TestParseSTSPolicy(t *testing.T) {
	p, err := ParseSTSPolicy(goodPolicy)
	if err != nil || p.Mode != "enforce" || p.MaxAge != 7*24*time.Hour {
		t.Fatalf("%+v, %v", p, err)
	}
	for host, want := range map[string]bool{"mx.d.example": true, "MX.D.example.": true, "a.mail.d.example": true, "mail.d.example": false, "a.b.mail.d.example": false, "x.mx.d.example": false, "evilmx.d.example": false, "": false} {
		if p.Covers(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
	for text, want := range map[string]string{
		"": "no version", "hello": "no key: value",
		"version: STSv2\nmode: none\nmax_age: 1":                          "another version",
		"version: STSv1\nmode: on\nmax_age: 1\nmx: a.example":             "mode is none of",
		"version: STSv1\nmode: enforce\nmax_age: 1":                       "names no mx",
		"version: STSv1\nmode: enforce\nmx: a.example":                    "no max_age",
		"version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1":       "max_age",
		"version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 99999999": "max_age",
		"version: STSv1\nmode: enforce\nmx: a..example\nmax_age: 1":       "no host",
		strings.Repeat("x: y\n", 20000):                                   "64 kB",
	} {
		if _, err := ParseSTSPolicy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", clip(text, 80), err, want)
		}
	}
	for _, text := range []string{"version: STSv1\nmode: none\nmax_age: 0", "version:STSv1\nmode:testing\nmx:a.example\nmax_age:5\nmode: enforce\nfuture: x"} {
		if _, err := ParseSTSPolicy(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSTSCache(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	c := STSCached{ID: "1", Policy: STSPolicy{Mode: "enforce", MaxAge: time.Hour}, Fetched: now}
	for _, tt := range []struct {
		id           string
		after        time.Duration
		valid, stale bool
	}{{"1", 0, true, false}, {"", 0, true, false}, {"2", 0, true, true}, {"1", time.Hour, false, true}, {"", 2 * time.Hour, false, true}} {
		if at := now.Add(tt.after); c.Valid(at) != tt.valid || c.Stale(tt.id, at) != tt.stale {
			t.Errorf("%+v: valid %v, stale %v", tt, c.Valid(at), c.Stale(tt.id, at))
		}
	}
	if (STSCached{}).Valid(now) || !(STSCached{}).Stale("1", now) {
		t.Error("nothing is kept, so nothing is valid")
	}
}

// policyServer serves d.example's policy over TLS and gives a client that reaches it on any port.
func policyServer(t *testing.T, handler http.HandlerFunc) *http.Client {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the client's refusals are what is tested
	srv.StartTLS()
	t.Cleanup(srv.Close)
	client := PolicyClient(Dialer{})
	tr := client.Transport.(*http.Transport)
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	}
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	// The certificate of httptest is for example.com; the test's names are checked by the case that leaves this out.
	tr.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	return client
}

func TestCheckMTASTS(t *testing.T) {
	record := `_mta-sts.d.example. TXT "v=STSv1; id=20261124T080000;"`
	serve := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "mta-sts.d.example" || r.URL.Path != "/.well-known/mta-sts.txt" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	tests := []struct {
		what, zone string
		handler    http.HandlerFunc
		want       STSStatus
		why        string
	}{
		{"in order", record, serve(200, "text/plain; charset=utf-8", goodPolicy), STSValid, "enforce"},
		{"no record", "", serve(200, "text/plain", goodPolicy), STSAbsent, "no MTA-STS"},
		{"no id", `_mta-sts.d.example. TXT "v=STSv1;"`, nil, STSBadRecord, "id="},
		{"an id with signs", `_mta-sts.d.example. TXT "v=STSv1; id=a-b"`, nil, STSBadRecord, "id="},
		{"two records", record + "\n" + `_mta-sts.d.example. TXT "v=STSv1; id=2;"`, nil, STSBadRecord, "2 MTA-STS"},
		{"DNS fails", "_mta-sts.d.example. FAILS servfail", nil, STSUnknown, "cannot be looked up"},
		{"not found", record, serve(404, "text/plain", ""), STSNoPolicy, "404"},
		{"a redirect", record, serve(301, "text/plain", goodPolicy), STSNoPolicy, "301"},
		{"as HTML", record, serve(200, "text/html", goodPolicy), STSNoPolicy, "text/plain"},
		{"garbage", record, serve(200, "text/plain", "hello"), STSNoPolicy, "no key: value"},
		{"far too long", record, serve(200, "text/plain", goodPolicy+strings.Repeat("x: y\n", 100000)), STSNoPolicy, "64 kB"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			got := CheckMTASTS(t.Context(), newZone(t, tt.zone), policyServer(t, tt.handler), "d.example", []string{"mx.d.example", "other.d.example"})
			if got.Status != tt.want || !strings.Contains(got.Why, tt.why) {
				t.Errorf("%+v", got)
			}
			if tt.want == STSValid && (len(got.Uncovered) != 1 || got.Uncovered[0] != "other.d.example") {
				t.Errorf("uncovered: %v", got.Uncovered)
			}
		})
	}
	t.Run("a certificate for another name", func(t *testing.T) {
		client := policyServer(t, serve(200, "text/plain", goodPolicy))
		client.Transport.(*http.Transport).TLSClientConfig.ServerName = ""
		if got := CheckMTASTS(t.Context(), newZone(t, record), client, "d.example", nil); got.Status != STSNoPolicy || !strings.Contains(got.Why, "another name") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a certificate that nobody trusts", func(t *testing.T) {
		client := policyServer(t, serve(200, "text/plain", goodPolicy))
		client.Transport.(*http.Transport).TLSClientConfig.RootCAs = x509.NewCertPool()
		if got := CheckMTASTS(t.Context(), newZone(t, record), client, "d.example", nil); got.Status != STSNoPolicy || !strings.Contains(got.Why, "not trusted") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a policy host on our own network", func(t *testing.T) {
		z := newZone(t, record+"\nmta-sts.d.example. A 127.0.0.1")
		if got := CheckMTASTS(t.Context(), z, PolicyClient(Dialer{DNS: z}), "d.example", nil); got.Status != STSNoPolicy || !strings.Contains(got.Why, "no address on the Internet") {
			t.Errorf("%+v", got)
		}
		_, err := PolicyClient(Dialer{DNS: z, Allow: func(netip.AddrPort) bool { return false }}).Get("https://mta-sts.d.example/")
		if !errors.Is(err, ErrNotPublic) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzSTSPolicy(f *testing.F) {
	f.Add(goodPolicy)
	f.Add("version: STSv1\nmode: none\nmax_age: 0")
	f.Add("mx:*.\nmx: *.*.x\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseSTSPolicy(text)
		if err == nil && (p.Mode == "" || p.MaxAge < 0 || p.MaxAge > maxPolicyAge*time.Second || len(p.MX) > maxPolicyMX) {
			t.Errorf("%+v of %q", p, text)
		}
		p.Covers("mx.d.example")
	})
}

func BenchmarkParseSTSPolicy(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseSTSPolicy(goodPolicy); err != nil {
			b.Fatal(err)
		}
	}
}
