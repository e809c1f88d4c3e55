package dnscheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func (r *Report) judgeSPF(q Question) {
	c, domain := r.SPFRecord, r.EnvelopeDomain
	verify := "dig +short TXT " + domain
	switch {
	case c.Unknown != "":
		r.add(Finding{ID: "spf.unknown", Severity: Warning, Subject: domain, Temporary: true, Cause: "network.dns_failing", VerifyBy: verify,
			What: "The SPF record cannot be read now: " + c.Unknown + ".", Who: "Hosts with the same trouble put our mail off."})
		return
	case len(c.Records) == 0:
		r.add(Finding{ID: "spf.missing", Severity: Error, Subject: domain, Cause: "sender.unauthenticated", VerifyBy: verify,
			What: "The domain of the return path has no SPF record." + relayHint(q), Who: "Users at Gmail, Yahoo and Outlook.com: mail is refused or goes to junk.",
			Publish: txtRecord(domain, newSPF(q.IPs))})
		return
	case len(c.Records) > 1:
		r.add(Finding{ID: "spf.several", Severity: Error, Subject: domain, Cause: "sender.spf_permerror", VerifyBy: verify,
			What: fmt.Sprintf("There are %d SPF records; only one may exist, so none counts.", len(c.Records)),
			Who:  "Users at all hosts that check SPF.", Publish: txtRecord(domain, show(mergeSPF(c.Records), 4<<10))})
		return
	case c.Wrong != "":
		f := Finding{ID: "spf.permerror", Severity: Error, Subject: domain, Cause: "sender.spf_permerror", VerifyBy: verify,
			What: "The SPF record cannot be read (permerror): " + c.Wrong + ".", Who: "Users at all hosts that check SPF."}
		if mended := repairSPF(c.Records[0]); mended != "" {
			f.Publish = txtRecord(domain, mended)
			f.What += " The record to publish mends what is a slip and leaves out what nobody can read; look it over."
		}
		r.add(f)
		return
	}
	r.judgeSPFRecord(q, c, domain, verify)
	r.judgeSPFViews(q, verify)
	r.judgeVoid(domain, verify)
}

// judgeCost speaks about a record that takes too many look-ups. Evaluation ends at the first match, so our own addresses may pass all the same.
func (r *Report) judgeCost(q Question, c SPFCost, domain, verify string) {
	var costs []string
	for _, t := range c.Terms {
		costs = append(costs, fmt.Sprintf("%s %d", t.Term, t.Lookups))
	}
	f := Finding{ID: "spf.too_many_lookups", Severity: Error, Subject: domain, Cause: "sender.spf_permerror", VerifyBy: verify,
		What: fmt.Sprintf("The SPF record takes %s%d DNS look-ups; from the eleventh on receivers give up (permerror). What each term takes: %s. Replace what can be replaced by ip4: and ip6:.",
			atLeast(c.AtLeast), c.Lookups, strings.Join(costs, ", ")),
		Who: "Users at all hosts that check SPF, for mail from addresses that stand behind the tenth look-up."}
	if len(q.IPs) > 0 {
		f.Publish = txtRecord(domain, allowIPs(c.Records[0], q.IPs))
		if r.metSPF(q) == MetYes {
			f.Severity, f.Cause, f.Publish = Warning, "", ""
			f.Who = "Nobody who gets mail from our addresses, which pass before the limit; others who send for the domain, and hosts that count all terms."
		}
	}
	r.add(f)
}

// judgeVoid speaks about names in the record that have no such records: a few of them break it.
func (r *Report) judgeVoid(domain, verify string) {
	worst := r.SPFAtWorst
	for _, v := range r.SPF {
		if v.Identity == "mail_from" && v.VoidLookups > worst.VoidLookups {
			worst = v.SPF
		}
	}
	if worst.VoidLookups == 0 {
		return
	}
	var terms, own []string
	for _, s := range worst.Trace {
		if s.Void {
			terms = append(terms, s.Term+" of "+s.Domain)
			if s.Depth == 0 && foldName(s.Domain) == foldName(domain) {
				own = append(own, s.Term)
			}
		}
	}
	publish := ""
	if len(own) > 0 {
		publish = txtRecord(domain, dropTerms(r.SPFRecord.Records[0], own))
	}
	r.add(Finding{ID: "spf.void", Severity: Warning, Subject: domain, VerifyBy: verify, Publish: publish,
		What: fmt.Sprintf("%d of 2 void look-ups: names in the SPF record that DNS has nothing for (%s). With a third one receivers give up (permerror). Take them out.", worst.VoidLookups, strings.Join(terms, ", ")),
		Who:  "Users at all hosts that check SPF, once one more name is gone."})
}

