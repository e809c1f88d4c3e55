//go:build !linux

package sim

import (
	"errors"
	"net/netip"
)

// silence is for Linux, where dials that find a full queue are dropped.
func silence(netip.AddrPort) (func(), error) {
	return nil, errors.New("sim: only Linux drops dials that nobody takes")
}
