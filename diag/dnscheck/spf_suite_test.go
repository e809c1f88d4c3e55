package dnscheck

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v4"
)

// suiteScenario is one document of the RFC 7208 test suite of openspf.org.
type suiteScenario struct {
	Description string
	Tests       map[string]struct {
		Helo, Host, Mailfrom string
		Result               any // a result, or the list of those allowed
		Explanation          string
	}
	Zonedata map[string][]any
}

// The suite decides what SPF is: all 203 cases must come out as it says.
func TestSPFSuite(t *testing.T) {
	f, err := os.Open(sharedDir(t, "corpora", "auth", "spf-rfc7208", "data", "rfc7208-tests.yml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := yaml.NewDecoder(f)
	cases, passed := 0, 0
	for {
		var s suiteScenario
		if err := dec.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		z := suiteZone(t, s.Zonedata)
		for name, c := range s.Tests {
			cases++
			got := CheckSPF(context.Background(), z, SPFQuestion{
				IP: netip.MustParseAddr(c.Host), MailFrom: c.Mailfrom, HELO: c.Helo, Now: time.Unix(1e9, 0),
			})
			want := suiteResults(c.Result)
			ok := strings.Contains(" "+want+" ", " "+string(got.Result)+" ")
			explanation := c.Explanation
			if explanation == "DEFAULT" {
				explanation = ""
			}
			if c.Explanation != "" && got.Explanation != explanation {
				ok = false
			}
			if got.Lookups > spfMaxLookups {
				ok = false
			}
			if !ok {
				t.Errorf("%s / %s: got %s (%s) %q, want %s %q\n%v", s.Description, name, got.Result, got.Why, got.Explanation, want, c.Explanation, got.Trace)
				continue
			}
			passed++
		}
	}
	t.Logf("%d of %d", passed, cases)
	if cases != 203 {
		t.Errorf("read %d cases of 203", cases)
	}
}

func suiteResults(v any) string {
	if list, ok := v.([]any); ok {
		var b strings.Builder
		for _, r := range list {
			b.WriteString(r.(string) + " ")
		}
		return strings.TrimSpace(b.String())
	}
	return v.(string)
}

// suiteZone builds the records of a scenario. As the suite demands, records of type SPF stand for TXT unless the name has
// TXT of its own, and TIMEOUT answers every type that the name has no record of.
func suiteZone(t *testing.T, data map[string][]any) *zone {
	z := &zone{rrs: map[string][]dns.RR{}, fails: map[string]Outcome{}}
	for name, entries := range data {
		wire, err := wireName(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var spf, txt []dns.RR
		hasTXT, timeout := false, false
		for _, entry := range entries {
			m, ok := entry.(map[string]any)
			if !ok {
				timeout = true
				continue
			}
			for typ, value := range m {
				h := dns.RR_Header{Name: wire, Rrtype: dns.StringToType[typ], Class: dns.ClassINET, Ttl: 300}
				switch typ {
				case "TXT", "SPF":
					h.Rrtype = dns.TypeTXT
					if value == "NONE" {
						hasTXT = true
						continue
					}
					rr := &dns.TXT{Hdr: h, Txt: suiteStrings(value)}
					if typ == "TXT" {
						hasTXT, txt = true, append(txt, rr)
					} else {
						spf = append(spf, rr)
					}
				case "MX":
					list := value.([]any)
					z.rrs[wire] = append(z.rrs[wire], &dns.MX{Hdr: h, Preference: uint16(list[0].(int)), Mx: suiteName(list[1].(string))})
				case "A":
					z.rrs[wire] = append(z.rrs[wire], &dns.A{Hdr: h, A: netip.MustParseAddr(value.(string)).AsSlice()})
				case "AAAA":
					z.rrs[wire] = append(z.rrs[wire], &dns.AAAA{Hdr: h, AAAA: netip.MustParseAddr(value.(string)).AsSlice()})
				case "PTR":
					z.rrs[wire] = append(z.rrs[wire], &dns.PTR{Hdr: h, Ptr: suiteName(value.(string))})
				case "CNAME":
					z.rrs[wire] = append(z.rrs[wire], &dns.CNAME{Hdr: h, Target: suiteName(value.(string))})
				default:
					t.Fatalf("%s: type %s", name, typ)
				}
			}
		}
		if !hasTXT {
			txt = spf
		}
		z.rrs[wire] = append(z.rrs[wire], txt...)
		if timeout {
			for _, typ := range []uint16{dns.TypeTXT, dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypePTR} {
				has := false
				for _, rr := range z.rrs[wire] {
					has = has || rr.Header().Rrtype == typ
				}
				if !has {
					z.fails[wire+"/"+dns.TypeToString[typ]] = Timeout
				}
			}
		}
	}
	return z
}

func suiteName(s string) string {
	if s == "" {
		return "."
	}
	return dns.Fqdn(s)
}

// suiteStrings gives the character-strings in the form in which miekg/dns keeps them.
func suiteStrings(value any) []string {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var out []string
	for _, v := range list {
		var b strings.Builder
		for _, c := range []byte(v.(string)) {
			switch {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				b.WriteByte('\\')
				n := strconv.Itoa(int(c))
				b.WriteString(strings.Repeat("0", 3-len(n)) + n)
			default:
				b.WriteByte(c)
			}
		}
		out = append(out, b.String())
	}
	return out
}
