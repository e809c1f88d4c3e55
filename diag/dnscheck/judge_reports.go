package dnscheck

import (
	"slices"
	"strings"
)

// askForReports is the tag by which a DMARC record sends reports to us; people read them where we take none.
func (r *Report) askForReports(q Question) string {
	return "rua=mailto:" + or(q.DMARCReports, "dmarc@"+r.Domain)
}

// newDMARC is what to publish where there is no record that counts.
func (r *Report) newDMARC(q Question, at string) string {
	return r.withConsent(q, at, txtRecord("_dmarc."+at, "v=DMARC1; p=none; "+r.askForReports(q)))
}

// withConsent adds the record by which our bounce domain agrees to take reports about another organization's (RFC 9990 section 4).
func (r *Report) withConsent(q Question, at, record string) string {
	host := reportHost("mailto:" + q.DMARCReports)
	if host == "" || SameOrganization(at, host) {
		return record
	}
	return record + "\n" + txtRecord(at+"._report._dmarc."+host, "v=DMARC1")
}

// judgeReports says whether what receivers see reaches us, and what to publish so that it does.
func (r *Report) judgeReports(q Question, verify string) {
	d := r.DMARC
	f := Finding{Severity: Note, Subject: "_dmarc." + d.At, VerifyBy: verify}
	switch ours := "mailto:" + q.DMARCReports; {
	case len(d.Record.RUA) == 0:
		f.ID, f.What = "dmarc.no_reports", "The record asks for no reports (rua=), so we do not see what receivers see."
	case q.DMARCReports == "" || names(d.Record.RUA, ours):
		return
	default:
		f.ID, f.What = "dmarc.reports_elsewhere", "Receivers' reports do not come to us, so no verdict can rest upon them."
	}
	f.Publish = txtRecord("_dmarc."+d.At, withRUA(d.Record.Text, "dmarc@"+r.Domain))
	if q.DMARCReports != "" {
		f.Publish = r.withConsent(q, d.At, txtRecord("_dmarc."+d.At, withRUA(d.Record.Text, q.DMARCReports)))
	}
	r.add(f)
}

// judgeTLSReports says the same of TLS reports. They tell of mail to a domain: of bounces, where it is that of our return paths.
func (r *Report) judgeTLSReports(q Question) {
	t, name := r.TLSRPT, "_smtp._tls."+r.Domain
	f := Finding{ID: "tls_rpt.none", Severity: Note, Subject: name, What: "TLS-RPT: " + t.Why + ".", VerifyBy: "dig +short TXT " + name, Temporary: t.Unknown}
	record := func(at string, rua []string) string {
		return txtRecord("_smtp._tls."+at, "v=TLSRPTv1; rua="+strings.Join(rua, ","))
	}
	ours := "mailto:" + or(q.TLSReports, "tls-reports@"+r.Domain)
	switch {
	case t.Found && q.TLSReports != "" && !names(t.RUA, ours):
		f.ID, f.What = "tls_rpt.elsewhere", "TLS-RPT: reports are wanted, and do not come to us."
		f.Publish = record(r.Domain, append(slices.Clone(t.RUA), ours))
	case t.Found:
		f.ID, f.Severity = "tls_rpt.ok", OK
	case !t.Unknown:
		f.Publish = record(r.Domain, []string{ours})
	}
	// Senders of bounces look at the domain of the return paths.
	if host := reportHost("mailto:" + q.TLSReports); f.Publish != "" && host != "" && host != r.Domain {
		f.Publish += "\n" + record(host, []string{ours})
	}
	r.add(f)
}

// names says whether a list of destinations holds one, whatever size limit stands behind it (RFC 7489 section 6.2).
func names(list []string, uri string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		s, _, _ = strings.Cut(s, "!")
		return strings.EqualFold(s, uri)
	})
}

// withRUA adds a destination to a record's rua=, or rua= to the record.
func withRUA(record, address string) string {
	tags := strings.Split(strings.TrimRight(record, "; \t"), ";")
	for i, t := range tags {
		name, value, ok := strings.Cut(t, "=")
		if !ok || strings.TrimSpace(name) != "rua" {
			continue
		}
		comma := ""
		if strings.TrimSpace(value) != "" {
			comma = ","
		}
		tags[i] = strings.TrimRight(t, " \t") + comma + "mailto:" + address
		return strings.Join(tags, ";")
	}
	return strings.Join(tags, ";") + "; rua=mailto:" + address
}
