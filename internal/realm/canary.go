package realm

import (
	"context"
	"strings"
)

// Canary is the realm of loop checks: resets of our own through the whole chain. No configuration can name a realm so.
const Canary = ".canary"

// Lane is a way that mail of a domain takes: what a loop check goes through.
type Lane struct {
	Domain string // of From, lower case
	Route  string
	Realm  Realm // the first that sends so; its mail is what the canary looks like
}

// Name tells the lane: it begins the login of each canary that goes through it.
func (l Lane) Name() string { return l.Domain + " by " + l.Route }

// Lanes are the ways that the mail of the realms takes, each once, in the order of the configuration.
func Lanes(realms []Realm) []Lane {
	var out []Lane
	have := map[string]bool{}
	for _, r := range realms {
		if r.Login != LoginPassword {
			continue
		}
		domain := strings.ToLower(strings.Trim(r.From[strings.LastIndexByte(r.From, '@')+1:], "> \t"))
		for _, route := range r.Routes {
			l := Lane{Domain: domain, Route: route, Realm: r}
			if domain != "" && !have[l.Name()] {
				have[l.Name()] = true
				out = append(out, l)
			}
		}
	}
	return out
}

// CanaryLogin is the login of one canary: each has a ledger and an account of its own, so that none touches another.
func (l Lane) CanaryLogin(nonce string) string { return l.Name() + " #" + nonce }

// LaneOf finds the lane of a canary's login; false where it is configured no more.
func LaneOf(lanes []Lane, login string) (Lane, bool) {
	name, _, _ := strings.Cut(login, " #")
	for _, l := range lanes {
		if l.Name() == name {
			return l, true
		}
	}
	return Lane{}, false
}

// ForCanary is the realm as a worker sees it for one canary: its mail goes by the lane to one address, that of our own receiver.
func (l Lane) ForCanary(address string) Realm {
	r := l.Realm
	r.Name, r.Routes, r.Directory, r.RequiredRole = Canary, []string{l.Route}, canaries(address), ""
	return r
}

// canaries is the directory of one canary: every login is its own account, at the one address.
type canaries string

func (c canaries) Lookup(_ context.Context, realm, login string) (Found, error) {
	return Found{Accounts: []Account{{ID: login, Realm: realm, Login: login, Address: string(c), State: Active, LoginMethod: LoginPassword}}}, nil
}
