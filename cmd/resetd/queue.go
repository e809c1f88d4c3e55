package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

// queueCmd is `resetd queue`: how it stands; pause and resume.
func queueCmd() *cobra.Command {
	var d *door
	cmd := ours(&cobra.Command{
		Use: "queue", Short: "how the queue stands; hold it, let it go on", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			q, err := c.Queue(cmd.Context())
			switch {
			case err != nil:
				return d.failed(err)
			case d.json:
				return printJSON(cmd, q)
			}
			printerFor(cmd).printQueue(q)
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.AddCommand(d.holdCmd("pause", "hold sending; what is asked for meanwhile is kept"), d.holdCmd("resume", "let sending go on"))
	return cmd
}

func (d *door) holdCmd(name, short string) *cobra.Command {
	var route, reason string
	cmd := ours(&cobra.Command{
		Use: name + " -reason TEXT", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return wrongUsage(cmd, "-reason is needed: a few words for the audit trail")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			what, done := c.Pause, "held"
			if name == "resume" {
				what, done = c.Resume, "going on"
			}
			if err := what(cmd.Context(), route, reason); err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, map[string]bool{"paused": name == "pause"})
			}
			scope := "All sending"
			if route != "" {
				scope = "Sending by the route " + route
			}
			printerFor(cmd).text("", scope+" is "+done+".")
			return nil
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&route, "route", "", "only this `ROUTE`")
	return cmd
}

func (p *printer) printQueue(q desk.QueueView) {
	held := func(h *store.Hold) string {
		return fmt.Sprintf("held by %s since %s: %s", h.By, words.Time(h.Since), h.Reason)
	}
	if q.Paused != nil {
		p.strong("All sending is " + held(q.Paused))
	}
	if q.Workers == 0 {
		p.strong("No worker is alive: nothing is sent until one runs.")
	}
	oldest := time.Duration(q.OldestDue * float64(time.Second)).Round(time.Second)
	for _, row := range []struct {
		name  string
		value any
	}{
		{"workers alive", q.Workers}, {"due now", q.Due}, {"oldest due", oldest}, {"in flight", q.InFlight},
		{"booked for later", q.Waiting}, {"returned mails to read", q.Returns},
	} {
		p.item(fmt.Sprintf("%-24s", row.name), fmt.Sprint(row.value))
	}
	for _, r := range q.Routes {
		s := fmt.Sprintf("%d open, %d of them put off by a host", r.Waiting, r.Deferred)
		if r.Paused != nil {
			s += "; " + held(r.Paused)
		}
		p.item(fmt.Sprintf("%-24s", "route "+inert(r.Route)), s)
	}
}
