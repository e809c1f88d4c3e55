package desk

import (
	"net/url"
	"strings"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// pageOf says whose page a person names.
func (d *Desk) pageOf(a Actor, page string) *diag.Page {
	if page == "" {
		return nil
	}
	owner, ok := realm.Owner(d.Realms, page)
	if !ok {
		page, owner, ok = d.spoken(page)
	}
	if !ok || !a.mayIn(owner) {
		owner = ""
	}
	return &diag.Page{URL: withoutUser(page), Realm: owner}
}

// spoken reads a page as people say it on the phone, without its scheme.
func (d *Desk) spoken(page string) (whole, owner string, ok bool) {
	host, _, _ := strings.Cut(strings.TrimLeft(page, "/"), "/")
	if strings.Contains(page, "://") || !strings.Contains(host, ".") {
		return page, "", false
	}
	for _, scheme := range []string{"http://", "https://"} {
		whole = scheme + strings.TrimLeft(page, "/")
		if owner, ok = realm.Owner(d.Realms, whole); ok {
			break
		}
	}
	return whole, owner, ok
}

// withoutUser takes user name and password out of a URL: what is shown goes to whoever asks.
func withoutUser(page string) string {
	if u, err := url.Parse(page); err == nil && u.User != nil {
		u.User = nil
		return u.String()
	}
	return page
}

// askPages says whose page each ask named.
func (d *Desk) askPages(t ledger.Timeline) map[ledger.ResetID]string {
	out := map[ledger.ResetID]string{}
	owners := map[string]string{} // people ask on the same few pages
	for _, r := range t.Resets {
		if r.Asked.Ask == nil || r.Asked.Ask.Page == "" {
			continue
		}
		owner, known := owners[r.Asked.Ask.Page]
		if !known {
			owner, _ = realm.Owner(d.Realms, r.Asked.Ask.Page)
			owners[r.Asked.Ask.Page] = owner
		}
		out[r.ID] = owner
	}
	return out
}
