package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// CheckBody is what a check of a domain is asked for; no body at all is the zero value.
type CheckBody struct {
	Loop  bool   `json:"loop,omitempty"`  // send a canary through the whole chain too
	Route string `json:"route,omitempty"` // of the canary; "" = each that the domain's mail takes
}

// CheckAnswer is a report, and the canaries that were begun with it.
type CheckAnswer struct {
	dnscheck.Report
	Loops []diag.LoopRun `json:"loops,omitempty"`
}

func domainRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/domains", desk.DoDomains, func(c *call) (int, any, error) {
			items, err := c.Desk.Domains(c.ctx, c.actor)
			return http.StatusOK, listOf(items, ""), err
		}),
		postMaybe("POST /v1/domains/{domain}/check", desk.DoDomains, func(c *call, in CheckBody) (int, any, error) {
			var out CheckAnswer
			var err error
			domain := c.r.PathValue("domain")
			if in.Route != "" && !in.Loop {
				return 0, nil, badBody("`route` is that of a loop check, and `loop` is not true.")
			}
			if in.Loop {
				if out.Loops, err = c.Desk.CheckLoop(c.ctx, c.actor, domain, in.Route); err != nil {
					return 0, nil, err
				}
			}
			out.Report, err = c.Desk.CheckDomain(c.ctx, c.actor, domain)
			return http.StatusOK, out, err
		}),
		get("GET /v1/loops/{id}", desk.DoDomains, func(c *call) (int, any, error) {
			id, err := c.reset()
			if err != nil {
				return 0, nil, err
			}
			run, err := c.Desk.Loop(c.ctx, c.actor, id)
			return http.StatusOK, run, err
		}),
		get("GET /v1/domains/{domain}/reports", desk.DoDomains, func(c *call) (int, any, error) {
			days := 0
			if text := c.r.URL.Query().Get("days"); text != "" {
				var err error
				if days, err = strconv.Atoi(text); err != nil || days == 0 {
					days = -1 // the desk says what it may be
				}
			}
			v, err := c.Desk.Seen(c.ctx, c.actor, c.r.PathValue("domain"), days)
			return http.StatusOK, v, err
		}),
	}
}

// Domains lists the daemon's domains with their newest reports.
func (c *Client) Domains(ctx context.Context) ([]desk.DomainView, error) {
	var out list[desk.DomainView]
	err := c.do(ctx, http.MethodGet, "/v1/domains", nil, &out)
	return out.Items, err
}

// CheckDomain asks DNS about a domain now.
func (c *Client) CheckDomain(ctx context.Context, domain string) (dnscheck.Report, error) {
	var out dnscheck.Report
	err := c.do(ctx, http.MethodPost, "/v1/domains/"+url.PathEscape(domain)+"/check", nil, &out)
	return out, err
}

// CheckLoop asks DNS about a domain of the daemon's, and begins loop checks of it; route "" = by each of its routes.
func (c *Client) CheckLoop(ctx context.Context, domain, route string) (CheckAnswer, error) {
	var out CheckAnswer
	err := c.do(ctx, http.MethodPost, "/v1/domains/"+url.PathEscape(domain)+"/check", CheckBody{Loop: true, Route: route}, &out)
	return out, err
}

// Loop says how far a loop check has come.
func (c *Client) Loop(ctx context.Context, id ledger.ResetID) (diag.LoopRun, error) {
	var out diag.LoopRun
	err := c.do(ctx, http.MethodGet, "/v1/loops/"+url.PathEscape(string(id)), nil, &out)
	return out, err
}

// Reports gives what receivers reported about a domain of ours in the last days; 0 = 30.
func (c *Client) Reports(ctx context.Context, domain string, days int) (desk.SeenView, error) {
	path := "/v1/domains/" + url.PathEscape(domain) + "/reports"
	if days != 0 {
		path += "?days=" + strconv.Itoa(days)
	}
	var out desk.SeenView
	err := c.do(ctx, http.MethodGet, path, nil, &out)
	return out, err
}
