package diag

import (
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// ofOwner words what a host says of the mailbox's owner (RFC 7293): another one has it now, or it cannot tell. status is its enhanced code.
func (v *view) ofOwner(out finding, status string) finding {
	switch {
	case strings.HasSuffix(status, ledger.CannotTell):
		out.cause, out.conf = "recipient.refused_other", Certain
		out.says = "{host|Their host} cannot tell whether the mailbox still has the same owner, and refuses for that[: {text}]."
		out.helps, out.because = HelpsYes, "The next mail goes without that question. Make sure with the person that the mailbox is theirs."
	case out.cause == "account.stale_address":
		what := "the mailbox {address|of the account}"
		if strings.HasSuffix(status, ".7.18") {
			what = "the domain of {address|the account's mailbox}"
		}
		if !v.gen.Since.IsZero() {
			out.vars["since"] = v.gen.Since.UTC().Format("2 January 2006")
		}
		out.says = "{host|Their host} says that " + what + " has another owner now than when it became the account's[, on {since}][: {text}]."
		out.because = "The mail would reach a stranger. A fresh ask goes to the address that the account has then."
	}
	return out
}

// saysOwner adds to a timeline what was learned of the mailbox's owner; "" = nothing that a refusal does not say itself.
func saysOwner(a *ledger.Attempt) string {
	switch {
	case a.Owner == ledger.NoTell && a.Outcome == ledger.Accepted:
		return ", without being able to tell whether the mailbox still has the same owner"
	case a.Owner == ledger.ByRRVS && a.Outcome == ledger.Accepted:
		return ", for a mailbox that still has the same owner"
	}
	return ""
}
