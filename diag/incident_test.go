package diag

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// traffic is a made-up installation whose mails are counted as the worker counts them.
type traffic struct {
	slices  map[time.Time]*Counted
	failing []Failing
	n       int
}

func newTraffic() *traffic { return &traffic{slices: map[time.Time]*Counted{}} }

// mail counts one; cause "" = it was taken.
func (tr *traffic) mail(at time.Time, m Marks, cause, code string) {
	tr.n++
	start := at.Truncate(Slice)
	s := tr.slices[start]
	if s == nil {
		s = &Counted{Start: start, Keys: map[Key]Count{}}
		tr.slices[start] = s
	}
	failed := 0
	if cause != "" {
		failed = 1
		tr.failing = append(tr.failing, Failing{At: at, Reset: ledger.ResetID(fmt.Sprint("r", tr.n)), Marks: m, Cause: cause, Code: code})
		k := Key{OfReason, cause}
		s.Keys[k] = Count{0, s.Keys[k].Failed + 1}
	}
	s.Total = Count{s.Total.Tried + 1, s.Total.Failed + failed}
	for _, k := range m.Keys() {
		c := s.Keys[k]
		s.Keys[k] = Count{c.Tried + 1, c.Failed + failed}
	}
}

// watch is what the detection sees at a moment.
func (tr *traffic) watch(now time.Time, known []Trouble, changes ...Change) Watch {
	w := Watch{Now: now, Known: known, Changes: changes}
	for _, s := range tr.slices {
		if s.Start.After(now.Add(-24*time.Hour)) && !s.Start.After(now) {
			w.Slices = append(w.Slices, *s)
		}
	}
	slices.SortFunc(w.Slices, func(a, b Counted) int { return a.Start.Compare(b.Start) })
	for _, f := range tr.failing {
		if f.At.After(now.Add(-24*time.Hour)) && !f.At.After(now) {
			w.Failing = append(w.Failing, f)
		}
	}
	slices.SortFunc(w.Failing, func(a, b Failing) int { return a.At.Compare(b.At) })
	return w
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func marks(provider, sender string) Marks {
	return Marks{Provider: provider, Sender: sender, Route: "mx", Realm: "shop"}
}

// usualDay is one mail a minute, to three providers in turn, of which one in fifty fails.
func usualDay() *traffic {
	tr := newTraffic()
	for i := range 23 * 60 {
		cause := ""
		if i%50 == 49 {
			cause = "recipient.unknown_mailbox"
		}
		tr.mail(noon.Add(-23*time.Hour).Add(time.Duration(i)*time.Minute), marks([]string{"google", "microsoft", "mail.example"}[i%3], "shop.example"), cause, "550 5.1.1")
	}
	return tr
}

func only(t *testing.T, w Watch) Trouble {
	t.Helper()
	got := Detect(w)
	if len(got) != 1 {
		t.Fatalf("%d troubles: %+v", len(got), got)
	}
	return got[0]
}

// One provider puts everything off, the others do not: the trouble is the provider's, not the route's or the realm's.
func TestOutageOfOneProvider(t *testing.T) {
	tr := usualDay()
	for i := range 36 {
		cause := ""
		if i%3 == 0 {
			cause = "deferred.other"
		}
		tr.mail(noon.Add(time.Duration(i)*20*time.Second), marks([]string{"google", "microsoft", "mail.example"}[i%3], "shop.example"), cause, "451 4.3.0")
	}
	tb := only(t, tr.watch(noon.Add(12*time.Minute), nil))
	if tb.Key() != (Key{OfProvider, "google"}) || tb.Cause != "deferred.provider_outage" || tb.Size != 12 || !tb.Since.Equal(noon) || tb.ID != "" {
		t.Errorf("%+v", tb)
	}
	if !strings.Contains(strings.Join(tb.Evidence, " "), "451 4.3.0") || !strings.Contains(tb.Says, "to Google") {
		t.Errorf("%s %q", tb.Says, tb.Evidence)
	}
}

// A DKIM record was changed: the sender's mail fails everywhere, another sender's does not. What was changed shortly before is evidence.
func TestSenderFailsEverywhere(t *testing.T) {
	tr := usualDay()
	for i := range 20 {
		at := noon.Add(time.Duration(i) * 30 * time.Second)
		tr.mail(at, marks([]string{"google", "microsoft"}[i%2], "shop.example"), "sender.dmarc_rejected", "550 5.7.26")
		tr.mail(at, marks([]string{"google", "microsoft"}[i%2], "other.example"), "", "")
	}
	tb := only(t, tr.watch(noon.Add(10*time.Minute), nil, Change{At: noon.Add(-5 * time.Minute), Says: "the DKIM record of shop.example changed."}, Change{At: noon.Add(-9 * time.Hour), Says: "something long ago."}))
	if tb.Key() != (Key{OfSender, "shop.example"}) || tb.Cause != "sender.dmarc_rejected" || tb.Size != 20 {
		t.Errorf("%+v", tb)
	}
	if s := strings.Join(tb.Evidence, " "); !strings.Contains(s, "the DKIM record of shop.example changed") || strings.Contains(s, "long ago") {
		t.Error(s)
	}
}

// All mails of a small installation fail: whatever they share explains it; the cause says whose it is.
func TestEverythingFails(t *testing.T) {
	for cause, want := range map[string]Key{
		"sender.spf_fail":               {OfSender, "shop.example"},
		"relay.auth_failed":             {OfRoute, "mx"},
		"account.directory_unavailable": {OfRealm, "shop"},
		"deferred.other":                {OfProvider, "google"},
	} {
		tr := newTraffic()
		for i := range 8 { // one in twenty minutes: six hours show it
			tr.mail(noon.Add(time.Duration(i)*20*time.Minute), marks("google", "shop.example"), cause, "")
		}
		if tb := only(t, tr.watch(noon.Add(150*time.Minute), nil)); tb.Key() != want {
			t.Errorf("%s: %+v", cause, tb)
		}
	}
}

// In a small installation many mails fail for reasons of their own, while a trouble begins: it holds those that share its cause, and all its
// resets lie behind its beginning, though some passed in between.
func TestTroubleLeavesOutReasonsOfTheirOwn(t *testing.T) {
	tr := newTraffic()
	for i := range 30 {
		cause := ""
		switch {
		case i%3 == 0:
			cause = []string{"recipient.mailbox_full", "recipient.unknown_mailbox", "recipient.restricted"}[i/3%3]
		case i%5 == 0:
			cause = "sender.dmarc_rejected"
		}
		tr.mail(noon.Add(time.Duration(i)*time.Second), marks(fmt.Sprintf("p%d.example", i), "shop.example"), cause, "")
	}
	if got := Detect(tr.watch(noon.Add(time.Minute), nil)); len(got) > 0 {
		t.Errorf("people with troubles of their own are taken for one: %+v", got)
	}
	for i := range 12 {
		tr.mail(noon.Add(6*time.Minute), marks("p.example", "shop.example"), "", "")
		tr.mail(noon.Add(12*time.Minute+time.Duration(i)*time.Second), marks(fmt.Sprintf("p%d.example", i), "shop.example"), "sender.dmarc_rejected", "550 5.7.26")
	}
	tb := only(t, tr.watch(noon.Add(14*time.Minute), nil))
	if tb.Key() != (Key{OfSender, "shop.example"}) || tb.Cause != "sender.dmarc_rejected" || tb.Size < fewestResets {
		t.Errorf("%+v", tb)
	}
	own := Failing{At: noon.Add(12 * time.Minute), Marks: marks("p1.example", "shop.example"), Cause: "recipient.mailbox_full"}
	if tb.Holds(own) {
		t.Error("a full mailbox is told to be part of it")
	}
}

// A few failures are no incident, nor many mails of one person, nor a rate that is usual here.
func TestNoAlarm(t *testing.T) {
	three := newTraffic()
	for i := range 3 {
		three.mail(noon.Add(time.Duration(i)*time.Minute), marks("google", "shop.example"), "deferred.other", "")
	}
	person := usualDay()
	for i := range 12 {
		person.mail(noon.Add(time.Duration(i)*time.Minute), marks("google", "shop.example"), "deferred.other", "")
		person.failing[len(person.failing)-1].Reset = "r1"
	}
	poor := newTraffic()
	for i := range 1440 {
		cause := ""
		if i%3 == 0 {
			cause = "recipient.unknown_mailbox"
		}
		poor.mail(noon.Add(-24*time.Hour).Add(time.Duration(i)*time.Minute), marks("google", "shop.example"), cause, "")
	}
	for name, tr := range map[string]*traffic{"three": three, "one person": person, "a third always fails": poor, "a usual day": usualDay()} {
		if got := Detect(tr.watch(noon.Add(12*time.Minute), nil)); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A month of random failures, one in ten, gives no false alarm.
func TestRandomFailuresAreNoIncident(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for day := range 30 {
		tr := newTraffic()
		for i := range 1440 {
			cause := ""
			if rnd.IntN(10) == 0 {
				cause = "recipient.unknown_mailbox"
			}
			tr.mail(noon.Add(-24*time.Hour).Add(time.Duration(i)*time.Minute), marks([]string{"google", "microsoft", "a.example", "b.example"}[rnd.IntN(4)], "shop.example"), cause, "")
		}
		for h := 6; h <= 24; h += 3 {
			if got := Detect(tr.watch(noon.Add(time.Duration(h-24)*time.Hour), nil)); len(got) > 0 {
				t.Errorf("day %d, hour %d: %+v", day, h, got)
			}
		}
	}
}

// A trouble goes on while mails fail, is over once they pass, and does not come back for what it was.
func TestTroubleEnds(t *testing.T) {
	tr := usualDay()
	for i := range 20 {
		tr.mail(noon.Add(time.Duration(i)*30*time.Second), marks("google", "shop.example"), "deferred.other", "451 4.3.0")
	}
	tb := only(t, tr.watch(noon.Add(10*time.Minute), nil))
	tb.ID = "inc_1"
	for i := range 10 {
		tr.mail(noon.Add(10*time.Minute+time.Duration(i)*30*time.Second), marks("google", "shop.example"), "deferred.other", "451 4.3.0")
	}
	if tb = only(t, tr.watch(noon.Add(15*time.Minute), []Trouble{tb})); tb.ID != "inc_1" || tb.Size != 30 || !tb.Until.IsZero() {
		t.Errorf("goes on as %+v", tb)
	}
	for i := range 12 {
		tr.mail(noon.Add(20*time.Minute+time.Duration(i)*time.Minute), marks("google", "shop.example"), "", "")
	}
	end := noon.Add(31 * time.Minute)
	if tb = only(t, tr.watch(end, []Trouble{tb})); tb.Until.IsZero() || tb.Size != 30 || !strings.HasPrefix(tb.Says, "From ") {
		t.Errorf("ends as %+v", tb)
	}
	for m := range 120 {
		if got := Detect(tr.watch(end.Add(time.Duration(m)*time.Minute), []Trouble{tb})); len(got) > 0 {
			t.Fatalf("comes back after %d min: %+v", m, got)
		}
	}
}

// Nobody asks any more: after an hour without failures it is over, at its last failure.
func TestTroubleFallsSilent(t *testing.T) {
	tr := usualDay()
	for i := range 20 {
		tr.mail(noon.Add(time.Duration(i)*30*time.Second), marks("google", "shop.example"), "deferred.other", "")
	}
	tb := only(t, tr.watch(noon.Add(10*time.Minute), nil))
	if tb = only(t, tr.watch(noon.Add(65*time.Minute), []Trouble{tb})); !tb.Until.IsZero() {
		t.Errorf("over too early: %+v", tb)
	}
	if tb = only(t, tr.watch(noon.Add(75*time.Minute), []Trouble{tb})); !tb.Until.Equal(tb.Seen) {
		t.Errorf("%+v", tb)
	}
}

func TestTail(t *testing.T) {
	for _, test := range []struct {
		n, k int
		p    float64
		want float64
	}{
		{3, 3, 0.05, 0.000125}, {5, 5, 0.05, 3.125e-7}, {10, 0, 0.3, 1}, {10, 11, 0.3, 0}, {10, 5, 0.5, 0.623046875}, {10, 1, 0.5, 1 - 1.0/1024}, {1, 1, 0.2, 0.2},
	} {
		if got := tail(test.n, test.k, test.p); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("tail(%d, %d, %v) = %v, want %v", test.n, test.k, test.p, got, test.want)
		}
	}
	for n := 1; n < 40; n++ {
		for k := 0; k <= n; k++ {
			if a, b := tail(n, k, 0.13), tail(n, k+1, 0.13); b > a+1e-12 || a > 1 || b < 0 {
				t.Fatalf("tail(%d, %d) = %v, then %v", n, k, a, b)
			}
		}
	}
	if got := tail(1_000_000, 500_000, 0.05); got > 1e-100 || math.IsNaN(got) {
		t.Errorf("large counts: %v", got)
	}
}

func BenchmarkDetect(b *testing.B) {
	tr := usualDay()
	for i := range 5000 {
		tr.mail(noon.Add(-time.Duration(i)*15*time.Second), marks(fmt.Sprintf("p%d.example", i%200), "shop.example"), "deferred.other", "451")
	}
	w := tr.watch(noon, nil)
	for b.Loop() {
		Detect(w)
	}
}