func (r *Report) judgeSPFRecord(q Question, c SPFCost, domain, verify string) {
	switch {
	case c.Lookups > spfMaxLookups:
		r.judgeCost(q, c, domain, verify)
	case c.Lookups >= spfMaxLookups-1:
		r.add(Finding{ID: "spf.near_limit", Severity: Note, Subject: domain, VerifyBy: verify,
			What: fmt.Sprintf("The SPF record takes %d of 10 DNS look-ups; a provider that adds one breaks it.", c.Lookups)})
	}
	switch c.All {
	case "+all":
		r.add(Finding{ID: "spf.plus_all", Severity: Warning, Subject: domain, VerifyBy: verify,
			What: "The SPF record ends in +all: it lets the whole world send as this domain, and receivers trust it the less.",
			Who:  "Everybody who gets forged mail.", Publish: txtRecord(domain, replaceAll(c.Records[0], "-all"))})
	case "":
		if !strings.Contains(lower(c.Records[0]), "redirect=") {
			r.add(Finding{ID: "spf.no_all", Severity: Note, Subject: domain, VerifyBy: verify,
				What: "The SPF record does not end in ~all or -all, so it says nothing about other senders.", Publish: txtRecord(domain, c.Records[0]+" ~all")})
		}
	}
	if c.PTR {
		r.add(Finding{ID: "spf.ptr", Severity: Note, Subject: domain, VerifyBy: verify,
			What: "The SPF record uses ptr, which is slow and which many receivers skip (RFC 7208 section 5.5)."})
	}
}

func atLeast(b bool) string {
	if b {
		return "at least "
	}
	return ""
}

// judgeSPFViews speaks about each of our addresses.
func (r *Report) judgeSPFViews(q Question, verify string) {
	if w := r.SPFAtWorst; len(q.IPs) == 0 {
		r.add(Finding{ID: "spf.no_addresses", Severity: Note, Subject: r.EnvelopeDomain, VerifyBy: verify,
			What: "From which addresses mail leaves is not configured ([smtp] outgoing_ips), so SPF, reverse DNS and blocklists are not judged for them."})
		if w.Result != SPFPermError && w.Result != SPFTempError && r.SPFRecord.Lookups <= spfMaxLookups {
			r.add(Finding{ID: "spf.record", Severity: OK, Subject: r.EnvelopeDomain, VerifyBy: verify,
				What: fmt.Sprintf("The SPF record can be evaluated to its end: %d of 10 look-ups, %d of 2 void ones.", w.Lookups, w.VoidLookups)})
		}
		if w.Result == SPFPermError && r.SPFRecord.Lookups <= spfMaxLookups {
			r.add(Finding{ID: "spf.permerror", Severity: Error, Subject: r.EnvelopeDomain, Cause: "sender.spf_permerror", VerifyBy: verify,
				What: "SPF breaks for an address that nothing matches early (permerror): " + w.Why + ".", Who: "Users at all hosts that check SPF, for mail from addresses that stand behind it."})
		}
	}
	var missing []netip.Addr
	for _, v := range r.SPF {
		if v.Identity == "mail_from" && (v.Result == SPFFail || v.Result == SPFSoftFail || v.Result == SPFNeutral) {
			missing = append(missing, v.IP)
		}
	}
	for _, v := range r.SPF {
		f := Finding{Subject: v.IP.String(), VerifyBy: verify}
		if v.Identity == "helo" {
			r.judgeHELO(v, f)
			continue
		}
		switch v.Result {
		case SPFPass:
			f.ID, f.Severity, f.What = "spf.ok", OK, fmt.Sprintf("SPF passes: %s. It took %d of 10 look-ups, %d of 2 void ones.", v.Why, v.Lookups, v.VoidLookups)
		case SPFTempError:
			f.ID, f.Severity, f.Temporary, f.Cause = "spf.unknown", Warning, true, "network.dns_failing"
			f.What, f.Who = "SPF cannot be evaluated now: "+v.Why+".", "Hosts with the same trouble put our mail off."
		case SPFPermError, SPFNone:
			f.ID, f.Severity, f.Cause = "spf.permerror", Error, "sender.spf_permerror"
			f.What, f.Who = "SPF breaks for this address (permerror): "+v.Why+".", "Users at all hosts that check SPF."
			if r.SPFRecord.Wrong == "" && len(r.SPFRecord.Records) == 1 {
				f.Publish = txtRecord(r.EnvelopeDomain, allowIPs(r.SPFRecord.Records[0], q.IPs)) // a match before what is broken
			}
		default:
			f.ID, f.Severity, f.Cause = "spf.fail", Error, "sender.spf_fail"
			f.What = fmt.Sprintf("Mail leaves from an address that SPF does not allow (%s): %s.", v.Result, v.Why)
			f.Who = "Users at all hosts that check SPF, most of all where no DKIM signature helps."
			f.Publish = txtRecord(r.EnvelopeDomain, allowIPs(r.SPFRecord.Records[0], missing))
		}
		r.add(f)
	}
}

