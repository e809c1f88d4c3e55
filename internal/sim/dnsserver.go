package sim

import (
	"fmt"
	"net"
	"sync"

	"github.com/miekg/dns"
)

// dnsServer serves a Zone over UDP and TCP on one loopback port.
type dnsServer struct {
	addr    string
	servers []*dns.Server
	wg      sync.WaitGroup
}

func serveDNS(z *Zone) (*dnsServer, error) {
	tcp, udp, err := sameDNSPort()
	if err != nil {
		return nil, fmt.Errorf("sim: DNS server: %w", err)
	}
	s := &dnsServer{addr: udp.LocalAddr().String()}
	handler := dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) { z.serve(rw, q) })
	for _, srv := range []*dns.Server{{Listener: tcp, Handler: handler}, {PacketConn: udp, Handler: handler}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		s.servers = append(s.servers, srv)
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			srv.ActivateAndServe() // ends with Shutdown
		}()
		<-started
	}
	return s, nil
}

// sameDNSPort finds a port that is free for both protocols.
func sameDNSPort() (net.Listener, net.PacketConn, error) {
	var last error
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
		last = err
	}
	return nil, nil, last
}

func (s *dnsServer) close() {
	for _, srv := range s.servers {
		srv.Shutdown()
	}
	s.wg.Wait()
}

func (z *Zone) serve(rw dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		rw.WriteMsg(m)
		return
	}
	rrs, rcode, silent := z.answer(q.Question[0])
	if silent {
		return
	}
	m.Answer, m.Rcode = rrs, rcode
	m.AuthenticatedData = q.AuthenticatedData && (rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError) && z.validated(q.Question[0].Name, rrs)
	if len(rrs) == 0 && (rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError) {
		m.Ns = []dns.RR{&dns.SOA{Hdr: header(".", dns.TypeSOA), Ns: "ns.sim.example.", Mbox: "hostmaster.sim.example.",
			Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: recordTTL}}
	}
	size := dns.MinMsgSize
	if opt := q.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
		m.SetEdns0(opt.UDPSize(), false)
	}
	if _, tcp := rw.RemoteAddr().(*net.TCPAddr); tcp {
		size = dns.MaxMsgSize
	}
	m.Truncate(size)
	rw.WriteMsg(m)
}
