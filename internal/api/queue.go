package api

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
)

type holdBody struct {
	Reason string `json:"reason"`
	Route  string `json:"route,omitempty"`
}

func queueRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/queue", desk.DoQueue, func(c *call) (int, any, error) {
			v, err := c.Desk.Queue(c.ctx, c.actor)
			return http.StatusOK, v, err
		}),
		post("POST /v1/queue/pause", desk.DoPause, once, func(c *call, in holdBody) (int, any, error) {
			return http.StatusOK, map[string]bool{"paused": true}, c.Desk.Pause(c.ctx, c.actor, in.Route, in.Reason)
		}),
		post("POST /v1/queue/resume", desk.DoResume, once, func(c *call, in holdBody) (int, any, error) {
			return http.StatusOK, map[string]bool{"paused": false}, c.Desk.Resume(c.ctx, c.actor, in.Route, in.Reason)
		}),
	}
}
