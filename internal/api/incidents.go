package api

import (
	"net/http"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
)

// PacketAnswer is an evidence packet.
type PacketAnswer struct {
	Text string `json:"text"`
}

func incidentRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/incidents", desk.DoIncidents, func(c *call) (int, any, error) {
			items, err := c.Desk.Incidents(c.ctx, c.actor)
			return http.StatusOK, listOf[diag.Trouble](items, ""), err
		}),
		get("GET /v1/incidents/{id}", desk.DoIncidents, func(c *call) (int, any, error) {
			out, err := c.Desk.Incident(c.ctx, c.actor, c.r.PathValue("id"))
			return http.StatusOK, out, err
		}),
		post("POST /v1/incidents/{id}/resend", desk.DoBulkResend, once, func(c *call, in ResendBody) (int, any, error) {
			out, err := c.Desk.ResendAll(c.ctx, c.actor, c.seed, c.r.PathValue("id"), desk.Again{Reason: in.Reason, Route: in.Route, Force: in.Force})
			return http.StatusAccepted, out, err
		}),
		get("POST /v1/resets/{id}/packet", desk.DoPacket, func(c *call) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			text, err := c.Desk.Packet(c.ctx, c.actor, id)
			return http.StatusOK, PacketAnswer{text}, err
		}),
	}
}
