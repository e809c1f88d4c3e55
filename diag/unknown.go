package diag

import (
	"github.com/resetd/resetd/internal/ledger"
)

// beyondRetention: what is asked about is older than what we still know. A report tells when it was seen; a reset whose ask is gone tells
// that retention has begun to take it.
func beyondRetention(v *view) []finding {
	begin := v.recordsBegin()
	if v.told == nil {
		if begin.IsZero() {
			return nil
		}
		for _, f := range v.facts {
			if f.Event == ledger.Reported && f.Report != nil && !f.Report.At.IsZero() && f.Report.At.Before(begin) {
				return one(finding{cause: "unknown.beyond_retention", conf: Likely, rank: page, facts: []ledger.Fact{f}})
			}
		}
		return nil
	}
	if v.told.Asked.ID == "" && v.refusal == nil && (v.mail == nil || len(v.mail.Attempts) == 0 && v.mail.Failure == nil) {
		return one(finding{cause: "unknown.beyond_retention", conf: Likely, rank: mail, facts: v.told.Facts})
	}
	return nil
}
