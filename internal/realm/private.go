package realm

import (
	"errors"
	"net/netip"
)

// ErrPrivateAddress is a dial that our own rule refused: the name led to an address that is not on the public Internet.
var ErrPrivateAddress = errors.New("a loopback, link-local or private address, and allow_private_addresses is off")

// Public says whether an address is on the public Internet. A URL in a configuration is written by somebody whom we trust; the DNS behind it may not be.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range [...]netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{0, 0, 0, 0}), 8),             // this network, RFC 1122
		netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10),         // carrier NAT, RFC 6598; some clouds keep metadata here
		netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 0, 0}), 24),          // protocol assignments, RFC 6890
		netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, 0, 0}), 15),         // benchmarks, RFC 2544
		netip.PrefixFrom(netip.AddrFrom4([4]byte{240, 0, 0, 0}), 4),           // reserved
		netip.PrefixFrom(netip.AddrFrom16([16]byte{}), 96),                    // IPv4-compatible, RFC 4291
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfe, 0xc0}), 10),          // site-local, RFC 3879
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x02}), 16),          // 6to4 carries any IPv4
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01}), 32),          // Teredo likewise
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b}), 96), // NAT64 likewise, RFC 6052
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 0, 1}), 48),
	} {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
