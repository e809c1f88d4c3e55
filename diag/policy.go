package diag

import (
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// keptByPolicy says whether a TLS policy of the recipient's side ended a dialogue, or kept one from beginning. What our own route demands is
// another matter, and a policy in testing keeps nothing.
func keptByPolicy(a *ledger.Attempt) bool {
	s := a.Security
	return s != nil && s.Failed != "" && (s.Policy == ledger.MTASTS || s.Policy == ledger.DANE) && a.Outcome != ledger.Accepted && a.Outcome != ledger.Ambiguous
}

// byPolicy tells which policy, which host, what did not fit, and since when. The mail is offered again while its link lives (RFC 8461 section
// 5.1, RFC 7672 section 2.1): nothing of it is the recipient's fault.
func (v *view) byPolicy(m *ledger.Message, out finding, a *ledger.Attempt) finding {
	s := a.Security
	out.cause, out.conf = "tls.policy_failed", Certain
	if s.Failed == ledger.TLSAUnknown || s.Failed == ledger.ValidationFault {
		out.conf = Likely // a resolver or a connection may have failed for a moment
	}
	out.vars["policy"], out.vars["what"], out.vars["t"] = policyName(s.Policy), quote(s.Problem), v.at(firstKept(m, s.Policy))
	out.says = "{policy} of {domain|the recipient's domain} keeps the mail from {host|its mail host}[: {what}][ (since {t})]."
	if !m.NextAt.IsZero() {
		out.because = "The next one meets the same policy. This one goes out by itself once policy and host fit[; next try at {next}]."
	}
	return out
}

// firstKept is when a policy first kept a mail from a host.
func firstKept(m *ledger.Message, p ledger.Policy) time.Time {
	for _, f := range m.Attempts {
		if f.Attempt != nil && keptByPolicy(f.Attempt) && f.Attempt.Security.Policy == p {
			return f.At
		}
	}
	return time.Time{}
}

// policyName names a policy in the middle of a sentence.
func policyName(p ledger.Policy) string {
	switch p {
	case ledger.MTASTS:
		return "The MTA-STS policy"
	case ledger.MTASTSTesting:
		return "The MTA-STS policy (testing)"
	case ledger.DANE:
		return "The DANE policy"
	case ledger.ByRoute:
		return "Our own route"
	}
	return ""
}

// saysPolicy adds to a timeline what a policy had to do with a dialogue; "" = nothing.
func saysPolicy(a *ledger.Attempt) string {
	s := a.Security
	switch {
	case s == nil || s.Policy == "" || s.Policy == ledger.ByRoute:
		return ""
	case s.Failed != "" && s.Policy == ledger.MTASTSTesting:
		return "; MTA-STS is in testing, and would have kept the mail back: " + quote(s.Problem)
	case s.Failed != "":
		return ""
	case a.TLS == "":
		return ""
	case s.Policy == ledger.DANE:
		return ", over " + a.TLS + " as DANE demands"
	}
	return ", over " + a.TLS + " with a verified certificate, as MTA-STS demands"
}

// packetSecurity tells the recipient's IT what was wrong with TLS, whether or not it kept the mail; "" = nothing.
func packetSecurity(a *ledger.Attempt) string {
	s := a.Security
	switch {
	case s == nil || s.Problem == "":
		return ""
	case s.Failed != "" && s.Policy != "" && s.Policy != ledger.ByRoute:
		kind := "DANE records"
		if s.Policy != ledger.DANE {
			kind = "MTA-STS policy" + led(" with id ", quote(s.PolicyID))
		}
		return "it does not fit your " + kind + ": " + quote(s.Problem)
	}
	return "TLS: " + quote(s.Problem)
}
