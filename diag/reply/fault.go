package reply

import (
	"fmt"
	"strings"
)

// Fault is what is wrong with a rule that somebody has written.
type Fault struct {
	File string // which table; "own rules" are the operator's
	Line int    // from 1; 0 = the table as a whole
	What string // in a sentence without its full stop
}

const ownRules = "own rules"

func (f Fault) Error() string { return fmt.Sprintf("%s, line %d: %s", f.File, f.Line, f.What) }

// Faults is all that is wrong with a table of rules. It is an error.
type Faults []Fault

func (fs Faults) Error() string {
	var b strings.Builder
	for i, f := range fs {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.Error())
	}
	return b.String()
}

func (r *rule) fault(what string) Fault {
	return Fault{File: r.file, Line: r.line, What: fmt.Sprintf("rule %s: %s", clipped(r.id), what)}
}

// Samples reads the sample of each of the operator's own rules, and says which are not read as their rule says: the rule does not fit its
// own sample, or one above it speaks first. A rule that only repeats another does no harm.
func (b *Book) Samples() Faults {
	if b == nil {
		return nil
	}
	var wrong Faults
	for i := range b.rules[:b.owned] {
		r := &b.rules[i]
		in := ParseLine(r.sample)
		if in.Provider == "" && len(r.providers) > 0 {
			in.Provider = r.providers[0]
		}
		if len(r.stages) > 0 {
			in.Stage = r.stages[0]
		}
		g := b.Read(in)
		if g.Rule == r.id || b.Owns(g.Rule) && g.Reason == r.reason && (r.cause == "" || g.Cause == r.cause) {
			continue
		}
		what := fmt.Sprintf("does not fit its own sample, which is read as %s", g.Reason)
		if g.Rule != "" {
			what += " by rule " + clipped(g.Rule)
		}
		wrong = append(wrong, r.fault(what))
	}
	return wrong
}
