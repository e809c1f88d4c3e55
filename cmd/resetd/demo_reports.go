package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/scenario"
)

// reportedDays is how many days of reports the demo has.
const reportedDays = 20

// reported hands in what made-up receivers saw of the demo's mail: nearly all passes, some is forwarded, and twice somebody writes in its
// name. Nothing of it explains any story.
func (s *stage) reported(ctx context.Context) error {
	today := s.daemon.store.Now().UTC().Truncate(24 * time.Hour)
	for i := 1; i <= reportedDays; i++ {
		day := today.Add(-time.Duration(i) * 24 * time.Hour)
		spoofed := 0
		if i == 4 || i == 12 {
			spoofed = 60 + 5*i
		}
		for _, by := range []struct {
			org  string
			sent int
		}{{"quiet.example", 70 + 13*(i%7)}, {"firm.example", 30 + 7*(i%5)}} {
			text := demoReport(by.org, day, by.sent, i%3, i%6, spoofed)
			if err := s.daemon.events.keepReport(ctx, "file", "", []byte(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// demoReport writes a DMARC aggregate report of one day.
func demoReport(org string, day time.Time, sent, broken, forwarded, spoofed int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<feedback><report_metadata><org_name>%s</org_name><email>dmarc@%s</email><report_id>%d</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata><policy_published><domain>%s</domain><p>none</p></policy_published>`,
		org, org, day.Unix(), day.Unix(), day.Add(24*time.Hour-time.Second).Unix(), scenario.OurDomain)
	record := func(ip string, n int, dkim, spf string, signed bool) {
		fmt.Fprintf(&b, `<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row><identifiers><header_from>%s</header_from></identifiers><auth_results>`, ip, n, dkim, spf, scenario.OurDomain)
		if signed {
			fmt.Fprintf(&b, `<dkim><domain>%s</domain><selector>e1</selector><result>%s</result></dkim>`, scenario.OurDomain, dkim)
		}
		b.WriteString(`</auth_results></record>`)
	}
	record("192.0.2.10", sent, "pass", "pass", true)
	record("192.0.2.10", broken, "fail", "pass", true)
	record("198.51.100.7", forwarded, "pass", "fail", true)
	record("203.0.113.66", spoofed, "fail", "fail", false)
	b.WriteString(`</feedback>`)
	return b.String()
}
