package dnscheck

// whoFeels says which people feel a finding, for those of which it is always the same; "" = its maker says.
func whoFeels(id string) string {
	for _, w := range [...]struct{ id, who string }{
		{"dane.not_secure", "Nobody: without DNSSEC the record does not count."},
		{"dmarc.no_reports", "Us: we do not see what receivers see."},
		{"dmarc.pct", "Nobody now."},
		{"dmarc.report_unknown", "Us, if reports are lost."},
		{"dmarc.reports_elsewhere", "Us: we do not see what receivers see."},
		{"dmarc.syntax", "Users at hosts that ask for DMARC, where the fault is in a tag that counts for them."},
		{"dmarc.test", "Users who get forged reset mails, at hosts that heed the flag."},
		{"dnsbl.broken", "Nobody: what the list says means nothing."},
		{"dnsbl.refused", "Nobody for this; whether we are listed there is not known."},
		{"dnsbl.unknown", "Nobody for this; whether we are listed there is not known."},
		{"mta_sts.unknown", "Senders with the same trouble, who then go by what they know already."},
		{"mx.host", "People who write to the domain, where its other hosts do not take their mail."},
		{"mx.implicit", "Nobody now; few senders want an MX record."},
		{"mx.unknown", "Hosts with the same trouble cannot tell whether the domain takes mail, and may put ours off."},
		{"ptr.not_public", "Nobody for this; it is the other address that counts."},
		{"ptr.unknown", "Users at hosts with the same trouble: mail is put off."},
		{"return.unknown", "Support, if it is so elsewhere too: bounces come late."},
		{"spf.near_limit", "Users at all hosts that check SPF, once one more look-up is added."},
		{"spf.no_addresses", "Nobody for this."},
		{"spf.no_all", "Users who get forged mail."},
		{"spf.ptr", "Users at hosts that skip it, where nothing else in the record lets our address in."},
		{"tls_rpt.elsewhere", "Us: we do not see where TLS fails on the way to us."},
		{"tls_rpt.none", "Us: we do not see where TLS fails on the way to us."},
	} {
		if w.id == id {
			return w.who
		}
	}
	return ""
}
