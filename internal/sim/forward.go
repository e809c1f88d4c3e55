package sim

import (
	"context"
	"io"
	"net"
	"sync"
)

// Forward passes each connection on to another address, as a port forwarding does in front of resetd's own receiver: whatever is said is
// said by that one.
func Forward(addr string) Behaviour {
	return Behaviour{Takeover: func(ctx context.Context, conn net.Conn) {
		d := net.Dialer{}
		behind, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return
		}
		defer behind.Close()
		defer context.AfterFunc(ctx, func() { behind.Close() })()
		var wg sync.WaitGroup
		wg.Go(func() {
			io.Copy(behind, conn)
			behind.(*net.TCPConn).CloseWrite()
		})
		io.Copy(conn, behind)
		conn.Close()
		wg.Wait()
	}}
}
