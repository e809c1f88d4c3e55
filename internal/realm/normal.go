package realm

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Normal is the form in which logins are compared: NFC, case folded, trimmed. Dots and plus tags are kept, since they tell mailboxes
// apart at most hosts; look-alikes are the business of the directory and of diag.
func Normal(login string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(strings.TrimSpace(login))))
}
