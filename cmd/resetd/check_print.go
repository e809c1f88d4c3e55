package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/api/words"
)

// domain tells a report: what is wrong first, each with what to publish and how to see that it helped, then how SPF was evaluated where it
// does not pass, what is in order, and what the large providers demand.
func (p *printer) domain(r dnscheck.Report) {
	p.strong(r.Domain + ": " + domainSays(r))
	for _, f := range r.Findings {
		if f.Severity != dnscheck.OK {
			p.finding(f)
		}
	}
	p.spfTraces(r)
	p.inOrder(r)
	p.requirements(r.Requirements)
	fmt.Fprintln(p.w)
	p.text("", "Looked at "+words.Time(r.At)+".")
}

func (p *printer) finding(f dnscheck.Finding) {
	head := strings.ToUpper(string(f.Severity)) + "  " + f.ID
	if f.Subject != "" {
		head += "  " + f.Subject
	}
	p.heading(head)
	p.text("  ", f.What)
	if f.Temporary {
		p.text("  ", "DNS failed, so nothing is known; ask again later.")
	}
	if f.Who != "" {
		p.text("  ", "Who feels it: "+f.Who)
	}
	p.verbatim("Publish:", f.Publish)
	p.verbatim("Verify:", f.VerifyBy)
}

// verbatim prints lines that are copied: never wrapped.
func (p *printer) verbatim(title, text string) {
	if text == "" {
		return
	}
	p.text("  ", title)
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(p.w, "    "+inert(line))
	}
}

// spfTraces shows term by term how SPF came to its result for each of our addresses that it does not let pass, or, where none is known, why
// it breaks for one that nothing matches.
func (p *printer) spfTraces(r dnscheck.Report) {
	for _, v := range r.SPF {
		if v.Identity == "mail_from" && v.Result != dnscheck.SPFPass {
			p.spfTrace(v.IP.String(), v.SPF)
		}
	}
	if len(r.SPF) == 0 && r.SPFAtWorst.Result == dnscheck.SPFPermError {
		p.spfTrace("an address that nothing matches", r.SPFAtWorst)
	}
}

func (p *printer) spfTrace(whose string, s dnscheck.SPF) {
	if len(s.Trace) == 0 {
		return
	}
	p.heading(fmt.Sprintf("How SPF of %s comes to %s for %s (%d of 10 look-ups, %d of 2 void)", s.Domain, s.Result, whose, s.Lookups, s.VoidLookups))
	for _, step := range s.Trace {
		line := step.Term + ": " + step.Result
		if step.Depth > 0 {
			line = step.Domain + " " + line
		}
		if step.Why != "" {
			line += " (" + step.Why + ")"
		}
		if step.Void {
			line += ", a void look-up"
		}
		p.item("  "+strings.Repeat("  ", min(step.Depth, 6))+"- ", line)
	}
}

func (p *printer) inOrder(r dnscheck.Report) {
	titled := false
	for _, f := range r.Findings {
		if f.Severity != dnscheck.OK {
			continue
		}
		if !titled {
			p.heading("In order")
			titled = true
		}
		what := f.What
		if f.Subject != "" && !strings.Contains(what, f.Subject) {
			what = f.Subject + ": " + what
		}
		p.item("  - ", what)
	}
}

// requirements is the checklist, by provider; what is not met stands first.
func (p *printer) requirements(list []dnscheck.Requirement) {
	if len(list) == 0 {
		return
	}
	p.heading("What large providers demand of senders (bulk: 5,000 mails a day and more)")
	order := []dnscheck.Met{dnscheck.MetNo, dnscheck.MetUnknown, dnscheck.MetYes, dnscheck.MetElsewhere}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b dnscheck.Requirement) int {
		if a.Provider != b.Provider {
			return 0 // the table has them together
		}
		return slices.Index(order, a.Met) - slices.Index(order, b.Met)
	})
	provider, since := "", map[string]string{}
	for _, q := range list {
		if s, ok := since[q.Provider]; !ok || q.Since < s {
			since[q.Provider] = q.Since
		}
	}
	for _, q := range list {
		if q.Provider != provider {
			provider = q.Provider
			p.text("  ", q.Provider+", since "+since[provider]+":")
			fmt.Fprintln(p.w, "  "+inert(q.Source))
		}
		rule := q.Rule
		if q.Since != since[provider] {
			rule += ", since " + q.Since
		}
		p.item(fmt.Sprintf("    %-10s %-5s ", met(q.Met), q.Who), rule)
	}
}

func met(m dnscheck.Met) string {
	switch m {
	case dnscheck.MetYes:
		return "met"
	case dnscheck.MetNo:
		return "NOT MET"
	case dnscheck.MetUnknown:
		return "unknown"
	}
	return "not in DNS"
}

// domainSays is a report in one line.
func domainSays(r dnscheck.Report) string {
	n := map[dnscheck.Severity]int{}
	for _, f := range r.Findings {
		n[f.Severity]++
	}
	var parts []string
	for _, s := range []struct {
		dnscheck.Severity
		word string
	}{{dnscheck.Error, "error"}, {dnscheck.Warning, "warning"}, {dnscheck.Note, "note"}} {
		if n[s.Severity] > 0 {
			parts = append(parts, counted(n[s.Severity], s.word))
		}
	}
	if len(parts) == 0 {
		return "all in order"
	}
	return strings.Join(parts, ", ")
}
