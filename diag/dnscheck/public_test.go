package dnscheck

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// table reads testdata/addresses.txt: the addresses of the Internet, and those inside.
func table(t *testing.T) (public, inside []netip.Addr) {
	t.Helper()
	text, err := os.ReadFile("testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		switch f := strings.Fields(line); {
		case len(f) == 0 || f[0] == "#":
		case f[0] == "public":
			public = append(public, netip.MustParseAddr(f[1]))
		case f[0] == "inside":
			inside = append(inside, netip.MustParseAddr(f[1]))
		default:
			t.Fatalf("a line of the table is none: %q", line)
		}
	}
	if len(public) == 0 || len(inside) == 0 {
		t.Fatal("the table is empty")
	}
	return public, inside
}

func TestIsPublic(t *testing.T) {
	public, inside := table(t)
	for _, ip := range public {
		if !IsPublic(ip) {
			t.Errorf("%s is public", ip)
		}
	}
	for _, ip := range append(inside, netip.Addr{}, netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("2a00:1450::1%eth0")) {
		if IsPublic(ip) {
			t.Errorf("%s is not public", ip)
		}
	}
}

// The fetch of an MTA-STS policy goes nowhere inside, whether DNS says so at the first look or at a second one, or a URL names the address.
func TestPolicyFetchStaysOutside(t *testing.T) {
	_, inside := table(t)
	for _, ip := range inside {
		kind := "A"
		if ip.Is6() {
			kind = "AAAA"
		}
		z := newZone(t, "mta-sts.d.example. "+kind+" "+ip.String())
		client := PolicyClient(Dialer{DNS: z})
		for _, host := range []string{"mta-sts.d.example", "[" + ip.String() + "]"} {
			if ip.Is4() {
				host = strings.Trim(host, "[]")
			}
			if res, err := client.Get("https://" + host + "/.well-known/mta-sts.txt"); !errors.Is(err, ErrNotPublic) {
				t.Errorf("%s as %s: %v, %v", ip, host, res, err)
			}
		}
		if err := PublicOnly("tcp", netip.AddrPortFrom(ip, 443).String(), nil); !errors.Is(err, ErrNotPublic) {
			t.Errorf("%s as the kernel sees it: %v", ip, err)
		}
	}
}

// Name servers that a zone names are asked about our keys only where they are on the Internet.
func TestEverywhereStaysOutside(t *testing.T) {
	_, inside := table(t)
	for _, ip := range inside {
		kind := "A"
		if ip.Is6() {
			kind = "AAAA"
		}
		z := newZone(t, "us.example. NS ns.us.example.\nns.us.example. "+kind+" "+ip.String())
		got := Everywhere{DNS: z}.CheckKey(t.Context(), "us.example", Selector{Name: "s"})
		if len(got) != 2 || got[1].Where != "ns.us.example" || got[1].Key.Status != KeyUnknown || got[1].Key.Why != "the server has no address that could be asked" {
			t.Errorf("%s: %+v", ip, got)
		}
	}
}

// Whatever a stranger's DNS says, we do not connect to our own networks unless the configuration allows that address.
func TestDialerRefusesPrivate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- struct{}{}
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	z := newZone(t, "evil.example. A 127.0.0.1\nevil6.example. AAAA ::1\nmapped.example. AAAA ::ffff:127.0.0.1\nmeta.example. A 169.254.169.254\nempty.example. TXT x\nfails.example. FAILS timeout\nalias.example. CNAME evil.example.")
	d := Dialer{DNS: z}
	for _, host := range []string{"evil.example", "evil6.example", "mapped.example", "meta.example", "alias.example", "127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0"} {
		if conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port)); !errors.Is(err, ErrNotPublic) {
			t.Errorf("%s: %v, %v", host, conn, err)
		}
	}
	for _, host := range []string{"empty.example", "fails.example", "gone.example"} {
		if _, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port)); err == nil || errors.Is(err, ErrNotPublic) || strings.Contains(err.Error(), host) {
			t.Errorf("%s: %v", host, err)
		}
	}
	// The kernel's last look: an address that was not checked before is refused.
	if err := d.control(t.Context(), "tcp", "127.0.0.1:25", nil); !errors.Is(err, ErrNotPublic) {
		t.Errorf("control: %v", err)
	}
	d.Allow = func(to netip.AddrPort) bool { return to.String() == l.Addr().String() }
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("evil.example", port))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := d.DialContext(t.Context(), "tcp", "evil.example:1"); !errors.Is(err, ErrNotPublic) {
		t.Errorf("another port than the allowed: %v", err)
	}
	l.Close()
	n := 0
	for range accepted {
		n++
	}
	if n != 1 {
		t.Errorf("%d connections; only the allowed one may be made", n)
	}
}
