package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/ledger"
)

// resendCmd is `resetd resend`: the diagnosis is asked, then another mail goes out, or not.
func resendCmd() *cobra.Command {
	var w api.ResendBody
	var d *door
	cmd := ours(&cobra.Command{
		Use: "resend RESET -reason TEXT", Short: "send another mail of a reset, if that helps", Args: cobra.ExactArgs(1),
		Long: "Asks the diagnosis first. Where another mail would not help it is not sent: what would help is printed, and the exit status is 3. -force sends it all the same, except where no mail can help at all.",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := ledger.ParseResetID(args[0])
			if err != nil {
				return wrongUsage(cmd, "RESET is not the id of a reset (rst_…); `resetd why LOGIN` names it")
			}
			if w.Reason == "" {
				return wrongUsage(cmd, "-reason is needed: a few words for the audit trail")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			message, err := c.Resend(cmd.Context(), id, w)
			var p *api.Problem
			switch {
			case errors.As(err, &p) && p.Resend != nil:
				return d.printRefusal(cmd, p)
			case err != nil:
				return d.failed(err)
			case d.json:
				return printJSON(cmd, map[string]any{"message": message})
			}
			out := printerFor(cmd)
			out.strong("Another mail is on its way as " + string(message) + ".")
			out.text("", "What becomes of it: resetd why "+string(id))
			return nil
		},
	})
	d = clientFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&w.Reason, "reason", "", "why, for the audit trail")
	f.StringVar(&w.Route, "route", "", "another way out: a `ROUTE` of the configuration")
	f.BoolVar(&w.Force, "force", false, "send it although it will not help")
	return cmd
}

// printRefusal says why nothing was sent and what helps instead.
func (d *door) printRefusal(cmd *cobra.Command, p *api.Problem) error {
	if d.json {
		if err := printJSON(cmd, p); err != nil {
			return err
		}
		return &exitError{code: exitBadNews}
	}
	out := printerFor(cmd)
	out.strong("Nothing was sent. " + words.Helps(p.Resend.Helps) + ".")
	out.text("", strings.ReplaceAll(p.Detail, "`force`", "-force"))
	if p.Resend.Because != "" {
		out.text("", p.Resend.Because)
	}
	if !p.Resend.NotBefore.IsZero() {
		out.text("", "Not before "+words.Time(p.Resend.NotBefore)+".")
	}
	out.text("", "("+p.Cause+")")
	if len(p.Remedies) > 0 {
		out.heading("What helps")
		for i, r := range p.Remedies {
			out.item(fmt.Sprintf("%3d. ", i+1), words.Who(r.Who)+": "+r.Do)
		}
	}
	return &exitError{code: exitBadNews}
}
