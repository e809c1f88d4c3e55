package dnscheck

import (
	"fmt"
	"slices"
	"strings"
)

func (r *Report) judgeDKIM(q Question) {
	if len(q.Selectors) == 0 {
		r.add(Finding{ID: "dkim.none", Severity: Error, Subject: r.Domain, Cause: "sender.unauthenticated",
			What: "Mail of this domain is not signed.", Who: "Users at Gmail, Yahoo and Outlook.com, and everybody behind a forward.",
			VerifyBy: "resetd keys dkim new -selector SELECTOR -domain " + r.Domain + " -out DIR"})
		return
	}
	for i, k := range r.DKIM {
		f := Finding{Subject: k.Name, VerifyBy: "dig +short TXT " + k.Name, Publish: k.Publish, What: "DKIM: " + k.Why + "."}
		switch {
		case k.Use == KeyPending:
			r.judgePending(k, f)
			continue
		case k.Use == KeyUnasked && k.Status == KeyAbsent && slices.ContainsFunc(r.DKIM, func(o DKIMKey) bool { return o.Status == KeyMatch }):
			f.ID, f.Severity = "dkim.pending", Warning
			f.What = "There is no record of this key. Where it was never published the key is pending, not yet in use: the daemon signs with it once it has seen the record. Where it was published before, each signature with it fails now. The daemon knows which: it, or its Redis, was not asked."
			f.Who = "Nobody, while the key is pending."
			r.add(f)
			continue
		}
		switch k.Status {
		case KeyMatch:
			f.ID, f.Severity, f.Publish = "dkim.ok", OK, ""
			f.What = fmt.Sprintf("DKIM: %s holds our key (%s).", k.Name, k.strength())
			if k.Testing {
				f.ID, f.Severity, f.Publish = "dkim.testing", Warning, k.Publish
				f.What = "The key record has the test flag (t=y): receivers may treat our signatures as if there were none."
				f.Who = "Users at hosts that heed the flag."
			} else if weakKey(q.Selectors[i].Public) {
				f.ID, f.Severity = "dkim.weak_key", Warning
				f.What = fmt.Sprintf("The key has %d bits; receivers want 2048 (RFC 8301). Make a new pair, and retire this one once the new one signs.", k.Bits)
				f.Who, f.VerifyBy = "Users at hosts that have raised the limit.", rotateBy(r.Domain)
			}
		case KeyUnknown:
			f.ID, f.Severity, f.Temporary, f.Cause, f.Publish = "dkim.unknown", Warning, true, "network.dns_failing", ""
			f.Who = "Hosts with the same trouble put our mail off or see no signature."
		default:
			f.ID, f.Severity, f.Cause = "dkim."+string(k.Status), Error, "sender.dkim_key_mismatch"
			f.Who = "Users at all hosts that check DKIM: each signature with this selector fails."
			if k.Status == KeyShort {
				f.Publish, f.VerifyBy = "", rotateBy(r.Domain)
			}
		}
		r.add(f)
	}
}

func rotateBy(domain string) string {
	return "resetd keys dkim rotate -config FILE -domain " + domain + " -selector SELECTOR -out DIR"
}

// judgePending speaks about a key that signs nothing yet.
func (r *Report) judgePending(k DKIMKey, f Finding) {
	f.ID, f.Severity = "dkim.pending", Note
	switch k.Status {
	case KeyMatch:
		f.Publish, f.What = "", "The key is pending, and its record is published now: mail is signed with it from now on."
	case KeyUnknown:
		f.Publish, f.Temporary, f.What = "", true, "The key is pending, not yet in use; "+k.Why+"."
	default:
		f.What = "The key is pending, not yet in use: mail is signed with it once its record is seen. Now " + k.Why + "."
	}
	f.Who = "Nobody: mail is signed with the other keys."
	r.add(f)
}

// strength names the kind and the length of our key.
func (k DKIMKey) strength() string {
	if k.Kind == "ed25519" {
		return "Ed25519"
	}
	return fmt.Sprintf("%s, %d bits", strings.ToUpper(k.Kind), k.Bits)
}
