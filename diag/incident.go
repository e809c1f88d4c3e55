package diag

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// It is not this user, it is us: failures that share something, far above their usual rate.
//
// Mails are counted in slices of five minutes by what they can have in common: the provider that runs their host, the sender domain, the
// route, the realm; and failures also by their cause. A mail counts once in a slice, however often it is tried.
//
// The last 15 minutes, hour and six hours are compared with the rest of the last day. The usual rate of failures is (F+1)/(N+20) of the
// N mails before, which is 5 % where nothing is known. A key is in trouble when
//
//   - at least five different resets fail: three mails never raise an alarm. A mailbox that is full or unknown counts only where that is what
//     most of them fail of;
//   - at least a fifth of its mails fail, and three times the usual;
//   - with the usual rate, so many failures would come about by chance less than once in a million looks (upper tail of the binomial
//     distribution). Some 50 keys and three windows give about 5,000 independent looks a day: one false alarm in half a year, if mails fail
//     independently; since they do not quite, the two bounds above stand beside it.
//
// Of several keys the one wins that explains most (the largest likelihood ratio): when one provider fails, its route and realm fail more too,
// but less purely. A cause alone comes last, since every trouble has one. What shares four fifths of its failing resets with a winner is the same
// trouble.
//
// It is over when mails pass again: the last 15 minutes fit the usual rate, and would not fit (less than 5 %) that of the trouble; or when
// nothing has failed for an hour.

// Slice is how long mails are counted together.
const Slice = 5 * time.Minute

// Bounds of the detection, as explained above.
const (
	fewestResets = 5
	lowestRate   = 0.2
	timesUsual   = 3
	byChance     = 1e-6
	sameTrouble  = 0.8
	quiet        = time.Hour
)

// Kind is what mails can have in common.
type Kind string

// The kinds of keys.
const (
	OfProvider Kind = "provider" // who runs the recipient's host, as ProviderOf names it
	OfSender   Kind = "sender"   // domain of the From address
	OfRoute    Kind = "route"
	OfRealm    Kind = "realm"
	OfReason   Kind = "reason" // cause of the catalogue; its mails are all mails
)

// Key is one thing that mails have in common.
type Key struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

// Count is how many mails there were, and how many of them failed.
type Count struct{ Tried, Failed int }

// Counted are the mails of one slice. Total counts each once.
type Counted struct {
	Start time.Time
	Total Count
	Keys  map[Key]Count
}

// Failing is a reset whose mail failed.
type Failing struct {
	At    time.Time // last
	Reset ledger.ResetID
	Marks Marks
	Cause string // id of the catalogue
	Code  string // what the host said, code and enhanced code only; "" = nothing
}

// Marks are what one mail has, for each kind; "" = not known.
type Marks struct {
	Provider, Sender, Route, Realm string
}

// Keys lists the marks that are known.
func (m Marks) Keys() []Key {
	var out []Key
	for _, k := range []Key{{OfProvider, m.Provider}, {OfSender, m.Sender}, {OfRoute, m.Route}, {OfRealm, m.Realm}} {
		if k.Name != "" {
			out = append(out, k)
		}
	}
	return out
}

// has tells whether a failing mail belongs to a key.
func (f Failing) has(k Key) bool {
	if k.Name == "" {
		return false
	}
	switch k.Kind {
	case OfProvider:
		return f.Marks.Provider == k.Name
	case OfSender:
		return f.Marks.Sender == k.Name
	case OfRoute:
		return f.Marks.Route == k.Name
	case OfRealm:
		return f.Marks.Realm == k.Name
	}
	return f.Cause == k.Name
}

// Watch is what the detection looks at.
type Watch struct {
	Now     time.Time
	Slices  []Counted // of the last day, oldest first
	Failing []Failing // of the last day
	Known   []Trouble // of the last day: open, and over
	Changes []Change
}

// Detect gives the troubles that are new (their ID is ""), that go on, and that are over now (their Until is set).
func Detect(w Watch) []Trouble {
	var out []Trouble
	open := map[Key]bool{}
	explained := map[ledger.ResetID]bool{}
	for _, t := range w.Known {
		for _, f := range w.Failing {
			if t.Holds(f) {
				explained[f.Reset] = true
			}
		}
		if t.Until.IsZero() {
			open[t.Key()] = true
			out = append(out, w.follow(t))
		}
	}
	for _, c := range w.suspects() {
		fresh := 0
		for r := range c.resets {
			if !explained[r] {
				fresh++
			}
		}
		if open[c.key] || float64(fresh) < (1-sameTrouble)*float64(len(c.resets)) || fresh < fewestResets {
			continue
		}
		for r := range c.resets {
			explained[r] = true
		}
		out = append(out, w.begun(c))
	}
	return out
}

// suspect is a key that fails too often, in one of the windows.
type suspect struct {
	key    Key
	from   time.Time
	usual  float64
	score  float64 // log of the likelihood ratio
	resets map[ledger.ResetID]bool
}

// suspects finds them, the one that explains most first.
func (w Watch) suspects() []suspect {
	keys := map[Key]bool{}
	for _, s := range w.Slices {
		for k, c := range s.Keys {
			if c.Failed > 0 {
				keys[k] = true
			}
		}
	}
	best := map[Key]suspect{}
	for k := range keys {
		for _, window := range []time.Duration{3 * Slice, time.Hour, 6 * time.Hour} {
			if s, ok := w.suspicious(k, window); ok && s.score > best[k].score {
				best[k] = s
			}
		}
	}
	out := make([]suspect, 0, len(best))
	for _, s := range best {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b suspect) int {
		if last := a.key.Kind == OfReason; last != (b.key.Kind == OfReason) {
			if last {
				return 1
			}
			return -1
		}
		if math.Abs(a.score-b.score) > 1e-9 {
			return cmp.Compare(b.score, a.score)
		}
		return cmp.Or(cmp.Compare(w.preference(a), w.preference(b)), cmp.Compare(a.key.Kind, b.key.Kind), cmp.Compare(a.key.Name, b.key.Name))
	})
	return out
}

