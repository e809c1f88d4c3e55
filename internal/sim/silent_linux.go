package sim

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// silence takes an address so that dials to it are never answered, as behind a firewall that drops what comes: it listens with a
// queue of no length that it has filled itself, and Linux then drops every SYN. Closing what it returns gives the address back.
func silence(addr netip.AddrPort) (func(), error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var held []net.Conn
	end := func() {
		for _, c := range held {
			c.Close()
		}
		_ = syscall.Close(fd) // it was listening and holds nothing that could be lost
	}
	err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}), syscall.Listen(fd, 0))
	if err != nil {
		end()
		return nil, err
	}
	for range 8 {
		c, err := net.DialTimeout("tcp", addr.String(), 50*time.Millisecond)
		if err != nil {
			return end, nil
		}
		held = append(held, c)
	}
	end()
	return nil, errors.New("sim: this system answers dials that nobody takes")
}
