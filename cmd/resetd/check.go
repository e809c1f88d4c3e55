package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
)

// checkCmd is `resetd check`: what DNS says about a domain, here with a configuration, else by a daemon.
func checkCmd() *cobra.Command {
	var d *door
	var file, route string
	var loop bool
	cmd := ours(&cobra.Command{
		Use: "check DOMAIN", Short: "SPF, DKIM, DMARC, MX … of a domain, with the exact record to publish", Args: cobra.ExactArgs(1),
		Long: "Of a domain of ours all that a receiver looks at is checked: SPF for our outgoing addresses, DKIM records against our private keys, DMARC and its alignment, MX, the return path,\n" +
			"reverse DNS, blocklists, MTA-STS, TLS reports, DANE, and what Gmail, Yahoo and Microsoft demand. Of another domain: MX, MTA-STS, DANE.\n\n" +
			"With -loop a daemon also sends a canary, a reset of its own, through the whole chain: request, queue, relay, its own receiver, the link, and the way back for bounces. Each link of the\n" +
			"chain is told as it ends. -route takes one of the routes of the domain's mail; else each is taken.\n\n" +
			"With -config it asks DNS from here, and the configured Redis which keys are in use yet; without, it is a client of a daemon. Exit status 3: an error was found, or a link of the\n" +
			"chain failed; 1: DNS answered nothing at all.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r dnscheck.Report
			switch {
			case loop && file != "":
				return wrongUsage(cmd, "a loop check goes through a daemon; leave -config out, and give -url and -key")
			case route != "" && !loop:
				return wrongUsage(cmd, "-route is that of a loop check; add -loop")
			case loop:
				return checkLoop(cmd, d, args[0], route)
			}
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
				q = withUse(cmd.Context(), cfg, q)
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
			if r.Silent() {
				return couldNot("DNS answered none of the questions, so nothing is known of this domain: is the resolver reachable ([dns] resolver), and does the domain's own DNS work?")
			}
			if r.Bad() {
				return &exitError{code: exitBadNews}
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.Flags().BoolVar(&loop, "loop", false, "send a canary through the whole chain too")
	cmd.Flags().StringVar(&route, "route", "", "send the canary by this `ROUTE` only")
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
