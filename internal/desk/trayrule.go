package desk

import (
	"fmt"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/store"
)

// writeRule writes a rule as diag/reply/rules has them; when are its lines that say by what it is recognised.
func writeRule(id string, when []string, reason reply.Reason, at time.Time, sample string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule %s\n", id)
	for _, w := range when {
		fmt.Fprintf(&b, "  %s\n", w)
	}
	fmt.Fprintf(&b, "  reason %s\n  proves A person read this in a returned mail.\n  source the tray, %s\n  sample %s\n", reason, at.Format(time.DateOnly), sample)
	return b.String()
}

// causeOf is the cause that a reason has where nothing more is known; diag/reply is asked by way of a rule that knows nothing but a code.
func causeOf(reason reply.Reason, failed bool) string {
	code := 499
	if failed {
		code = 599
	}
	b, err := reply.With(writeRule("tray.code", []string{fmt.Sprintf("code %d", code)}, reason, time.Time{}, "none"))
	if err != nil {
		return ""
	}
	cause := b.Read(reply.Reply{Code: code}).Cause
	if strings.HasPrefix(cause, "unknown.") {
		return ""
	}
	return cause
}

// ruleFor makes a rule of what a return said, for which it was answered: "" when there are no words to go by. What it gives is tried
// first: it decides its own sample, which names nobody.
func ruleFor(t store.TrayItem, said []string, reason reply.Reason, at time.Time) string {
	for _, line := range said {
		runs, sample := wordRuns(line)
		longest := 0
		for i, r := range runs {
			if len(r) > len(runs[longest]) {
				longest = i
			}
		}
		var says []string
		if len(runs) > 1 {
			says = append(says, strings.Join(runs, " .. "))
		}
		if len(runs) > 0 {
			says = append(says, runs[longest])
		}
		for _, s := range says {
			when := []string{"says " + s}
			if p := reply.Provider(t.Host, "", ""); p != "" {
				when = append([]string{"for " + p}, when...)
			}
			id := "tray." + string(t.ID[len(t.ID)-8:])
			rule := writeRule(id, when, reason, at, sample)
			b, err := reply.With(rule)
			if err != nil {
				continue
			}
			in := reply.ParseLine(sample)
			in.Host = t.Host
			if g := b.Read(in); g.Rule == id && g.Reason == reason {
				return rule
			}
		}
	}
	return ""
}

// maxRuns and maxSample bound a rule's phrase, in runs of words, and its sample, in bytes.
const (
	maxRuns   = 4
	maxSample = 300
)

// wordRuns gives the runs of at least two plain words of a line, and the line itself with made-up addresses. Names, numbers, hosts and
// ids differ from mail to mail and make gaps.
func wordRuns(line string) (runs []string, sample string) {
	var run, all []string
	end := func() {
		if len(run) > 1 && len(runs) < maxRuns {
			runs = append(runs, strings.Join(run, " "))
		}
		run = nil
	}
	for _, token := range strings.Fields(line) {
		if size := len(strings.Join(all, " ")) + len(token); size > maxSample {
			break
		}
		if strings.Contains(token, "@") || strings.Contains(token, "[address]") {
			all = append(all, "<jo@shop.example>")
			end()
			continue
		}
		all = append(all, token)
		if strings.Contains(token, "[redacted]") {
			end()
			continue
		}
		word := strings.ToLower(strings.Trim(token, `<>()[]"',;:.!?`))
		if len(word) < 2 || len(word) > 30 || strings.ContainsFunc(word, func(r rune) bool { return r < 'a' && r != '-' && r != '\'' || 'z' < r && r < 0x80 }) {
			end()
			continue
		}
		run = append(run, word)
		if strings.ContainsAny(token[len(token)-1:], ".;:!?") {
			end()
		}
	}
	end()
	return runs, strings.Join(all, " ")
}
