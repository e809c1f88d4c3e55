package worker

import (
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

// Each dialogue counts once at most, by how the mail left or what kept it.
func TestSecured(t *testing.T) {
	const tls = "TLS 1.3"
	for _, c := range []struct {
		outcome ledger.Outcome
		tls     string
		sec     *ledger.Security
		want    string
	}{
		{ledger.Accepted, "", nil, "clear"},
		{ledger.Accepted, tls, &ledger.Security{Certificate: ledger.Verified}, "verified"},
		{ledger.Accepted, tls, &ledger.Security{Certificate: ledger.CertExpired}, "unverified"},
		{ledger.Accepted, tls, &ledger.Security{Certificate: ledger.Verified, Policy: ledger.ByRoute}, "verified"},
		{ledger.Accepted, tls, &ledger.Security{Certificate: ledger.Verified, Policy: ledger.MTASTS}, "mta_sts"},
		{ledger.Accepted, tls, &ledger.Security{Certificate: ledger.SelfSigned, Policy: ledger.DANE}, "dane"},
		{ledger.Accepted, tls, &ledger.Security{Certificate: ledger.Verified, Policy: ledger.MTASTSTesting}, "verified"},
		{ledger.Accepted, tls, &ledger.Security{Policy: ledger.MTASTSTesting, Failed: ledger.CertExpired}, "failed_mta_sts_testing"},
		{ledger.Blocked, "", &ledger.Security{Policy: ledger.MTASTS, Failed: ledger.NotInPolicy}, "kept_by_mta_sts"},
		{ledger.NoDNS, "", &ledger.Security{Policy: ledger.DANE, Failed: ledger.TLSAUnknown}, "kept_by_dane"},
		{ledger.Rejected, tls, &ledger.Security{Certificate: ledger.Verified, Policy: ledger.DANE}, ""},
		{ledger.Unreachable, "", nil, ""},
	} {
		if got := secured(&ledger.Attempt{Outcome: c.outcome, TLS: c.tls, Security: c.sec}); got != c.want {
			t.Errorf("%s %q %+v: %q, want %q", c.outcome, c.tls, c.sec, got, c.want)
		}
	}
}
