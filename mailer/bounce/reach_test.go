package bounce

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
)

func reacher(paths *mailer.Paths, port int) *mailer.Reacher {
	return &mailer.Reacher{HELO: "mail.example", Port: port, AllowPrivate: true, ReturnPath: func() string {
		return paths.ReturnPath(ledger.NewMessageID(3, ledger.NewSeed()))
	}}
}

func splitAddr(t *testing.T, addr string) (netip.Addr, int) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddr(host), n
}

// The receiver is known by what only it can tell apart; nothing is kept, and a receiver with other keys is another one.
func TestReceiverIsReached(t *testing.T) {
	s := newSite(t, nil)
	ip, port := splitAddr(t, s.addr)
	host := dnscheck.MXHost{Name: "mx.bounces.example", Addrs: []netip.Addr{ip}}
	if got := reacher(s.paths, port).Reach(t.Context(), host); got.State != dnscheck.ReachOurs || got.IP != ip || got.Host != host.Name {
		t.Errorf("%+v", got)
	}
	others, err := mailer.NewPaths("bounces.example", []mailer.Key{{ID: "k1", Secret: [32]byte{2}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := reacher(others, port).Reach(t.Context(), host); got.State != dnscheck.ReachOther || !strings.Contains(got.Why, "550") {
		t.Errorf("other keys: %+v", got)
	}
	// Nobody connects to a private address unless the configuration allows it.
	guarded := reacher(s.paths, port)
	guarded.AllowPrivate = false
	before := s.Stats().Sessions
	if got := guarded.Reach(t.Context(), host); got.State != dnscheck.ReachUntried || s.Stats().Sessions != before {
		t.Errorf("a private address: %+v", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) > 0 || s.Stats().Forged != 3 {
		t.Errorf("kept %v, %+v", s.kept, s.Stats())
	}
}

// Servers that are not ours, and such as do not speak.
func TestOthersAreNotTheReceiver(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	paths, err := mailer.NewPaths("bounces.example", []mailer.Key{{ID: "k1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		what string
		b    sim.Behaviour
		want dnscheck.ReachState
	}{
		{"takes any address", sim.Accept(), dnscheck.ReachAny},
		{"knows nobody", sim.UnknownMailbox(), dnscheck.ReachOther},
		{"greylists", sim.DeferRcpt(), dnscheck.ReachUntried},
		{"is down", sim.Down(), dnscheck.ReachUntried},
		{"turns us away", sim.BannerReject(554, "no"), dnscheck.ReachUntried},
		{"never stops greeting", sim.BannerEndless(), dnscheck.ReachUntried},
		{"never answers", sim.Blackhole(), dnscheck.ReachUntried},
	} {
		h := w.Host("mx"+strconv.Itoa(i)+".bounces.example", tt.b)
		r := reacher(paths, w.SMTPPort())
		r.Limits = mailer.Limits{Banner: 300 * time.Millisecond}
		if got := r.Reach(t.Context(), dnscheck.MXHost{Name: "mx", Addrs: []netip.Addr{h.IP()}}); got.State != tt.want || got.Why == "" {
			t.Errorf("a host that %s: %+v", tt.what, got)
		}
	}
	if got := reacher(paths, 1).Reach(t.Context(), dnscheck.MXHost{Name: "mx"}); got.State != dnscheck.ReachUntried {
		t.Errorf("a host without an address: %+v", got)
	}
}