func (w Watch) suspicious(k Key, window time.Duration) (suspect, bool) {
	from := w.Now.Truncate(Slice).Add(Slice - window)
	for _, t := range w.Known {
		if end := t.Until.Truncate(Slice).Add(Slice); t.Key() == k && !t.Until.IsZero() && end.After(from) {
			from = end // what is over is no evidence of something new
		}
	}
	now, before := w.count(k, from, time.Time{}), w.count(k, time.Time{}, from)
	s := suspect{key: k, from: from, usual: usual(before)}
	var others int
	s.resets, others = w.alike(k, from)
	now.Failed = max(0, now.Failed-others)
	rate := now.rate()
	if now.Failed < fewestResets || rate < lowestRate || rate < timesUsual*s.usual || tail(now.Tried, now.Failed, s.usual) > byChance {
		return s, false
	}
	if latest := w.count(k, w.Now.Truncate(Slice).Add(-2*Slice), time.Time{}); latest.Tried > 0 && passes(latest, s.usual, rate) {
		return s, false // it is over already
	}
	if len(s.resets) < fewestResets {
		return s, false
	}
	// One floor for all: keys with the same mails must tie, so that preference decides between them.
	s.score = likelihood(now, rate) - likelihood(now, max(s.usual, 0.05))
	return s, true
}

// count adds up a key's mails in slices that begin within [from, to); zero = open end. All mails count as tried for a reason.
func (w Watch) count(k Key, from, to time.Time) Count {
	var c Count
	for _, s := range w.Slices {
		if s.Start.Before(from) || !to.IsZero() && !s.Start.Before(to) {
			continue
		}
		one := s.Keys[k]
		if k.Kind == OfReason {
			one.Tried = s.Total.Tried
		}
		c.Tried += max(one.Tried, one.Failed) // a return fails a mail that was counted in another slice
		c.Failed += one.Failed
	}
	return c
}

// alike are the resets that fail of the most frequent cause, or of one that may come from the same; others counts those with a reason of their own.
func (w Watch) alike(k Key, from time.Time) (resets map[ledger.ResetID]bool, others int) {
	ours := func(f Failing) bool { return f.has(k) && !f.At.Before(from) }
	cause, _ := w.mostly(ours)
	resets = map[ledger.ResetID]bool{}
	own := map[ledger.ResetID]bool{}
	for _, f := range w.Failing {
		if ours(f) && !apart(f.Cause, cause) {
			resets[f.Reset] = true
		} else if ours(f) {
			own[f.Reset] = true
		}
	}
	for r := range own {
		if !resets[r] {
			others++
		}
	}
	return resets, others
}

// preference decides between keys that explain the same: what a cause is usually about.
func (w Watch) preference(s suspect) int {
	cause, _ := w.mostly(func(f Failing) bool { return s.resets[f.Reset] && f.has(s.key) })
	first := OfProvider
	switch family, _, _ := strings.Cut(cause, "."); family {
	case "sender":
		first = OfSender
	case "relay", "network", "tls":
		first = OfRoute
	case "compose", "account", "request":
		first = OfRealm
	}
	if cause == "request.quota_exhausted" {
		first = OfRoute
	}
	if s.key.Kind == first {
		return -1
	}
	return slices.Index([]Kind{OfProvider, OfSender, OfRoute, OfRealm, OfReason}, s.key.Kind)
}

// mostly finds the most frequent cause, and what was said most with it.
func (w Watch) mostly(of func(Failing) bool) (cause, code string) {
	causes, codes := map[string]int{}, map[string]int{}
	for _, f := range w.Failing {
		if of(f) {
			causes[f.Cause]++
			codes[f.Cause+" "+f.Code]++
		}
	}
	most := func(m map[string]int, prefix string) string {
		best, n := "", 0
		for k, c := range m {
			if strings.HasPrefix(k, prefix) && (c > n || c == n && k < best) {
				best, n = k, c
			}
		}
		return strings.TrimPrefix(best, prefix)
	}
	cause = most(causes, "")
	code = most(codes, cause+" ")
	if code == NoAnswer && w.unanswered(of) {
		cause = "network.port25_blocked"
	}
	return cause, code
}

// NoAnswer is the code of a failing mail whose host did not answer the dial.
const NoAnswer = "no answer"

// unanswered tells whether nearly all of some failing mails got no answer to their dial, from hosts of several providers.
func (w Watch) unanswered(of func(Failing) bool) bool {
	providers := map[string]bool{}
	all, silent := 0, 0
	for _, f := range w.Failing {
		if !of(f) {
			continue
		}
		if all++; f.Code == NoAnswer {
			silent++
			providers[f.Marks.Provider] = true
		}
	}
	delete(providers, "")
	return len(providers) > 2 && float64(silent) >= 0.9*float64(all)
}

func (c Count) rate() float64 {
	if c.Tried == 0 {
		return 0
	}
	return float64(c.Failed) / float64(c.Tried)
}

// usual is the rate of failures that a key's past lets one expect: never nought, and 5 % where nothing is known.
func usual(c Count) float64 { return float64(c.Failed+1) / float64(c.Tried+20) }

// passes tells mails that go as usual, and not as in the trouble.
func passes(c Count, usual, rate float64) bool {
	return tail(c.Tried, c.Failed, usual) > 0.01 && 1-tail(c.Tried, c.Failed+1, min(rate, 0.97)) < 0.05
}
