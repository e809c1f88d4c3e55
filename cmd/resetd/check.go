package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
)

// checkCmd is `resetd check`: what DNS says about a domain, here with a configuration, else by a daemon.
func checkCmd() *cobra.Command {
	var d *door
	var file string
	cmd := ours(&cobra.Command{
		Use: "check DOMAIN", Short: "SPF, DKIM, DMARC, MX … of a domain, with the exact record to publish", Args: cobra.ExactArgs(1),
		Long: "Of a domain of ours all that a receiver looks at is checked: SPF for our outgoing addresses, DKIM records against our private keys, DMARC and its alignment, MX, the return path,\n" +
			"reverse DNS, blocklists, MTA-STS, TLS reports, DANE, and what Gmail, Yahoo and Microsoft demand. Of another domain: MX, MTA-STS, DANE.\n\n" +
			"With -config it asks DNS from here; without, it is a client of a daemon. Exit status 3: an error was found.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r dnscheck.Report
			if file != "" {
				cfg, err := loadFor(file)
				if err != nil {
					return err
				}
				deps, err := dnsOf(cfg)
				if err != nil {
					return couldNot("%v", err)
				}
				q, _ := desk.QuestionFor(questionsOf(cfg), args[0])
				if r = dnscheck.Check(cmd.Context(), q, deps); r.Domain == "" {
					return wrongUsage(cmd, "DOMAIN is no domain name; give one such as example.org")
				}
			} else {
				c, err := d.client(cmd)
				if err != nil {
					return err
				}
				if r, err = c.CheckDomain(cmd.Context(), args[0]); err != nil {
					return d.failed(err)
				}
			}
			if d.json {
				if err := printJSON(cmd, r); err != nil {
					return err
				}
			} else {
				printerFor(cmd).domain(r)
			}
			if r.Bad() {
				return &exitError{code: exitBadNews}
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.Flags().StringVar(&file, "config", "", "ask DNS from here, for the domains of the configuration `FILE`")
	return cmd
}

// loadFor reads a configuration for a command that works by itself.
func loadFor(file string) (*config.Config, error) {
	cfg, err := config.Load(file, os.Environ())
	if err != nil {
		return nil, &exitError{exitBadNews, "the configuration is refused:\n" + err.Error()}
	}
	return cfg, nil
}

// domain tells a report: what is wrong first, then what is in order, then what the large providers demand.
func (p *printer) domain(r dnscheck.Report) {
	p.strong(r.Domain + ": " + domainSays(r))
	for _, f := range r.Findings {
		if f.Severity == dnscheck.OK {
			continue
		}
		head := strings.ToUpper(string(f.Severity)) + "  " + f.ID
		if f.Subject != "" {
			head += "  " + f.Subject
		}
		p.heading(head)
		p.text("  ", f.What)
		if f.Who != "" {
			p.text("  ", "Who feels it: "+f.Who)
		}
		if f.Publish != "" {
			p.text("  ", "Publish:")
			fmt.Fprintln(p.w, "    "+inert(f.Publish)) // to be copied: never wrapped
		}
		if f.VerifyBy != "" {
			p.text("  ", "Verify:")
			fmt.Fprintln(p.w, "    "+inert(f.VerifyBy))
		}
	}
	if ok := inOrder(r); len(ok) > 0 {
		p.heading("In order")
		for _, f := range ok {
			p.item("  - ", f.What)
		}
	}
	if len(r.Requirements) > 0 {
		p.heading("What large providers demand of senders")
		for _, q := range r.Requirements {
			p.item(fmt.Sprintf("  %-9s ", met(q.Met)), fmt.Sprintf("%s, since %s, %s: %s (%s)", q.Provider, q.Since, q.Who, q.Rule, q.Source))
		}
	}
	fmt.Fprintln(p.w)
	p.text("", "Looked at "+words.Time(r.At)+".")
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

func inOrder(r dnscheck.Report) []dnscheck.Finding {
	var ok []dnscheck.Finding
	for _, f := range r.Findings {
		if f.Severity == dnscheck.OK {
			ok = append(ok, f)
		}
	}
	return ok
}
