package realm

// The kinds of Unavailable. All of them mean "ask again later"; they differ in who repairs what.
const (
	KindSilent     = "silent"     // no answer in time, or no connection
	KindRefused    = "refused"    // the connection was refused, by the host or by our own rule against private addresses
	KindStatus     = "status"     // an HTTP status other than 200, redirects included
	KindNonsense   = "nonsense"   // an answer, but not one that can be believed
	KindTooBig     = "too_big"    // more than the cap; the rest was not read
	KindUnreadable = "unreadable" // a file that could not be read
)

func unavailable(kind, detail string, err error) *Unavailable {
	return &Unavailable{Kind: kind, Detail: detail, Err: err}
}
