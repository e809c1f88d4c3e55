package dnscheck

import (
	"fmt"
	"strings"
)

func (r *Report) judgeDMARC(q Question) {
	d := r.DMARC
	name := "_dmarc." + r.Domain
	verify := "dig +short TXT " + name
	for i, domain := range d.Several {
		r.add(Finding{ID: "dmarc.several", Severity: Error, Subject: "_dmarc." + domain, VerifyBy: "dig +short TXT _dmarc." + domain,
			Cause: "sender.provider_requirements", What: "There is more than one DMARC record, so receivers ignore them all. Keep one; that with the strictest policy is shown.", Publish: txtRecord("_dmarc."+domain, d.Keep[i]),
			Who: "Users at hosts that ask for DMARC."})
	}
	switch {
	case d.TempError != "":
		r.add(Finding{ID: "dmarc.unknown", Severity: Warning, Subject: name, Temporary: true, Cause: "network.dns_failing", VerifyBy: verify,
			What: "The DMARC policy cannot be read now: " + d.TempError + ".", Who: "Hosts with the same trouble put our mail off."})
		return
	case d.Ignored:
		r.add(Finding{ID: "dmarc.invalid", Severity: Error, Subject: "_dmarc." + d.At, VerifyBy: "dig +short TXT _dmarc." + d.At,
			Cause: "sender.provider_requirements", What: "The DMARC record has no valid policy, so receivers ignore it: " + strings.Join(d.Record.Problems, "; ") + ".",
			Who: "Users at hosts that ask for DMARC.", Publish: r.newDMARC(q, d.At)})
		return
	case !d.Found:
		if len(d.Several) == 0 {
			r.add(Finding{ID: "dmarc.missing", Severity: Warning, Subject: name, VerifyBy: verify, Cause: "sender.provider_requirements",
				What: "No DMARC record applies to this domain.", Who: "Users at Gmail, Yahoo and Outlook.com, once we send much.",
				Publish: r.newDMARC(q, r.Domain)})
		}
		return
	}
	r.judgeAlignment(q, verify)
	r.judgePolicy(verify)
	r.judgeReports(q, verify)
	for _, to := range r.ReportTo {
		if to.Unknown {
			r.add(Finding{ID: "dmarc.report_unknown", Severity: Note, Subject: to.URI, Temporary: true, What: "Whether DMARC reports may go there cannot be told now: " + to.Why + ".", VerifyBy: verify})
		}
		if !to.Allowed && !to.Unknown {
			r.add(Finding{ID: "dmarc.report_refused", Severity: Warning, Subject: to.URI, What: "DMARC reports are lost: " + to.Why + ".",
				Who: "Us: we do not see what receivers see.", Publish: to.Publish, VerifyBy: "dig +short TXT " + strings.TrimSuffix(strings.Fields(to.Publish + " .")[0], ".")})
		}
	}
}

func (r *Report) judgeAlignment(q Question, verify string) {
	d := r.DMARC
	aligned, old, unknown := 0, 0, false
	var why []string
	var last Alignment
	for _, id := range d.Identifiers {
		met := r.metBy(q, id.Method)
		switch {
		case met == MetNo:
			why = append(why, fmt.Sprintf("%s of %s does not pass", strings.ToUpper(id.Method), id.Domain))
			continue
		case id.Aligned:
			aligned, last = aligned+1, id
		default:
			why = append(why, fmt.Sprintf("%s of %s: %s", strings.ToUpper(id.Method), id.Domain, id.Why))
		}
		if id.Old {
			old++
		}
		unknown = unknown || id.Unknown
	}
	f := Finding{Subject: r.Domain, VerifyBy: verify}
	switch {
	case aligned == len(d.Identifiers):
		f.ID, f.Severity, f.What = "dmarc.ok", OK, "SPF and DKIM are aligned with the From domain."
		if aligned == 1 {
			f.What = strings.ToUpper(last.Method) + " is aligned with the From domain."
		}
	case aligned == 0 && unknown:
		f.ID, f.Severity, f.Temporary, f.Cause = "dmarc.alignment_unknown", Warning, true, "network.dns_failing"
		f.What = "Whether our mail is aligned cannot be told now: " + strings.Join(why, "; ") + "."
	case aligned == 0:
		f.ID, f.Severity, f.Cause = "dmarc.not_aligned", Error, "sender.dmarc_rejected"
		f.What, f.Who = "Nothing that receivers can prove stands for the From domain: "+strings.Join(why, "; ")+".", "Users at all hosts that apply DMARC."
	default:
		f.ID, f.Severity = "dmarc.half_aligned", Note
		f.What, f.Who = "One of two ways to pass DMARC is missing: "+strings.Join(why, "; ")+".", "Users behind forwards or mailing lists, if the other way breaks there."
	}
	r.add(f)
	if old == 0 && aligned > 0 {
		r.add(Finding{ID: "dmarc.old_not_aligned", Severity: Warning, Subject: r.Domain, Cause: "sender.dmarc_rejected", VerifyBy: verify,
			What: "Receivers that still use the public suffix list see no alignment.", Who: "Users at hosts that do not know RFC 9989 yet."})
	}
}

func (r *Report) judgePolicy(verify string) {
	d, rec := r.DMARC, r.DMARC.Record
	note := func(id string, sev Severity, what, who string) *Finding {
		r.add(Finding{ID: id, Severity: sev, Subject: "_dmarc." + d.At, What: what, Who: who, VerifyBy: verify})
		return &r.Findings[len(r.Findings)-1]
	}
	record := func(name, value string) string { return txtRecord("_dmarc."+d.At, withTag(rec.Text, name, value)) }
	if d.Policy != d.Old.Policy {
		note("dmarc.old_policy", Note, fmt.Sprintf("Receivers that still follow RFC 7489 apply the policy %q instead of %q.", or(d.Old.Policy, "no record"), d.Policy), "Users at hosts that do not know RFC 9989 yet.")
	}
	if rec.Test && d.Policy != "none" {
		note("dmarc.test", Note, "The policy is marked as a test (t=y); receivers that know RFC 7489 only apply it all the same.", "")
	}
	if d.Policy == "none" && rec.P == "none" {
		note("dmarc.policy_none", Note, "The policy is none: forged mail in our name is not refused. Make it stricter once the reports show that all mail of ours passes.", "Users who get forged reset mails.").Publish = record("p", "quarantine")
	}
	for _, p := range rec.Problems {
		note("dmarc.syntax", Warning, "The DMARC record has a fault: "+p+".", "")
	}
	if rec.Pct != "" && rec.Pct != "100" {
		note("dmarc.pct", Note, "pct= no longer means anything to receivers of today (RFC 9989); t=y took its place.", "").Publish = record("pct", "")
	}
}

// withTag gives a record with a tag set to another value; "" takes it out. The version and all other tags stay as they are.
func withTag(record, name, value string) string {
	var tags []string
	done := value == ""
	for tag := range strings.SplitSeq(record, ";") {
		tag = strings.TrimSpace(tag)
		key, _, _ := strings.Cut(tag, "=")
		switch {
		case tag == "":
		case !strings.EqualFold(strings.TrimSpace(key), name):
			tags = append(tags, tag)
		case !done:
			tags, done = append(tags, name+"="+value), true
		}
	}
	if !done {
		tags = append(tags, name+"="+value)
	}
	return strings.Join(tags, "; ")
}
