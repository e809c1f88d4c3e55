package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// peer is the address of whoever sent a request. X-Forwarded-For is read from its end, and only as far as it was written by proxies
// that are trusted; everybody else may write what they like there.
func (s *server) peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(ip); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		ip = next.Unmap().WithZone("")
	}
	return ip.String()
}

func (s *server) trusts(ip netip.Addr) bool {
	for _, p := range s.TrustProxy {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
