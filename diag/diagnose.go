package diag

// Diagnose says why the mail did not arrive. It never panics, whatever the facts, and always gives a cause of the catalogue.
func Diagnose(in Input) Case {
	c := Case{Login: in.Login, Verdict: Verdict{Cause: "request.none", Blame: "nobody", Confidence: Possible, Resend: Resend{Helps: HelpsYes}}}
	if in.Realm != nil {
		c.Realm = in.Realm.Name
	}
	if r := in.Timeline.Newest(); r != nil {
		c.Reset, c.Verdict.Cause, c.Verdict.Resend.Helps = r.ID, "accepted.no_further_trace", HelpsOnce
	}
	return c
}