func (r *Report) judgeHELO(v SPFView, f Finding) {
	if v.Result == SPFFail || v.Result == SPFPermError {
		f.ID, f.Severity, f.VerifyBy = "spf.helo", Warning, "dig +short TXT "+v.Domain
		f.What = fmt.Sprintf("The SPF record of our HELO name gives %s for this address: %s.", v.Result, v.Why)
		f.Who = "Users at hosts that check HELO, for mail without an envelope sender."
		r.add(f)
	}
}

// relayHint says what a record without our addresses holds instead.
func relayHint(q Question) string {
	if len(q.IPs) > 0 {
		return ""
	}
	return " Put what your relay's operator names in the place of RELAY; where mail leaves from here, put ip4: and ip6: with our own addresses, and name them in [smtp] outgoing_ips."
}

// newSPF is the record for a domain that sends from these addresses.
func newSPF(ips []netip.Addr) string {
	if len(ips) == 0 {
		return "v=spf1 include:RELAY ~all" // RELAY is what the relay's operator names
	}
	return allowIPs("v=spf1 ~all", ips)
}

// allowIPs puts addresses in front of all other terms, where no look-up is needed to reach them.
func allowIPs(record string, ips []netip.Addr) string {
	var b strings.Builder
	b.WriteString(record[:len("v=spf1")])
	for _, ip := range ips {
		kind := " ip4:"
		if ip.Unmap().Is6() {
			kind = " ip6:"
		}
		b.WriteString(kind + ip.Unmap().String())
	}
	b.WriteString(record[len("v=spf1"):])
	return b.String()
}

// dropTerms gives a record without some of its terms.
func dropTerms(record string, terms []string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(record), func(t string) bool { return slices.Contains(terms, t) }), " ")
}

// replaceAll gives a record another last "all".
func replaceAll(record, all string) string {
	terms := strings.Fields(record)
	for i, t := range terms {
		if strings.EqualFold(t, "all") || strings.EqualFold(t, "+all") {
			terms[i] = all
		}
	}
	return strings.Join(terms, " ")
}

// mergeSPF makes one record of several: all terms in order, each once, and the mildest of their "all".
func mergeSPF(records []string) string {
	terms, seen, all := []string{"v=spf1"}, map[string]bool{}, ""
	const mild = "-~?+"
	for _, rec := range records {
		for _, t := range strings.Fields(rec)[1:] {
			folded := lower(t)
			if strings.TrimLeft(folded, mild) == "all" {
				if sign := folded[:len(folded)-len("all")]; all == "" || strings.Index(mild, or(sign, "+")) > strings.Index(mild, all) {
					all = or(sign, "+")
				}
				continue
			}
			if !seen[folded] {
				seen[folded] = true
				terms = append(terms, t)
			}
		}
	}
	if all == "+" || all == "" {
		all = "~"
	}
	return strings.Join(append(terms, all+"all"), " ")
}
