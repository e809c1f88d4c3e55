package diag

// Help is what the desk must know before it sends another mail.
type Help struct {
	Helps      Helps
	Impossible bool // no mail can help at all: not even force overrides
}

// CanHelp says whether another mail can help in this case. A case whose obstacle is gone (an account that was suspended when it was
// asked for and is active now) says `helps`, whatever its cause is called.
func CanHelp(c Case) Help {
	h := c.Verdict.Resend.Helps
	open := h == HelpsYes || h == HelpsOnce
	return Help{Helps: h, Impossible: Impossible(c.Verdict.Cause) && !open}
}

// Impossible tells the causes under which there is nobody to write to, or no password that a mail could reset.
func Impossible(cause string) bool {
	switch cause {
	case "request.unknown_address", "account.no_address", "account.sso", "account.directory_managed", "account.suspended", "account.deleted":
		return true
	}
	return false
}
