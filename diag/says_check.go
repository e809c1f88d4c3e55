package diag

import (
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// saysCheck tells what DNS said about a domain of ours, where it was something else than before.
func saysCheck(f ledger.Fact) string {
	c := f.Check
	switch {
	case c == nil:
		return "A check was made" + saysWho(f) + "."
	case c.Loop != nil:
		return saysLoop(c)
	case len(c.Changes) > 0:
		return saysChanges(f)
	case c.Seen != nil:
		return saysSeen(c)
	case c.Hash == "" && len(c.Errors) > 0:
		return strings.Join(c.Errors, " ")
	case c.First && len(c.Errors) > 0:
		return "The first check of " + c.Domain + " found: " + strings.Join(c.Errors, " ")
	case c.First:
		return "The first check of " + c.Domain + " found nothing that its mail is refused for."
	case len(c.Errors) > 0:
		return "What DNS says about " + c.Domain + " changed: " + strings.Join(c.Errors, " ")
	case c.Severity == "error":
		return "What DNS says about " + c.Domain + " changed; mail of the domain is refused now."
	}
	return "What DNS says about " + c.Domain + " changed; mail of the domain is not refused for it."
}
