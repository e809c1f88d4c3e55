package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/api/words"
)

// loopAsk is how often a daemon is asked how far a canary has come.
const loopAsk = 500 * time.Millisecond

// checkLoop is `resetd check -loop`: it begins the canaries and follows them to their ends.
func checkLoop(cmd *cobra.Command, d *door, domain, route string) error {
	c, err := d.client(cmd)
	if err != nil {
		return err
	}
	out, err := c.CheckLoop(cmd.Context(), domain, route)
	if err != nil {
		return d.failed(err)
	}
	p := printerFor(cmd)
	if !d.json {
		p.domain(out.Report)
	}
	bad := out.Bad()
	for i := range out.Loops {
		if err := d.follow(cmd, c, &out.Loops[i], p); err != nil {
			return err
		}
		bad = bad || out.Loops[i].State == "failed"
	}
	if d.json {
		if err := printJSON(cmd, out); err != nil {
			return err
		}
	}
	if bad {
		return &exitError{code: exitBadNews}
	}
	return nil
}

// follow asks until a run has ended, and tells each link once it is decided.
func (d *door) follow(cmd *cobra.Command, c *api.Client, run *diag.LoopRun, p *printer) error {
	if !d.json {
		p.heading("Loop check of " + run.Domain + " by the route " + run.Route)
	}
	told := 0
	for {
		for ; !d.json && told < len(run.Links); told++ {
			l := run.Links[told]
			if run.State == "running" && l.Result == diag.LoopNotReached {
				break
			}
			p.link(l)
		}
		if run.State != "running" {
			break
		}
		if err := wait(cmd.Context(), loopAsk); err != nil {
			return couldNot("interrupted; the canary goes on, and `resetd check` tells of it: %v", err)
		}
		next, err := c.Loop(cmd.Context(), run.Reset)
		if err != nil {
			return d.failed(err)
		}
		*run = next
	}
	if d.json {
		return nil
	}
	for _, h := range run.Claims {
		p.item("  says    ", h)
	}
	fmt.Fprintln(p.w)
	p.text("", loopSays(*run))
	return nil
}

// link tells one link of the chain.
func (p *printer) link(l diag.LoopLink) {
	took := ""
	if l.Millis > 0 {
		took = fmt.Sprintf(" (%s)", (time.Duration(l.Millis) * time.Millisecond).String())
	}
	p.item(fmt.Sprintf("  %-11s %-8s ", strings.ReplaceAll(string(l.Result), "_", " "), l.Name), l.Says+took)
	if l.Cause != "" {
		p.item("                       ", "Leads to: "+l.Cause)
	}
}

// loopSays is a run in one line.
func loopSays(r diag.LoopRun) string {
	when := words.Time(r.Began)
	switch r.State {
	case "failed":
		return "Failed at " + strings.Join(r.Failed(), ", ") + ". Begun " + when + "; its facts: resetd why " + string(r.Reset) + "."
	case "ok":
		return "The whole chain holds. Begun " + when + "."
	}
	return "Nothing failed, and not everything could be seen. Begun " + when + "; its facts: resetd why " + string(r.Reset) + "."
}
