package worker

import "github.com/resetd/resetd/internal/ledger"

// secured says how a mail left, or which policy kept it, for the count; "" = neither. The set is closed.
func secured(a *ledger.Attempt) string {
	s := a.Security
	if s == nil {
		s = &ledger.Security{}
	}
	switch {
	case s.Failed != "" && (s.Policy == ledger.MTASTS || s.Policy == ledger.DANE):
		return "kept_by_" + string(s.Policy)
	case a.Outcome != ledger.Accepted:
		return ""
	case s.Failed != "":
		return "failed_" + string(s.Policy) // testing: it went out all the same
	case a.TLS == "":
		return "clear"
	case s.Policy == ledger.DANE, s.Policy == ledger.MTASTS:
		return string(s.Policy)
	case s.Certificate == ledger.Verified:
		return "verified"
	}
	return "unverified"
}
