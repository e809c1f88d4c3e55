package config

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/realm"
)

var realmName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// maxShown is how many bad lines of an accounts file are named; whoever has more wrote another format.
const maxShown = 20

func (k *checker) realms() {
	if len(k.c.RealmTables) == 0 {
		k.bad("realm", "there is no [[realm]]: no password to reset", "`resetd config example` shows one")
	}
	seen := map[string]bool{}
	owners := map[realm.Page]string{}
	directories := map[string]*realm.File{} // by path: realms that share a file read it once
	for i := range k.c.RealmTables {
		r := &k.c.RealmTables[i]
		path := at("realm", i)
		switch {
		case r.Name == "":
			k.bad(path+".name", "every [[realm]] needs a name", `name = "community"`)
		case !realmName.MatchString(r.Name):
			k.bad(path+".name", "a realm's name is lower-case letters, digits, - and _, at most 63", `name = "community"`)
		case seen[r.Name]:
			k.bad(path+".name", "two [[realm]] tables have this name", "")
		}
		seen[r.Name] = true
		k.oneOf(path+".login", r.Login, "password", "sso", "directory")
		k.pages(path, r, owners)
		k.provider(path, r)
		k.resetting(path, r)
		if ttl := r.TokenTTL.Std(); ttl < 5*time.Minute || ttl > 24*time.Hour {
			k.bad(path+".token_ttl", "token_ttl is not between 5m and 24h", `token_ttl = "60m"`)
		}
		k.folder(path+".templates", "the templates folder", &r.Templates)
		k.oneOf(path+".resets", r.Resets, "on", "off")
		switch r.Reveal {
		case "off":
		case "two_people", "on":
			k.bad(path+".reveal", "revealing links is not built yet, and a setting without effect would be a trap", `reveal = "off"`)
		default:
			k.oneOf(path+".reveal", r.Reveal, "off", "two_people", "on")
		}
		k.c.realms = append(k.c.realms, realm.Realm{
			Name: r.Name, Login: realm.Login(r.Login), Pages: r.Pages, Provider: realm.Provider{Name: r.Provider.Name, URL: r.Provider.URL},
			ResetURL: r.ResetURL, From: r.From, Routes: r.Routes, TokenTTL: r.TokenTTL.Std(), RequiredRole: r.RequiredRole, ResetsOff: r.Resets == "off",
			Templates: r.Templates, Reveal: r.Reveal, Directory: k.directory(path+".directory", r, directories),
		})
	}
}

func (k *checker) pages(path string, r *Realm, owners map[realm.Page]string) {
	for j, raw := range r.Pages {
		where := at(path+".pages", j)
		p, ok := realm.ParsePage(raw)
		if !ok {
			k.bad(where, "the page is not an absolute http or https URL", `pages = ["https://community.example.org/"]`)
			continue
		}
		if owner, taken := owners[p]; taken && owner != r.Name {
			k.bad(where, "the page belongs to realm "+owner+" already: whose page it is could not be said", "a page with a longer path may be another realm's")
		}
		owners[p] = r.Name
		if strings.ContainsAny(raw, "?#") {
			k.warn(where, "the page has a query or fragment, which is not compared", "end it before the ? or #")
		}
	}
}

func (k *checker) provider(path string, r *Realm) {
	if u := r.Provider.URL; u != "" {
		if p, err := url.Parse(u); err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "" {
			k.bad(path+".provider.url", "url is not an absolute http or https URL", "")
		}
	}
	if r.Login != "password" && r.Provider.Name == "" {
		k.warn(path+".provider", "the realm has no provider name: people will not be told where their password is", `provider = { name = "Company login", url = "https://…" }`)
	}
}

// resetting checks what a realm needs whose passwords we reset. An SSO or directory realm may leave it out: its accounts may still be given for a
// single one with a password of its own.
func (k *checker) resetting(path string, r *Realm) {
	needs := r.Login == "password"
	if r.ResetURL != "" {
		if !strings.Contains(r.ResetURL, "{token}") {
			k.bad(path+".reset_url", "reset_url has no {token}: the app would not learn which reset it is", `reset_url = "https://community.example.org/reset?token={token}"`)
		} else if u, ok := k.ownURL(path+".reset_url", strings.ReplaceAll(r.ResetURL, "{token}", "TOKEN")); ok && strings.Contains(u.Host, "TOKEN") {
			k.bad(path+".reset_url", "reset_url has {token} in its host name, and DNS would see it", "put it in the query or the path")
		}
	} else if needs {
		k.bad(path+".reset_url", "a realm with passwords needs reset_url", `reset_url = "https://community.example.org/reset?token={token}"`)
	}
	if r.From != "" {
		k.from(path+".from", r.From)
	} else if needs {
		k.bad(path+".from", "a realm with passwords needs from", `from = "Community <no-reply@example.org>"`)
	}
	if len(r.Routes) == 0 && needs {
		k.bad(path+".routes", "a realm with passwords needs at least one route", `routes = ["relay"]`)
	}
	for j, name := range r.Routes {
		k.knownRoute(at(path+".routes", j), name)
	}
}

