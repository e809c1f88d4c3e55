package freeport_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/resetd/resetd/internal/sim/freeport"
)

func TestPickIsFreeAndNoEphemeralPort(t *testing.T) {
	for range 20 {
		port, err := freeport.Pick()
		if err != nil || port < 20000 || port >= 32768 {
			t.Fatal(port, err)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}
