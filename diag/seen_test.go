package diag

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

func dayOf(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }

func own(day int, by string, n int64, dkim, spf bool) SeenMail {
	return SeenMail{Day: dayOf(day), Reporter: by, Proof: ProofSigned, Class: "own", Source: "192.0.2.10", Selector: "s1", DKIM: dkim, SPF: spf, Disposition: "none", N: n}
}

// A line that is written and read is the same, whatever a stranger put into it, and has its place even where the day is full.
func TestSeenFields(t *testing.T) {
	m := own(20, "google.com", 7, true, false)
	if got := ReadSeenMail(m.Day, map[string]int64{m.Field(): 7}); len(got) != 1 || got[0] != m {
		t.Errorf("%q reads as %+v", m.Field(), got)
	}
	if f := m.Field(); len(f) > 64 {
		t.Errorf("%d bytes", len(f))
	}
	odd := SeenMail{Day: dayOf(20), Reporter: "a\tb\n" + strings.Repeat("é", 100), Proof: ProofNone, Class: "unknown", N: 1}
	if got := ReadSeenMail(odd.Day, map[string]int64{odd.Field(): 1, odd.Spill(): 2, "": 3, "x\ty": 4, "+a\tb\tc\td": 5}); len(got) != 2 || !strings.HasPrefix(got[1].Reporter, "a b ") {
		t.Errorf("%+v", got)
	}
	s := SeenTLS{Day: dayOf(20), Reporter: "Company-X", Proof: ProofPerson, Policy: "sts", Host: "mx.shop.example", Result: "certificate-expired", N: 3}
	if got := ReadSeenTLS(s.Day, map[string]int64{s.Field(): 3}); len(got) != 1 || got[0] != s {
		t.Errorf("%q reads as %+v", s.Field(), got)
	}
	if s.Spill() == s.Field() || !strings.Contains(s.Spill(), "unspecified") {
		t.Errorf("%q", s.Spill())
	}
}

func TestJudgeSeen(t *testing.T) {
	unsigned := func(m SeenMail) SeenMail { m.Proof = ProofNone; return m }
	held := func(m SeenMail, d string) SeenMail { m.Disposition = d; return m }
	for _, c := range []struct {
		story   string
		lines   []SeenMail
		aligned bool
		want    string // severity causes: mails dkim/spf/both from-to by
	}{
		{"nothing", nil, true, "-"},
		{"only others' mail", []SeenMail{{Day: dayOf(20), Reporter: "a", Proof: ProofSigned, Class: "unknown", N: 50}}, true, "-"},
		{"all passes", []SeenMail{own(20, "a", 10, true, true), own(21, "b", 20, true, true)}, true, "ok []: 30 0/0/0 20-21 b a"},
		{"it began on the 19th", []SeenMail{own(17, "a", 10, true, true), own(18, "a", 100, true, true), own(18, "a", 1, false, true), own(19, "a", 43, true, true), own(19, "a", 7, false, true), own(20, "b", 43, true, true),
			own(20, "b", 7, false, true)}, true, "warning [sender.dkim_broken_in_transit]: 100 14/0/0 19-20 a b"},
		{"a day without mail between", []SeenMail{own(17, "a", 5, false, false), own(20, "a", 5, false, false)}, true,
			"error [sender.dkim_broken_in_transit sender.spf_fail]: 10 10/10/10 17-20 a"},
		{"it is over", []SeenMail{own(19, "a", 7, false, true), own(20, "a", 50, true, true)}, true, "ok []: 57 7/0/0 19-20 a"},
		{"one mail is none", []SeenMail{own(20, "a", 1, false, true)}, true, "ok []: 1 1/0/0 20-20 a"},
		{"one in a hundred is none", []SeenMail{own(20, "a", 5, false, true), own(20, "a", 500, true, true)}, true, "ok []: 505 5/0/0 20-20 a"},
		{"SPF cannot be aligned", []SeenMail{own(20, "a", 50, true, false)}, false, "ok []: 50 0/50/0 20-20 a"},
		{"SPF fails", []SeenMail{own(20, "a", 50, true, false)}, true, "warning [sender.spf_fail]: 50 0/50/0 20-20 a"},
		{"SPF fails, and they put it away", []SeenMail{held(own(20, "a", 50, true, false), "quarantine")}, true, "error [sender.spf_fail]: 50 0/50/0 20-20 a"},
		{"a forged report beside true ones", []SeenMail{own(20, "a", 50, true, true), unsigned(own(20, "a", 1000, false, false))}, true, "ok []: 50 0/0/0 20-20 a"},
		{"only what anybody may have sent", []SeenMail{unsigned(own(20, "a", 50, false, true))}, true, "warning [sender.dkim_broken_in_transit]: 50 50/0/0 20-20 a unsigned"},
	} {
		got := "-"
		if check, ok := JudgeSeen("shop.example", c.lines, c.aligned); ok {
			got = toldSeen(check)
		}
		if got != c.want {
			t.Errorf("%s: %s\nwant %s", c.story, got, c.want)
		}
	}
}

func toldSeen(c ledger.Check) string {
	s := c.Seen
	out := c.Severity + " [" + strings.Join(c.Causes, " ") + "]: " + strings.Join([]string{
		itoa(s.Mails) + " " + itoa(s.DKIM) + "/" + itoa(s.SPF) + "/" + itoa(s.Both), s.From.Format("2") + "-" + s.To.Format("2"), strings.Join(s.By, " ")}, " ")
	if !s.Signed {
		out += " unsigned"
	}
	return out
}

func itoa(n int64) string { return strings.TrimSuffix(strings.TrimSuffix(many(n, ""), "s"), " ") }

func TestJudgeTLS(t *testing.T) {
	line := func(day int, result string, n int64) SeenTLS {
		return SeenTLS{Day: dayOf(day), Reporter: "x", Proof: ProofSigned, Policy: "sts", Result: result, N: n}
	}
	got, ok := JudgeTLS("bounces.shop.example", []SeenTLS{line(18, "", 90), line(19, "", 70), line(19, "certificate-expired", 20), line(19, "validation-failure", 10)}, true)
	want := ledger.Check{Domain: "bounces.shop.example", Severity: "warning", Causes: []string{"tls.policy_failed"}, Seen: &ledger.Seen{Kind: "tls", From: dayOf(19), To: dayOf(19), By: []string{"x"},
		Signed: true, Mails: 100, Failed: 30, Why: "certificate-expired", Returns: true}}
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\n%+v", got, got.Seen)
	}
	if got, ok := JudgeTLS("x.example", []SeenTLS{line(18, "", 90)}, false); !ok || got.Severity != "ok" || saysSeen(&got) != "Senders reached x.example over TLS since 18 November: of 90 attempts, 0 failed (reported by x)." {
		t.Errorf("%+v %s", got, saysSeen(&got))
	}
}
