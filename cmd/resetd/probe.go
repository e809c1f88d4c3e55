package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer"
)

// probeCmd is `resetd probe`: a live dialogue with the hosts of an address, from here with a configuration, else from a daemon.
func probeCmd() *cobra.Command {
	var d *door
	var file string
	cmd := ours(&cobra.Command{
		Use: "probe ADDRESS", Short: "a live dialogue with the recipient's MX up to RCPT, step by step; sends nothing", Args: cobra.ExactArgs(1),
		Long: "Asks DNS and then the hosts of ADDRESS, in their order, until one decides, and tells each step as soon as it is over. Nothing is sent.\n\n" +
			"With -config it speaks from here; without, from the daemon's host, whose address the real mails come from. Exit status 3: no mail would be taken now.",
		RunE: func(cmd *cobra.Command, args []string) error {
			p := printerFor(cmd)
			tell := func(s mailer.ProbeStep) { p.step(s) }
			if d.json {
				tell = nil
			}
			var out mailer.Probed
			if file != "" {
				to, err := mailer.ParseAddress(args[0])
				if err != nil {
					return wrongUsage(cmd, "ADDRESS is no mail address")
				}
				cfg, err := loadFor(file)
				if err != nil {
					return err
				}
				paths, err := pathsOf(cfg)
				if err != nil {
					return couldNot("%v", err)
				}
				o, err := outsideOf(cfg)
				if err != nil {
					return couldNot("%v", err)
				}
				o.Prober.ReturnPath = probePath(paths)
				out = o.Prober.Probe(cmd.Context(), to, tell)
			} else {
				c, err := d.client(cmd)
				if err != nil {
					return err
				}
				if out, err = c.Probe(cmd.Context(), args[0], tell); err != nil {
					return d.failed(err)
				}
			}
			if d.json {
				if err := printJSON(cmd, out); err != nil {
					return err
				}
			} else {
				fmt.Fprintln(p.w)
				says := out.Says
				if out.Cause != "" {
					says += " (" + out.Cause + ")"
				}
				p.strong(says)
			}
			if out.Outcome != ledger.Accepted {
				return &exitError{code: exitBadNews}
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.Flags().StringVar(&file, "config", "", "speak from here, by the configuration `FILE`")
	return cmd
}

// step prints one step as it ends.
func (p *printer) step(s mailer.ProbeStep) {
	mark := map[mailer.Grade]string{mailer.GradeOK: "ok  ", mailer.GradeCare: "care", mailer.GradeBad: "BAD "}[s.Grade]
	where := s.Host
	if s.IP != "" {
		where += " " + s.IP
	}
	p.item(fmt.Sprintf("%s %-8s %6d ms  ", mark, inert(s.Step), s.Millis), strings.TrimSpace(s.Says+" "+where))
	said := s.Text
	if s.Enhanced != "" {
		said = s.Enhanced + " " + said
	}
	if s.Code > 0 {
		said = fmt.Sprintf("%d %s", s.Code, said)
	}
	const indent = "                        "
	if said != "" {
		p.quote(indent+"| ", said)
	}
	if len(s.Offers) > 0 {
		p.text(indent, "offers "+strings.Join(s.Offers, ", "))
	}
	if c := s.Cert; c != nil {
		p.text(indent, fmt.Sprintf("certificate for %s, by %s, until %s", strings.Join(c.Names, ", "), c.Issuer, c.NotAfter.Format("2006-01-02")))
	}
}
