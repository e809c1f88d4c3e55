package api

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
)

// laterRoutes are the calls of the contract that this version does not serve. Their roles hold already, so that nobody learns more
// from a 501 than from the call itself.
func laterRoutes() []endpoint {
	notBuilt := func(what string) error {
		return &Problem{Status: http.StatusNotImplemented, Code: "not_built", Detail: what + " is described in the contract and not built in this version."}
	}
	later := func(pattern string, action desk.Action, what string) endpoint {
		return get(pattern, action, func(*call) (int, any, error) { return 0, nil, notBuilt(what) })
	}
	return []endpoint{
		later("GET /v1/domains", desk.DoDomains, "The list of domain reports"),
		later("POST /v1/domains/{domain}/check", desk.DoDomains, "Checking a domain"),
		later("POST /v1/probes", desk.DoProbe, "Probing an address"),
	}
}
