package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/api/words"
)

// incidentsCmd is `resetd incidents`: troubles that are not one user's alone.
func incidentsCmd() *cobra.Command {
	var d *door
	cmd := ours(&cobra.Command{
		Use: "incidents", Short: "troubles that are not one user's alone: list, show, resend to those who still wait", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			items, err := c.Incidents(cmd.Context())
			if err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, map[string]any{"items": items, "next_cursor": ""})
			}
			p := printerFor(cmd)
			if len(items) == 0 {
				p.text("", "No incident is known.")
			}
			for _, t := range items {
				p.printTrouble(t)
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.AddCommand(d.incidentCmd(), d.resendAllCmd())
	return cmd
}

func (p *printer) printTrouble(t diag.Trouble) {
	p.strong(t.Says)
	p.text("  ", t.ID)
	for _, e := range t.Evidence {
		p.item("  - ", e)
	}
	if !t.Until.IsZero() {
		p.text("  ", "It is over. Send again to those who still wait: resetd incidents resend "+t.ID+" -reason …")
	}
}

func (d *door) incidentCmd() *cobra.Command {
	return ours(&cobra.Command{
		Use: "show INCIDENT", Short: "one of them, and who waits because of it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			v, err := c.Incident(cmd.Context(), args[0])
			if err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, v)
			}
			p := printerFor(cmd)
			p.printTrouble(v.Trouble)
			p.heading(fmt.Sprintf("%d still wait", len(v.Waiting)+v.Remaining))
			for _, w := range v.Waiting {
				p.item("  - ", fmt.Sprintf("%s  %s  %s, asked %s", w.Reset, w.Realm, w.State, words.Time(w.Asked)))
			}
			if v.Remaining > 0 {
				p.text("  ", fmt.Sprintf("and %d more", v.Remaining))
			}
			for _, why := range slices.Sorted(maps.Keys(v.Others)) {
				p.text("  ", fmt.Sprintf("%s: %d", words.WaitsNoMore(why), v.Others[why]))
			}
			return nil
		},
	})
}

func (d *door) resendAllCmd() *cobra.Command {
	var w api.ResendBody
	cmd := ours(&cobra.Command{
		Use: "resend INCIDENT -reason TEXT", Short: "another mail to exactly those who still wait because of it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.Reason == "" {
				return wrongUsage(cmd, "-reason is needed: what was mended?")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			out, err := c.ResendAll(cmd.Context(), args[0], w)
			if err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, out)
			}
			p := printerFor(cmd)
			p.text("", fmt.Sprintf("%d mails are booked.", out.Resent))
			if !out.Until.IsZero() {
				p.text("", "The last of them leaves at "+words.Time(out.Until)+".")
			}
			for _, why := range slices.Sorted(maps.Keys(out.Skipped)) {
				p.text("  ", fmt.Sprintf("left out, %s: %d", words.WaitsNoMore(why), out.Skipped[why]))
			}
			if out.Remaining > 0 {
				p.text("", fmt.Sprintf("%d were not looked at yet: run this again.", out.Remaining))
			}
			return nil
		},
	})
	f := cmd.Flags()
	f.StringVar(&w.Reason, "reason", "", "why, for the audit trail")
	f.StringVar(&w.Route, "route", "", "by this `ROUTE`")
	f.BoolVar(&w.Force, "force", false, "although the incident is not over")
	return cmd
}
