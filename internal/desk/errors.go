package desk

import (
	"errors"

	"github.com/resetd/resetd/diag"
)

// Bad is a request that cannot be served as it is. Neither field echoes input.
type Bad struct {
	Code   string // stable, for programs: bad_request, bad_login, unknown_realm, …
	Detail string // for people: what was wrong and what to try
}

func (b *Bad) Error() string { return b.Code + ": " + b.Detail }

// Errors of the desk.
var (
	ErrForbidden = errors.New("this role may not do that")
	// ErrRevealOff means that the realm's configuration lets nobody see a link.
	ErrRevealOff = errors.New("revealing links is switched off for this realm")
)

// ResendRefused is a resend that would not help, and what would.
type ResendRefused struct {
	Impossible bool // no mail can help at all; force does not override
	Repeated   bool // a resend would have helped once, and was made already
	Case       diag.Case
}

func (r *ResendRefused) Error() string { return "a resend would not help: " + r.Case.Verdict.Cause }
