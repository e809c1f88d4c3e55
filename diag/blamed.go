package diag

import (
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Change is something that was done or seen about the time when a trouble began: a pause, another DNS record.
type Change struct {
	At     time.Time
	Says   string
	Domain string   // whose DNS it was about; "" = it was not
	Record string   // that was seen to become another one; "" = a check found something, up to an hour after it began
	Causes []string // what it leads to, where mail cannot pass any more
}

// Blamed is a change that a trouble is put down to.
type Blamed struct {
	At     time.Time `json:"at"`
	Domain string    `json:"domain"`
	Says   string    `json:"says"`
}

// ChangesOf makes changes of a fact that belongs to no ledger: one, or one for each record.
func ChangesOf(f ledger.Fact) []Change {
	if f.Check == nil {
		return []Change{{At: f.At, Says: Says(f)}}
	}
	if f.Check.Seen != nil {
		return nil // it tells of days gone by, and came when somebody wrote it
	}
	if len(f.Check.Changes) == 0 {
		return []Change{{At: f.At, Says: Says(f), Domain: f.Check.Domain, Causes: f.Check.Causes}}
	}
	var out []Change
	for _, r := range f.Check.Changes {
		c := Change{At: f.At, Says: saysChange(r, f.At), Domain: f.Check.Domain, Record: r.Kind + " " + r.Name}
		if cause := recordOf(r).Cause(); cause != "" {
			c.Causes = []string{cause}
		}
		out = append(out, c)
	}
	return out
}

// blamed finds the change of DNS that a trouble is put down to, and the cause that it leads to: mails fail the checks of their sender, and
// before that, a record of the sender's domain became one that mail cannot pass by. The newest such change counts; one that was mended
// before the trouble began does not.
func (w Watch) blamed(t Trouble) (*Blamed, string) {
	named, hinted := aboutRecords(t.Cause)
	sender := w.senderOf(t)
	if !named && !hinted || sender == "" {
		return t.Change, t.Cause
	}
	seen := map[string]bool{}
	for _, exact := range []bool{true, false} {
		until := t.Since.Add(Slice)
		if !exact {
			until = t.Since.Add(checkGap)
		}
		for _, c := range slices.Backward(w.Changes) {
			if (c.Record != "") != exact || !strings.EqualFold(c.Domain, sender) || c.At.After(until) || seen[c.Record] {
				continue
			}
			seen[c.Record] = true // what came before it is over
			if len(c.Causes) == 0 || named && !slices.Contains(c.Causes, t.Cause) {
				continue
			}
			cause := t.Cause
			if hinted && !slices.Contains(c.Causes, cause) {
				cause = c.Causes[0]
			}
			return &Blamed{At: c.At, Domain: c.Domain, Says: c.Says}, cause
		}
	}
	return t.Change, t.Cause
}

// senderOf is the sender domain that nearly all failing mails of a trouble share; "" = none.
func (w Watch) senderOf(t Trouble) string {
	if t.Kind == OfSender {
		return t.Name
	}
	count, all := map[string]int{}, 0
	for _, f := range w.Failing {
		if t.Holds(f) {
			count[f.Marks.Sender]++
			all++
		}
	}
	for domain, n := range count {
		if 10*n >= 9*all {
			return domain
		}
	}
	return ""
}
