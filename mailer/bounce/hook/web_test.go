package hook

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/resetd/resetd/diag/dnscheck"
)

// What SNS makes us fetch is fetched from the Internet only, whatever DNS says of Amazon's names.
func TestWebStaysOutside(t *testing.T) {
	text, err := os.ReadFile("../../../diag/dnscheck/testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "inside" {
			continue
		}
		n++
		if _, err := dialWeb(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(f[1]), 443).String()); !errors.Is(err, dnscheck.ErrNotPublic) {
			t.Errorf("%s: %v", f[1], err)
		}
	}
	if n == 0 {
		t.Fatal("the table is empty")
	}
	if _, err := dialWeb(t.Context(), "tcp", "localhost:443"); !errors.Is(err, dnscheck.ErrNotPublic) {
		t.Errorf("localhost: %v", err)
	}
	if status, _, err := newWeb(nil).get(t.Context(), "https://127.0.0.1/"); err == nil {
		t.Errorf("a fetch from loopback gave %d", status)
	}
}

// The proxy of our own environment may stand in a network of ours; nothing else gains by that.
func TestWebMayUseOurProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx := context.WithValue(t.Context(), proxied{}, l.Addr().String())
	conn, err := dialWeb(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := dialWeb(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, dnscheck.ErrNotPublic) {
		t.Errorf("beside the proxy: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := withProxy(req).Context().Value(proxied{}); got != nil {
		t.Errorf("a request that goes through no proxy may dial %v", got)
	}
}
