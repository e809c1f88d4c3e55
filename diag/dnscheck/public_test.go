package dnscheck

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestIsPublic(t *testing.T) {
	for _, s := range []string{"8.8.8.8", "2a00:1450::1", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:8.8.8.8", "100.63.255.255", "172.32.0.1", "193.0.0.1"} {
		if !IsPublic(netip.MustParseAddr(s)) {
			t.Errorf("%s is public", s)
		}
	}
	for _, s := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
		"192.0.2.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::1", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
	} {
		if IsPublic(netip.MustParseAddr(s)) {
			t.Errorf("%s is not public", s)
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("no address is public")
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
