package diag

import (
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// How counts and failing mails are written into the store's tally, and read from it.

// Tally gives the fields that one mail adds to its slice: "provider google t" for tried, "… f" for failed.
func Tally(m Marks, cause string, tried bool) []string {
	keys := append(m.Keys(), Key{"total", "-"})
	var out []string
	for _, k := range keys {
		if tried {
			out = append(out, field(k, "t"))
		}
		if cause != "" {
			out = append(out, field(k, "f"))
		}
	}
	if cause != "" {
		out = append(out, field(Key{OfReason, cause}, "f"))
	}
	return out
}

func field(k Key, what string) string { return string(k.Kind) + " " + k.Name + " " + what }

// ReadTally reads a slice; fields of other versions are left out.
func ReadTally(start time.Time, fields map[string]int64) Counted {
	out := Counted{Start: start, Keys: map[Key]Count{}}
	for f, n := range fields {
		kind, rest, _ := strings.Cut(f, " ")
		i := strings.LastIndexByte(rest, ' ')
		if i < 0 {
			continue
		}
		k := Key{Kind(kind), rest[:i]}
		c := out.Keys[k]
		switch rest[i+1:] {
		case "t":
			c.Tried = int(n)
		case "f":
			c.Failed = int(n)
		}
		out.Keys[k] = c
	}
	total := Key{"total", "-"}
	out.Total = out.Keys[total]
	delete(out.Keys, total)
	return out
}

// Row writes a failing mail without its time.
func (f Failing) Row() string {
	return strings.Join([]string{string(f.Reset), f.Marks.Provider, f.Marks.Sender, f.Marks.Route, f.Marks.Realm, f.Cause, f.Code}, "\t")
}

// ReadFailing reads what Row wrote; false = it is none.
func ReadFailing(at time.Time, row string) (Failing, bool) {
	p := strings.Split(row, "\t")
	if len(p) != 7 {
		return Failing{}, false
	}
	return Failing{At: at, Reset: ledger.ResetID(p[0]), Marks: Marks{p[1], p[2], p[3], p[4]}, Cause: p[5], Code: p[6]}, true
}

// Comparison is what is worked out from the tally for whoever asks why.
type Comparison struct {
	Opens map[string]Opens `json:"opens"`
}

// CompareOpens reads the counts of accepted mails ("google a") and of resets whose link was visited ("google o").
func CompareOpens(counts map[string]int64) map[string]Opens {
	sum := Opens{}
	out := map[string]Opens{}
	for f, n := range counts {
		i := strings.LastIndexByte(f, ' ')
		if i < 0 {
			continue
		}
		o := out[f[:i]]
		switch f[i+1:] {
		case "a":
			o.Accepted, sum.Accepted = int(n), sum.Accepted+int(n)
		case "o":
			o.Opened, sum.Opened = int(n), sum.Opened+int(n)
		}
		out[f[:i]] = o
	}
	for p, o := range out {
		o.OthersAccepted, o.OthersOpened = sum.Accepted-o.Accepted, sum.Opened-o.Opened
		out[p] = o
	}
	return out
}

// AttemptCause says what one dialogue failed of, as a verdict on it alone would by replies (nil = the built-in rules); "" = it did not fail, or was only greylisted, which is how
// strangers are greeted.
func AttemptCause(replies *reply.Book, a ledger.Attempt) string {
	if a.Outcome == ledger.Accepted || a.Outcome == ledger.Ambiguous || a.Outcome == "" || stopped(&a) {
		return ""
	}
	v := &view{in: &Input{Replies: replies}, used: -1, outcome: -1, sentTo: map[ledger.MessageID]string{}}
	found := v.read(&ledger.Message{State: ledger.Waiting}, ledger.Fact{Event: ledger.Attempted, Attempt: &a})
	if len(found) == 0 || found[0].cause == "deferred.greylisted" {
		return ""
	}
	return found[0].cause
}

// ReturnCause says what a mail came back for, by replies (nil = the built-in rules); "" = it did not fail.
func ReturnCause(replies *reply.Book, r ledger.Return) string {
	if r.Action != "failed" || !r.Matched {
		return ""
	}
	v := &view{in: &Input{Replies: replies}, used: -1, outcome: -1, sentTo: map[ledger.MessageID]string{}}
	found := v.returned(&ledger.Message{}, ledger.Fact{Event: ledger.Bounced, Return: &r})
	if len(found) == 0 {
		return "accepted.returned"
	}
	return found[0].cause
}
