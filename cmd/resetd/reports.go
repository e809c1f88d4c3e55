package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/desk"
)

// reportsCmd is `resetd reports`: what receivers reported about our mail.
func reportsCmd() *cobra.Command {
	var d *door
	var days int
	cmd := ours(&cobra.Command{
		Use: "reports DOMAIN", Short: "what receivers report about mail in the name of a domain of ours", Args: cobra.ExactArgs(1),
		Long: "Shows what DMARC aggregate reports say about mail in the name of DOMAIN, day by day, and what TLS reports say about mail to it. Reports are claims: a\n" +
			"reporter is known by the domain that signed its mail. They come in by mail (`resetd check DOMAIN` gives the records) and by `resetd ingest reports`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			v, err := c.Reports(cmd.Context(), args[0], days)
			switch {
			case err != nil:
				return d.failed(err)
			case d.json:
				return printJSON(cmd, v)
			}
			printerFor(cmd).reports(v)
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.Flags().IntVar(&days, "days", 0, "how many days back; 0 = 30, at most 92")
	return cmd
}

// chartColumns is how wide the longest bar is.
const chartColumns = 40

// reports tells what was reported: what it adds up to, a bar for each day, then who said so and where mail came from.
func (p *printer) reports(v desk.SeenView) {
	p.strong(fmt.Sprintf("%s: reports about %s to %s", v.Domain, v.From.Format("2 January"), v.To.Format("2 January 2006")))
	for _, s := range v.Says {
		p.text("  ", s)
	}
	if len(v.By) == 0 {
		p.text("  ", "No report came in these days.")
		for _, to := range []struct{ what, at string }{{"DMARC reports: rua=mailto:", v.SendTo.DMARC}, {"TLS reports: v=TLSRPTv1; rua=mailto:", v.SendTo.TLS}} {
			if to.at != "" {
				p.text("  ", to.what+to.at)
			}
		}
		p.text("  ", "`resetd check "+v.Domain+"` gives the whole records.")
		return
	}
	if v.Counts == "unsigned" {
		p.text("  ", "Nobody signed these reports: anybody may have sent them, and no verdict rests upon them.")
	}
	p.chart(v)
	p.heading("Who reports")
	for _, r := range v.By {
		what := counted(int(r.Mails), "mail") + fmt.Sprintf(", %d failed DKIM, %d SPF", r.DKIMFailed, r.SPFFailed)
		if r.Attempts > 0 {
			what = counted(int(r.Attempts), "attempt") + " over TLS"
		}
		name := r.Name
		if name == "" {
			name = "several"
		}
		p.item("  - ", fmt.Sprintf("%s (%s, newest day %s): %s", name, map[string]string{"signed": "signed", "by_file": "by file", "nobody": "NOT SIGNED"}[r.Proof], r.Last.Format("2 January"), what))
	}
	if len(v.Sources) > 0 {
		p.heading("Where mail in this name came from")
	}
	for _, s := range v.Sources {
		source, whose := s.Source, map[string]string{"own": "our own", "forwarded": "ours, forwarded", "unknown": "UNKNOWN"}[s.Class]
		if source == "" {
			source = "several"
		}
		if s.Selector != "" {
			whose += ", selector " + s.Selector
		}
		p.item("  - ", fmt.Sprintf("%s (%s): %s, %d failed DKIM, %d SPF, %d refused", source, whose, counted(int(s.Mails), "mail"), s.DKIMFailed, s.SPFFailed, s.Rejected))
	}
	if len(v.TLS) > 0 {
		p.heading("Mail to this domain over TLS")
	}
	for _, t := range v.TLS {
		result := t.Result
		if result == "" {
			result = "went well"
		}
		if t.Host != "" {
			result += " at " + t.Host
		}
		p.item("  - ", fmt.Sprintf("%s (%s): %s", result, t.Reporter, counted(int(t.Attempts), "attempt")))
	}
}

// chart draws a bar for each day with reports: '#' passed, 'd' failed DKIM and passed by SPF, 'X' failed DMARC.
func (p *printer) chart(v desk.SeenView) {
	var top int64
	for _, d := range v.Days {
		top = max(top, d.Own.Mails)
	}
	if top == 0 {
		return
	}
	p.heading("Our own mail by day: # passed, d failed DKIM and passed by SPF, X failed DMARC")
	for _, d := range v.Days {
		if d.Own.Mails+d.Unknown.Mails+d.Forwarded.Mails == 0 {
			continue
		}
		bar := ""
		for _, part := range []struct {
			mark string
			n    int64
		}{{"#", d.Own.Mails - d.Own.DKIMFailed}, {"d", d.Own.DKIMFailed - d.Own.Failed}, {"X", d.Own.Failed}} {
			n := int(part.n * chartColumns / top)
			if part.n > 0 && n == 0 {
				n = 1 // what is there is seen
			}
			bar += strings.Repeat(part.mark, n)
		}
		says := counted(int(d.Own.Mails), "mail")
		if n := d.Own.DKIMFailed; n > 0 {
			says += fmt.Sprintf(", %d failed DKIM", n)
		}
		if n := d.Unknown.Mails; n > 0 {
			says += fmt.Sprintf("; %d from unknown sources", n)
		}
		fmt.Fprintf(p.w, "  %-7s %-*s %s\n", d.Day.In(time.UTC).Format("2 Jan"), chartColumns+2, bar, says)
	}
}
