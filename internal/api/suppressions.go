package api

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

type addressBody struct {
	Address string `json:"address"`
}

type releaseBody struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

// LookupAnswer says whether one address is written to.
type LookupAnswer struct {
	Suppressed  bool               `json:"suppressed"`
	Suppression *store.Suppression `json:"suppression"` // nil = it is written to
}

func suppressionRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/suppressions", desk.DoSuppressions, func(c *call) (int, any, error) {
			items, next, err := c.Desk.Suppressions(c.ctx, c.actor, c.r.URL.Query().Get("cursor"))
			return http.StatusOK, listOf(items, next), err
		}),
		post("POST /v1/suppressions/lookup", desk.DoSuppression, never, func(c *call, in addressBody) (int, any, error) {
			sup, err := c.Desk.Suppression(c.ctx, c.actor, in.Address)
			return http.StatusOK, LookupAnswer{sup != nil, sup}, err
		}),
		post("POST /v1/suppressions/release", desk.DoRelease, once, func(c *call, in releaseBody) (int, any, error) {
			err := c.Desk.ReleaseSuppression(c.ctx, c.actor, in.Address, in.Reason)
			return http.StatusOK, map[string]bool{"released": true}, err
		}),
	}
}
