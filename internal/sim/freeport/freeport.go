// Package freeport finds a TCP port on 127.0.0.1 for a server that must be told one.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Pick gives a port that nobody listens on. It lies below the range from which systems take the ports of outgoing connections (32768 and
// up on Linux), so that none of these has it by the time the server starts, or starts again.
func Pick() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("freeport: a hundred ports between 20000 and 31999 are all taken")
}
