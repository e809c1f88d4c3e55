package api

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// AskBody starts a reset. No field names a destination.
type AskBody struct {
	Realm     string `json:"realm"`
	Login     string `json:"login"`
	Page      string `json:"page,omitempty"`
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Locale    string `json:"locale,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// ResendBody asks for another mail.
type ResendBody struct {
	Reason string `json:"reason"`
	Route  string `json:"route,omitempty"`
	Force  bool   `json:"force,omitempty"`
}

type reasonBody struct {
	Reason string `json:"reason"`
}

type outcomeBody struct {
	Result string `json:"result"`
	Detail string `json:"detail"`
}

type recorded struct {
	Recorded bool `json:"recorded"`
}

func resetRoutes() []endpoint {
	return []endpoint{
		post("POST /v1/resets", desk.DoRequest, once, func(c *call, in AskBody) (int, any, error) {
			id, err := c.Desk.Request(c.ctx, c.actor, c.seed, desk.Ask{
				Realm: in.Realm, Login: in.Login, Page: in.Page, IP: in.IP, UserAgent: in.UserAgent, Locale: in.Locale, Reason: in.Reason,
			})
			return http.StatusAccepted, map[string]ledger.ResetID{"reset": id}, err
		}),
		get("GET /v1/resets/{id}", desk.DoRead, func(c *call) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			v, err := c.Desk.Reset(c.ctx, c.actor, id)
			return http.StatusOK, v, err
		}),
		post("POST /v1/resets/{id}/resend", desk.DoResend, once, func(c *call, in ResendBody) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			m, err := c.Desk.Resend(c.ctx, c.actor, c.seed, id, desk.Again{Reason: in.Reason, Route: in.Route, Force: in.Force})
			return http.StatusAccepted, map[string]ledger.MessageID{"message": m}, err
		}),
		post("POST /v1/resets/{id}/cancel", desk.DoCancel, once, func(c *call, in reasonBody) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			state, err := c.Desk.Cancel(c.ctx, c.actor, id, in.Reason)
			return http.StatusOK, map[string]ledger.State{"state": state}, err
		}),
		post("POST /v1/resets/{id}/reveal", desk.DoReveal, never, func(c *call, in reasonBody) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			return http.StatusOK, nil, c.Desk.Reveal(c.ctx, c.actor, id, in.Reason)
		}),
		post("POST /v1/resets/{id}/outcome", desk.DoOutcome, once, func(c *call, in outcomeBody) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			return http.StatusOK, recorded{true}, c.Desk.Outcome(c.ctx, c.actor, c.seed, id, in.Result, in.Detail)
		}),
	}
}
