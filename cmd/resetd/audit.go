package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/store"
)

// auditCmd is `resetd audit`: who did what, and whether the trail is whole.
func auditCmd() *cobra.Command {
	var d *door
	most := 100
	cmd := ours(&cobra.Command{
		Use: "audit", Short: "who did what; was the trail changed?", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 1 {
				return wrongUsage(cmd, "-most is a number from 1 on")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			all := []store.Entry{}
			cursor := ""
			for {
				items, next, err := c.Audit(cmd.Context(), cursor)
				if err != nil {
					return d.failed(err)
				}
				all, cursor = append(all, items...), next
				if next == "" || len(all) >= most {
					break
				}
			}
			if len(all) > most {
				all = all[:most]
				cursor = strconv.FormatInt(all[most-1].N, 10)
			}
			if d.json {
				return printJSON(cmd, map[string]any{"items": all, "next_cursor": cursor})
			}
			p := printerFor(cmd)
			for _, e := range all {
				p.printEntry(e)
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.Flags().IntVar(&most, "most", most, "how many entries to print, the newest first")
	cmd.AddCommand(d.verifyCmd())
	return cmd
}

func (p *printer) printEntry(e store.Entry) {
	s := fmt.Sprintf("%s (%s) %s", e.By, e.Role, strings.ReplaceAll(e.Action, "_", " "))
	if e.Target != "" {
		s += " " + e.Target
	}
	if e.Denied {
		s += ", denied"
	}
	if e.Forced {
		s += ", forced"
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	p.item(fmt.Sprintf("%6d  %-25s  ", e.N, words.Time(e.At)), s)
}

func (d *door) verifyCmd() *cobra.Command {
	return ours(&cobra.Command{
		Use: "verify", Short: "was an entry changed, taken out or put in?", Args: cobra.NoArgs,
		Long: "Lets the daemon walk the chain of entries from its beginning. Exit status 3 when one does not fit the one before it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			check, err := c.VerifyAudit(cmd.Context())
			if err != nil {
				return d.failed(err)
			}
			if d.json {
				if err := printJSON(cmd, check); err != nil {
					return err
				}
			} else if check.Wrong == "" {
				printerFor(cmd).text("", fmt.Sprintf("The trail is whole: %d entries, each bound to the one before it.", check.Good))
			} else {
				printerFor(cmd).strong(fmt.Sprintf("The trail was changed: after %d good entries, %s.", check.Good, check.Wrong))
			}
			if check.Wrong != "" {
				return &exitError{code: exitBadNews}
			}
			return nil
		},
	})
}
