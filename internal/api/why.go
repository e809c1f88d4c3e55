package api

import (
	"net/http"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// WhyBody asks about a login, or about one reset.
type WhyBody struct {
	Login string `json:"login,omitempty"`
	Reset string `json:"reset,omitempty"`
	Realm string `json:"realm,omitempty"`
	Page  string `json:"page,omitempty"`
}

type reportBody struct {
	Realm  string    `json:"realm"`
	Login  string    `json:"login"`
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Detail string    `json:"detail"`
}

// Cases is the answer to why.
type Cases struct {
	Cases []diag.Case `json:"cases"`
}

func whyRoutes() []endpoint {
	return []endpoint{
		post("POST /v1/why", desk.DoWhy, never, func(c *call, in WhyBody) (int, any, error) {
			q := desk.Question{Login: in.Login, Realm: in.Realm, Page: in.Page}
			if in.Reset != "" {
				if in.Login != "" {
					return 0, nil, badBody("`login` and `reset` exclude each other: ask about a person, or about one reset.")
				}
				id, err := ledger.ParseResetID(in.Reset)
				if err != nil {
					return 0, nil, err
				}
				q.Reset = id
			}
			cases, err := c.Desk.Why(c.ctx, c.actor, q)
			if cases == nil {
				cases = []diag.Case{}
			}
			return http.StatusOK, Cases{cases}, err
		}),
		post("POST /v1/reports", desk.DoReport, once, func(c *call, in reportBody) (int, any, error) {
			err := c.Desk.Report(c.ctx, c.actor, c.seed, desk.Reported{Realm: in.Realm, Login: in.Login, Kind: in.Kind, At: in.At, Detail: in.Detail})
			return http.StatusAccepted, recorded{true}, err
		}),
	}
}
