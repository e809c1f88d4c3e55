package diag

import (
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// checkGap is how long after a refusal the next look at DNS still tells of it: domains are looked at every hour, and what began between
// two looks is found by the later one.
const checkGap = 90 * time.Minute

// published lets what DNS said about our domain decide what a host's refusal means. Hosts say "unauthenticated" for a key that is gone,
// an SPF record that cannot be evaluated and a name that is missing alike; the report of a check knows which. Where host and report name
// the same, that is certain; where the report names what the host only hints at, likely. When a later check finds it mended, another
// mail helps.
//
// What receivers report in bulk comes after that.
func (v *view) published(m *ledger.Message, out finding) finding {
	refused := last(out.facts).At
	return v.received(m, refused, v.publishedDNS(m, refused, out))
}

func (v *view) publishedDNS(m *ledger.Message, refused time.Time, out finding) finding {
	domain := v.senderOf(m)
	if domain == "" || refused.IsZero() {
		return out
	}
	if found, ok := v.looped(m, domain, refused, out); ok {
		return found
	}
	if found, ok := v.atSend(m, domain, out); ok {
		return found
	}
	report, ok := v.checkAt(domain, refused)
	if !ok {
		return out
	}
	cause := ""
	switch out.cause {
	case "sender.dkim_key_mismatch", "sender.spf_permerror", "sender.spf_fail", "sender.no_reverse_dns":
		if slices.Contains(report.Check.Causes, out.cause) {
			cause, out.conf = out.cause, Certain
		}
	case "sender.dmarc_rejected", "sender.unauthenticated", "sender.provider_requirements":
		for _, c := range []struct{ cause, why string }{
			{"sender.dkim_key_mismatch", "DNS does not show the key that we sign with"},
			{"sender.spf_permerror", "our SPF record cannot be evaluated"},
			{"sender.spf_fail", "our SPF record leaves out an address that we send from"},
		} {
			if cause == "" && slices.Contains(report.Check.Causes, c.cause) {
				cause, out.conf = c.cause, Likely
				out.says = "{host|Their host} refused our mail[: {text}]. The check of our domain shows why: " + c.why + "."
			}
		}
	}
	if cause == "" {
		return out
	}
	out.cause, out.facts = cause, append([]ledger.Fact{report}, out.facts...)
	now := v.in.Checks[slices.IndexFunc(v.in.Checks, func(f ledger.Fact) bool { return f.ID == report.ID }):]
	for _, f := range slices.Backward(now) {
		if isCheck(f, domain) {
			if !slices.Contains(f.Check.Causes, cause) {
				out.facts = append(out.facts, f)
				return out.helpsNow("DNS was mended since, as the newest check shows; another mail can pass.")
			}
			break
		}
	}
	return out
}

// checkAt is the check of a domain that was in force at a time; where that one found nothing, the first one soon after.
func (v *view) checkAt(domain string, at time.Time) (found ledger.Fact, ok bool) {
	for _, f := range v.in.Checks {
		if !isCheck(f, domain) {
			continue
		}
		if f.At.After(at) && (ok && len(found.Check.Causes) > 0 || f.At.Sub(at) > checkGap) {
			break
		}
		found, ok = f, true
	}
	return found, ok
}

// isCheck tells a check of a domain's DNS. A Checked fact without a hash is an alarm about one mail: it says that something is wrong, not
// until when.
func isCheck(f ledger.Fact, domain string) bool {
	return f.Check != nil && f.Check.Hash != "" && strings.EqualFold(f.Check.Domain, domain)
}

// senderOf is the domain of a mail's From; "" = not known.
func (v *view) senderOf(m *ledger.Message) string {
	for _, f := range v.ofMail(m, ledger.Composed) {
		if f.Composition != nil {
			return strings.Trim(domainOf(f.Composition.From), " >")
		}
	}
	return ""
}
