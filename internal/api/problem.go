package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// Problem is an error as RFC 9457 writes it. Programs look at Code, people at Detail; neither echoes what was sent.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`

	// Of a resend that was refused: why it would not help, and what would.
	Cause    string        `json:"cause,omitempty"`
	Resend   *diag.Resend  `json:"resend,omitempty"`
	Remedies []diag.Action `json:"remedies,omitempty"`

	RetryAfter int `json:"-"` // seconds; 0 = no header
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// tokenCodes are the reasons why a token is dead, in the words of people.
func deadToken(err error) *Problem {
	for _, d := range []struct {
		err    error
		detail string
	}{
		{token.ErrMalformed, "The token was cut or altered on its way. Let the user copy the whole link from the mail."},
		{token.ErrOtherRealm, "The token is good, but for another realm."},
		{token.ErrUnknown, "The token is one of ours, and there is no record of its reset any more. Let the user ask again."},
		{token.ErrUsed, "The token was used. If it was not the user, treat it as a security case."},
		{token.ErrReplaced, "The token was replaced: the password was changed since, or a newer mail carries another link."},
		{token.ErrExpired, "The token has expired. Let the user ask again."},
	} {
		if errors.Is(err, d.err) {
			return &Problem{Status: http.StatusGone, Code: d.err.Error(), Detail: d.detail}
		}
	}
	return nil
}

// problemOf is the one switch from errors to answers.
func problemOf(err error) *Problem {
	var (
		already *Problem
		body    badBody
		bad     *desk.Bad
		refused *desk.ResendRefused
		down    *store.Unavailable
		hasty   *desk.Hasty
	)
	switch {
	case errors.As(err, &already):
		return already
	case errors.As(err, &body):
		return &Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: string(body)}
	case errors.Is(err, errTooLarge):
		return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: "The body is longer than 64 KiB, or 2 MiB where a mail is sent to be explained."}
	case errors.As(err, &bad):
		status := http.StatusBadRequest
		if bad.Code == "not_cancellable" || bad.Code == "not_paused" || bad.Code == "incident_open" || bad.Code == "no_packet" {
			status = http.StatusConflict
		}
		return &Problem{Status: status, Code: bad.Code, Detail: bad.Detail}
	case errors.As(err, &refused):
		return refusedResend(refused)
	case errors.As(err, &hasty):
		return &Problem{Status: http.StatusTooManyRequests, Code: "too_many", RetryAfter: max(1, int(time.Until(hasty.Next)/time.Second)), Detail: "This API key asks too often: other people's servers have to answer. Wait as long as Retry-After says."}
	case errors.Is(err, desk.ErrNoOutside):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "This process asks neither DNS nor mail hosts."}
	case errors.Is(err, desk.ErrForbidden):
		return &Problem{Status: http.StatusForbidden, Code: "forbidden", Detail: "The role of this API key may not do that. /openapi.yaml says which roles may."}
	case errors.Is(err, desk.ErrRevealOff):
		return &Problem{Status: http.StatusForbidden, Code: "reveal_off", Detail: "Revealing links is switched off for this realm (`reveal` in its [[realm]] table). Resend the mail, or reach the user another way."}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ledger.ErrBadID):
		return &Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is no such record: it never was, the retention took it, or this API key may not see its realm."}
	case desk.Dead(err):
		return deadToken(err)
	case errors.As(err, &down), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: 5, Detail: "The store did not confirm this. Nothing is promised; send it again, with the same Idempotency-Key if you used one."}
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "Something went wrong on our side. The log has it under the X-Request-Id of this answer."}
}

func refusedResend(r *desk.ResendRefused) *Problem {
	v := r.Case.Verdict
	p := &Problem{Status: http.StatusConflict, Code: "resend_futile", Cause: v.Cause, Resend: &v.Resend, Remedies: v.Actions,
		Detail: "Another mail would not help: " + v.Says + " `force` sends it all the same."}
	switch {
	case r.Impossible:
		p.Code, p.Detail = "resend_impossible", "No mail can help here, forced or not: "+v.Says
	case r.Repeated:
		p.Detail = "It was sent again once already, and nothing is known of either mail: " + v.Says + " `force` sends a third."
	}
	if p.Remedies == nil {
		p.Remedies = []diag.Action{}
	}
	return p
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, p *Problem) {
	full := *p
	full.Type, full.Title = "urn:resetd:problem:"+p.Code, http.StatusText(p.Status)
	b, err := json.Marshal(&full)
	if err != nil {
		b = []byte(`{"type":"urn:resetd:problem:internal","title":"Internal Server Error","status":500,"detail":"The answer could not be written.","code":"internal"}`)
		full.Status = http.StatusInternalServerError
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	w.WriteHeader(full.Status)
	w.Write(append(b, '\n'))
}
