package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/store"
)

// suppressionsCmd is `resetd suppressions`: the addresses that are not written to.
func suppressionsCmd() *cobra.Command {
	var d *door
	cmd := ours(&cobra.Command{
		Use: "suppressions", Short: "addresses that are not written to: list, look up, release", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			all := []store.Suppression{}
			for cursor := ""; ; {
				items, next, err := c.Suppressions(cmd.Context(), cursor)
				if err != nil {
					return d.failed(err)
				}
				if all = append(all, items...); next == "" {
					break
				}
				cursor = next
			}
			if d.json {
				return printJSON(cmd, map[string]any{"items": all, "next_cursor": ""})
			}
			p := printerFor(cmd)
			if len(all) == 0 {
				p.text("", "Nobody is on the stop list.")
			}
			for _, s := range all {
				p.printSuppression(s)
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.AddCommand(d.lookupCmd(), d.releaseCmd())
	return cmd
}

func (p *printer) printSuppression(s store.Suppression) {
	p.strong(s.Address)
	p.text("  ", fmt.Sprintf("%s, until %s", s.Cause, words.Time(s.Until)))
	if s.Proof != "" {
		p.text("  ", "the host said: "+s.Proof)
	}
}

func (d *door) lookupCmd() *cobra.Command {
	return ours(&cobra.Command{
		Use: "lookup ADDRESS", Short: "is this address written to?", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			s, err := c.LookupSuppression(cmd.Context(), args[0])
			switch {
			case err != nil:
				return d.failed(err)
			case d.json:
				return printJSON(cmd, map[string]any{"suppressed": s != nil, "suppression": s})
			case s == nil:
				printerFor(cmd).text("", "It is not on the stop list: mail is written to it.")
			default:
				printerFor(cmd).printSuppression(*s)
			}
			return nil
		},
	})
}

func (d *door) releaseCmd() *cobra.Command {
	var reason string
	cmd := ours(&cobra.Command{
		Use: "release ADDRESS -reason TEXT", Short: "write to this address again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return wrongUsage(cmd, "-reason is needed: why is the address good again?")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			if err := c.Release(cmd.Context(), args[0], reason); err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, map[string]bool{"released": true})
			}
			printerFor(cmd).text("", "Released: mail is written to it again.")
			return nil
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	return cmd
}
