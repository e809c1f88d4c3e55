package dnscheck

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone is a DNS of the test's own: records in zone-file form, and lines "name. FAILS outcome [type]" for what goes wrong.
type zone struct {
	rrs   map[string][]dns.RR // by wire name
	fails map[string]Outcome  // by wire name, or wire name and "/" type
	ad    bool                // every answer is said to be validated

	mu    sync.Mutex
	asked []string // "name TYPE", in the order asked
}

func newZone(t testing.TB, text string) *zone {
	t.Helper()
	z := &zone{rrs: map[string][]dns.RR{}, fails: map[string]Outcome{}}
	var records strings.Builder
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 3 && f[1] == "FAILS" {
			key := lower(f[0])
			if len(f) > 3 {
				key += "/" + f[3]
			}
			z.fails[key] = Outcome(f[2])
			continue
		}
		records.WriteString(line)
	}
	p := dns.NewZoneParser(strings.NewReader(records.String()), ".", "zone")
	p.SetDefaultTTL(300)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name := lower(rr.Header().Name)
		z.rrs[name] = append(z.rrs[name], rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

func (z *zone) Lookup(_ context.Context, name string, qtype uint16) Answer {
	a := Answer{Name: foldName(name), Type: qtype, Queries: 1}
	wire, err := wireName(name)
	if err != nil {
		a.Outcome, a.Why = BadName, "bad name"
		return a
	}
	a.Name = foldName(wire)
	z.mu.Lock()
	z.asked = append(z.asked, a.Name+" "+dns.TypeToString[qtype])
	z.mu.Unlock()
	for _, key := range []string{wire + "/" + dns.TypeToString[qtype], wire} {
		if o, ok := z.fails[key]; ok {
			a.Outcome, a.Why = o, "the zone says so: "+string(o)
			return a
		}
	}
	at := wire
	for range maxAliases {
		var next string
		for _, rr := range z.rrs[at] {
			if rr.Header().Rrtype == qtype {
				a.Records = append(a.Records, rr)
			} else if cn, ok := rr.(*dns.CNAME); ok {
				next = lower(cn.Target)
			}
		}
		if len(a.Records) > 0 || next == "" {
			break
		}
		at = next
		a.Aliases = append(a.Aliases, foldName(at))
	}
	switch {
	case len(a.Records) > 0:
		a.Outcome, a.TTL, a.AD = Found, 300*time.Second, z.ad
	case z.exists(at):
		a.Outcome, a.Why, a.AD = NoData, "no such record", z.ad
	default:
		a.Outcome, a.Why, a.AD = NXDomain, "no such name", z.ad
	}
	return a
}

// exists knows empty non-terminals: a name exists if anything lies below it.
func (z *zone) exists(wire string) bool {
	for name := range z.rrs {
		if name == wire || strings.HasSuffix(name, "."+wire) {
			return true
		}
	}
	return false
}

// count is how often names were asked for records of a type.
func (z *zone) count(qtype string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	n := 0
	for _, q := range z.asked {
		if strings.HasSuffix(q, " "+qtype) {
			n++
		}
	}
	return n
}

// sharedDir finds the folder ../shared of the checkout; it skips the test where that is absent.
func sharedDir(t testing.TB, parts ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(append([]string{dir, "shared"}, parts...)...)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if dir == filepath.Dir(dir) {
			t.Skip("the corpora of ../shared are not here")
		}
	}
}

// flipper answers from one zone and then from the other, question by question.
type flipper struct {
	zones [2]*zone

	mu    sync.Mutex
	n     int
	asked map[string]int
}

func newFlipper(a, b *zone) *flipper {
	return &flipper{zones: [2]*zone{a, b}, asked: map[string]int{}}
}

func (f *flipper) Lookup(ctx context.Context, name string, qtype uint16) Answer {
	f.mu.Lock()
	z := f.zones[f.n%2]
	f.n++
	f.asked[foldName(name)+" "+dns.TypeToString[qtype]]++
	f.mu.Unlock()
	return z.Lookup(ctx, name, qtype)
}
