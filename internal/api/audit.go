package api

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
)

func auditRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/audit", desk.DoAudit, func(c *call) (int, any, error) {
			items, next, err := c.Desk.Audit(c.ctx, c.actor, c.r.URL.Query().Get("cursor"))
			return http.StatusOK, listOf(items, next), err
		}),
		get("GET /v1/audit/verify", desk.DoAudit, func(c *call) (int, any, error) {
			v, err := c.Desk.VerifyAudit(c.ctx, c.actor)
			return http.StatusOK, v, err
		}),
	}
}