func (k *checker) from(path, from string) {
	a, err := mail.ParseAddress(from)
	if err != nil {
		k.bad(path, "from is not an address as in a mail's From", `from = "Community <no-reply@example.org>"`)
		return
	}
	domain := a.Address[strings.LastIndexByte(a.Address, '@')+1:]
	switch {
	case !isHost(domain, false):
		k.bad(path, "from has a domain that is none", "write an internationalised one in its xn-- form")
		return
	case strings.EqualFold(domain, k.c.SMTP.BounceDomain):
		k.warn(path, "from and bounce_domain are the same domain: its MX would have to lead to people and to the bounce receiver", `bounce_domain = "bounces.`+strings.ToLower(domain)+`"`)
	}
	if len(k.c.DKIM(domain)) == 0 {
		k.warn(path, "no [[domain]] with a DKIM key covers from's domain: mail goes out unsigned", "`resetd keys dkim new -selector S -domain "+strings.ToLower(domain)+" -out DIR`")
	}
}

func (k *checker) directory(path string, r *Realm, files map[string]*realm.File) realm.Directory {
	d := &r.Directory
	if !k.oneOf(path+".kind", d.Kind, "none", "file", "http") {
		return realm.None{}
	}
	k.secret(&d.Bearer, &d.BearerFile, path+".bearer")
	for _, extra := range []struct{ key, value, kind string }{{"path", d.Path, "file"}, {"url", d.URL, "http"}, {"ca_file", d.CAFile, "http"}, {"bearer", string(d.Bearer), "http"}} {
		if extra.value != "" && d.Kind != extra.kind {
			k.bad(path+"."+extra.key, extra.key+` is for kind = "`+extra.kind+`"`, "")
		}
	}
	switch d.Kind {
	case "file":
		return k.fileDirectory(path, d, files)
	case "http":
		return k.httpDirectory(path, d)
	}
	if r.Login == "password" && !k.has(path+".kind") {
		k.warn(path, "the realm has no directory: the app vouches for every login it sends, and mail goes to whatever it names", `[realm.directory], with kind = "none" if this is meant`)
	}
	return realm.None{}
}

func (k *checker) fileDirectory(path string, d *Directory, files map[string]*realm.File) realm.Directory {
	if d.Path == "" {
		k.bad(path+".path", `kind = "file" needs path`, `path = "accounts.json"`)
		return realm.None{}
	}
	d.Path = k.abs(d.Path)
	if f := files[d.Path]; f != nil {
		return f
	}
	f := realm.NewFile(d.Path)
	files[d.Path] = f
	if _, err := os.Stat(d.Path); err != nil {
		k.bad(path+".path", "the accounts file cannot be read: "+reason(err), "relative paths count from the folder of the configuration")
		return f
	}
	err := f.Check()
	var u *realm.Unavailable
	if errors.As(err, &u) {
		k.bad(path+".path", u.Detail, "")
		return f
	}
	// Bad lines are warnings: the accounts in good ones work, and refusing to start would stop those too.
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for i, one := range list.Unwrap() {
			var le *realm.LineError
			if i < maxShown && errors.As(one, &le) {
				k.warnings = append(k.warnings, Problem{File: d.Path, Line: le.Line, What: le.What, Try: "one JSON object a line, with at least: id, realm, login, address, state"})
			}
		}
	}
	return f
}

func (k *checker) httpDirectory(path string, d *Directory) realm.Directory {
	u, err := url.Parse(d.URL)
	switch {
	case d.URL == "":
		k.bad(path+".url", `kind = "http" needs url`, `url = "https://directory.example.org/resetd"`)
		return realm.None{}
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		k.bad(path+".url", "url is not an absolute http or https URL", `url = "https://directory.example.org/resetd"`)
		return realm.None{}
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		k.warn(path+".url", "the directory is asked over plain http: logins and addresses can be read and changed on the way", "https")
	}
	allow := k.c.SMTP.AllowPrivateAddresses
	ip, err := netip.ParseAddr(u.Hostname())
	if !allow && (isLoopback(u.Hostname()) || err == nil && !dnscheck.IsPublic(ip.WithZone(""))) {
		k.bad(path+".url", "the directory is at a loopback or private address, where nothing is asked unless [smtp] allow_private_addresses is true", "allow_private_addresses = true, or a directory with a public address")
	}
	o := realm.HTTPOptions{AllowPrivate: allow, Bearer: string(d.Bearer)}
	if pool := k.caFile(path+".ca_file", &d.CAFile); pool != nil {
		o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if server := k.c.DNS.Resolver; server != "" {
		o.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server)
		}}
	}
	return realm.NewHTTP(d.URL, o)
}

// Realms are the realms with their directories. Every call gives the same directories.
func (c *Config) Realms() []realm.Realm { return append([]realm.Realm(nil), c.realms...) }

// TokenKeys are the token keys: the first makes tokens, all verify.
func (c *Config) TokenKeys() []Key { return append([]Key(nil), c.tokenKeys...) }

// Route finds a route by its name.
func (c *Config) Route(name string) (Route, bool) {
	for _, r := range c.Routes {
		if r.Name == name {
			return r, true
		}
	}
	return Route{}, false
}
