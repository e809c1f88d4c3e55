package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/desk"
)

func domainRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/domains", desk.DoDomains, func(c *call) (int, any, error) {
			items, err := c.Desk.Domains(c.ctx, c.actor)
			return http.StatusOK, listOf(items, ""), err
		}),
		get("POST /v1/domains/{domain}/check", desk.DoDomains, func(c *call) (int, any, error) {
			r, err := c.Desk.CheckDomain(c.ctx, c.actor, c.r.PathValue("domain"))
			return http.StatusOK, r, err
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
