package dnscheck

import "fmt"

func (r *Report) judgeDKIM(q Question) {
	if len(q.Selectors) == 0 {
		r.add(Finding{ID: "dkim.none", Severity: Error, Subject: r.Domain, Cause: "sender.unauthenticated",
			What: "Mail of this domain is not signed.", Who: "Users at Gmail, Yahoo and Outlook.com, and everybody behind a forward.",
			VerifyBy: "resetd keys dkim new"})
		return
	}
	for i, k := range r.DKIM {
		f := Finding{Subject: k.Name, VerifyBy: "dig +short TXT " + k.Name, Publish: k.Publish, What: "DKIM: " + k.Why + "."}
		switch k.Status {
		case KeyMatch:
			f.ID, f.Severity, f.Publish = "dkim.ok", OK, ""
			if k.Testing {
				f.ID, f.Severity, f.Publish = "dkim.testing", Warning, k.Publish
				f.What = "The key record has the test flag (t=y): receivers may treat our signatures as if there were none."
				f.Who = "Users at hosts that heed the flag."
			} else if weakKey(q.Selectors[i].Public) {
				f.ID, f.Severity = "dkim.weak_key", Warning
				f.What = fmt.Sprintf("The key has %d bits; receivers want 2048 (RFC 8301).", k.Bits)
				f.Who = "Users at hosts that have raised the limit."
			}
		case KeyUnknown:
			f.ID, f.Severity, f.Temporary, f.Cause, f.Publish = "dkim.unknown", Warning, true, "network.dns_failing", ""
			f.Who = "Hosts with the same trouble put our mail off or see no signature."
		default:
			f.ID, f.Severity, f.Cause = "dkim."+string(k.Status), Error, "sender.dkim_key_mismatch"
			f.Who = "Users at all hosts that check DKIM: each signature with this selector fails."
			if k.Status == KeyShort {
				f.Publish, f.VerifyBy = "", "resetd keys dkim new"
			}
		}
		r.add(f)
	}
}
