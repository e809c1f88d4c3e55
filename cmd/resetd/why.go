package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/ledger"
)

// whyCmd is `resetd why`: the verdict in the terminal.
func whyCmd() *cobra.Command {
	var q api.WhyBody
	var packet bool
	var d *door
	cmd := ours(&cobra.Command{
		Use: "why LOGIN", Short: "why did the mail not arrive, and what now?", Args: cobra.ExactArgs(1),
		Long: "Says for each realm that knows LOGIN, or was asked for it, what happened to the newest reset, whether a resend helps, who does what now, and how we know. In place of LOGIN a reset's id (rst_…) asks about that one.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			if _, err := ledger.ParseResetID(args[0]); err == nil {
				q.Reset = args[0]
			} else {
				q.Login = args[0]
			}
			cases, err := c.Why(cmd.Context(), q)
			if err != nil {
				return d.failed(err)
			}
			if packet {
				return d.printPackets(cmd, c, cases)
			}
			if d.json {
				return printJSON(cmd, api.Cases{Cases: cases})
			}
			p := printerFor(cmd)
			for i, c := range cases {
				if i > 0 {
					fmt.Fprintf(p.w, "\n%s\n\n", strings.Repeat("─", columns))
				}
				p.printCase(c)
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&packet, "packet", false, "print the text for the recipient's IT in place of the verdict")
	f.StringVar(&q.Realm, "realm", "", "only this `REALM`")
	f.StringVar(&q.Page, "page", "", "`URL` where the person asked: whose page is it?")
	return cmd
}

// printPackets prints the evidence packet of each case whose mail some host was offered.
func (d *door) printPackets(cmd *cobra.Command, c *api.Client, cases []diag.Case) error {
	var why error
	printed := false
	for _, x := range cases {
		if x.Reset == "" {
			continue
		}
		text, err := c.Packet(cmd.Context(), x.Reset)
		if err != nil {
			why = err
			continue
		}
		if printed {
			fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n\n", strings.Repeat("─", columns))
		}
		fmt.Fprint(cmd.OutOrStdout(), text)
		printed = true
	}
	switch {
	case printed:
		return nil
	case why != nil:
		return d.failed(why)
	}
	return couldNot("nobody asked for a reset, so there is no mail to look for")
}

// printCase tells a case in the order in which somebody on the phone needs it.
func (p *printer) printCase(c diag.Case) {
	v := c.Verdict
	place := c.Realm
	if place == "" {
		place = "no realm of ours"
	}
	head := c.Login + " · " + place
	if c.Account != nil {
		head += " · account " + strings.ReplaceAll(string(c.Account.State), "_", " ")
	}
	p.text("", head)
	fmt.Fprintln(p.w)
	p.strong(v.Says)
	p.text("", fmt.Sprintf("%s. %s. (%s)", words.Blame(v.Blame), words.Confidence(v.Confidence), v.Cause))

	p.heading(words.Headline(c) + ".")
	if v.Resend.Because != "" {
		p.text("", v.Resend.Because)
	}
	if !v.Resend.NotBefore.IsZero() {
		p.text("", "Not before "+words.Time(v.Resend.NotBefore)+".")
	}
	if c.Incident != nil {
		p.heading("Incident")
		p.text("", c.Incident.Says)
		p.text("", "Who waits: resetd incidents show "+c.Incident.ID+" (a key of role ops or admin)")
	}
	if len(v.Actions) > 0 {
		p.heading("What to do now")
		for i, a := range v.Actions {
			p.item(fmt.Sprintf("%3d. ", i+1), words.Who(a.Who)+": "+a.Do)
		}
	}
	if v.TellUser != "" {
		p.heading("What to tell the user")
		p.quote("  | ", v.TellUser)
	}
	if len(v.Evidence) > 0 {
		p.heading("How we know")
		for _, e := range v.Evidence {
			p.item("  - ", strings.TrimSpace(words.Time(e.At)+"  "+e.Says))
		}
	}
	if len(c.BlindSpots) > 0 {
		p.heading("What we could not see")
		for _, b := range c.BlindSpots {
			p.item("  - ", b)
		}
	}
	if len(c.Also) > 0 {
		p.heading("What else it could be")
		for _, a := range c.Also {
			s := words.Confidence(a.Confidence) + ": " + a.Says + " (" + a.Cause + ")"
			if a.SettledBy != "" {
				s += " To settle it: " + a.SettledBy
			}
			p.item("  - ", s)
		}
	}
	if len(c.Timeline) > 0 {
		p.heading("Timeline")
		for _, e := range c.Timeline {
			p.item(fmt.Sprintf("  %-25s ", words.Time(e.At)), e.Says)
		}
	}
	if c.Reset != "" {
		fmt.Fprintln(p.w)
		p.text("", "Reset:         "+string(c.Reset))
		switch help := diag.CanHelp(c); {
		case help.Impossible:
		case words.Mistyped(c):
			p.lookAlike(c)
		case help.Helps == diag.HelpsYes || help.Helps == diag.HelpsOnce || help.Helps == diag.HelpsAskAPerson:
			p.text("", "Send it again: resetd resend "+string(c.Reset)+" -reason …")
		default:
			p.text("", "Send it all the same: resetd resend "+string(c.Reset)+" -force -reason …")
		}
	} else if words.Mistyped(c) {
		fmt.Fprintln(p.w)
		p.lookAlike(c)
	} else if v.Resend.Helps == diag.HelpsYes && !words.NobodyThere(c) {
		fmt.Fprintln(p.w)
		p.text("", "Start one: resetd request "+argument(c.Login)+" -realm "+cmp.Or(c.Realm, "REALM"))
	}
}

// lookAlike leads from a mistyped login to the right one.
func (p *printer) lookAlike(c diag.Case) {
	p.text("", "Look it up:    resetd why "+argument(c.Near[0]))
	p.text("", "Start one:     resetd request "+argument(c.Near[0])+" -realm "+c.Realm+" -reason …")
}

// argument gives a login as it may be pasted into a shell, or LOGIN where a shell could read something else.
func argument(login string) string {
	for _, r := range login {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@._+-", r)) {
			return "LOGIN"
		}
	}
	if login == "" || login[0] == '-' {
		return "LOGIN"
	}
	return login
}
