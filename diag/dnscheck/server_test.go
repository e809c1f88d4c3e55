package dnscheck

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// server is a DNS server on loopback, UDP and TCP on one port, that answers as the test says.
type server struct {
	addr string

	mu    sync.Mutex
	asked map[string]int // "udp name TYPE" -> how often
}

// reply is what a test's server does with a question; write sends a message, and may be called never or often.
type reply func(q *dns.Msg, network string, write func(*dns.Msg))

func serve(t testing.TB, answer reply) *server {
	t.Helper()
	return serveRaw(t, func(q *dns.Msg, network string, write func([]byte)) {
		answer(q, network, func(m *dns.Msg) {
			if raw, err := m.Pack(); err == nil {
				write(raw)
			}
		})
	})
}

// serveRaw lets the test write octets that are no DNS message.
func serveRaw(t testing.TB, answer func(q *dns.Msg, network string, write func([]byte))) *server {
	t.Helper()
	s := &server{asked: map[string]int{}}
	var tcp net.Listener
	var udp net.PacketConn
	for range 20 { // a port that is free for both
		var err error
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		tcp.Close()
	}
	s.addr = udp.LocalAddr().String()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		network := w.RemoteAddr().Network()
		s.mu.Lock()
		s.asked[network+" "+foldName(q.Question[0].Name)+" "+dns.TypeToString[q.Question[0].Qtype]]++
		s.mu.Unlock()
		answer(q, network, func(raw []byte) { w.Write(raw) })
	})
	var done sync.WaitGroup
	t.Cleanup(done.Wait) // runs after the Shutdowns, which are registered later
	for _, srv := range []*dns.Server{{Listener: tcp, Handler: handler}, {PacketConn: udp, Handler: handler}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		done.Go(func() { srv.ActivateAndServe() })
		<-started
		t.Cleanup(func() { srv.Shutdown() })
	}
	return s
}

func (s *server) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.asked {
		n += c
	}
	return n
}

// client asks the servers with little patience.
func client(addrs ...string) *Resolver {
	return &Resolver{Servers: addrs, Timeout: 150 * time.Millisecond, Rounds: 1, Deadline: 2 * time.Second}
}

func rrs(t testing.TB, lines ...string) []dns.RR {
	t.Helper()
	var list []dns.RR
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rr)
	}
	return list
}

// answerWith gives the same records to each question.
func answerWith(t testing.TB, lines ...string) reply {
	list := rrs(t, lines...)
	return func(q *dns.Msg, _ string, write func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable, m.Answer = true, list
		write(m)
	}
}

func answerCode(rcode int) reply {
	return func(q *dns.Msg, _ string, write func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable, m.Rcode = true, rcode
		write(m)
	}
}

// cutAndLong is cut over UDP, and has records of 60 kB in all over TCP.
func cutAndLong(text func(i int) string) reply {
	return func(q *dns.Msg, network string, write func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		if network == "udp" {
			m.Truncated = true
			write(m)
			return
		}
		m.Compress = true
		for i := range 240 {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{text(i)}})
		}
		write(m)
	}
}

func silent(*dns.Msg, string, func(*dns.Msg)) {}
