package scenario

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// World is what is there before anything happens.
type World struct {
	Settings    map[string]string
	Realms      []Realm
	Accounts    []Account
	Hosts       []Host
	Relays      []Relay
	Routes      []string // further ways straight to the recipient's host
	DNS         []DNS
	Directories map[string]string // realm -> how it behaves, for those behind HTTP
	Caps        map[string]string // route -> N/TIME
	Hooks       []Hook            // mail providers that tell us what becomes of mails
}

// Realm is a place where a password is kept.
type Realm struct {
	Name, Login, Provider, Role, Directory, Templates, TTL string
	Resets                                                 string // on, or off: passwords are not reset here
	Routes, Pages                                          []string
}

// Account is a line of a realm's directory.
type Account struct {
	ID             string    `json:"id"`
	Realm          string    `json:"realm"`
	Login          string    `json:"login"`
	Address        string    `json:"address"`
	State          string    `json:"state"`
	LoginMethod    string    `json:"login_method"`
	Provider       string    `json:"provider,omitempty"`
	OtherAddresses []string  `json:"other_addresses,omitempty"`
	Username       string    `json:"username,omitempty"`
	Locale         string    `json:"locale,omitempty"`
	Since          time.Time `json:"since,omitzero"`
	MergedInto     string    `json:"merged_into,omitempty"`
	Roles          []string  `json:"roles,omitempty"`
	gone           bool
}

// JSON is the account as a file directory holds it.
func (a Account) JSON() string {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and a time
	}
	return string(b)
}

// Host is one mail host of a domain.
type Host struct {
	Domain string
	N      int // 1 is the first
	Name   string
	How    string
	make   behaviour
}

// Relay is a smarthost and the route of its name.
type Relay struct {
	Name, How string
	login     string // wants: it knows another password than we; takes: it knows ours; "" = anybody may
	make      behaviour
}

// DNS is something about a name.
type DNS struct {
	Name, What, Value string
}

func newWorld() World {
	return World{
		Settings: map[string]string{"retry": "1m,3m,6m,10m,15m,30m", "merge": "60s", "account": "5/1h", "source": "100/1h", "retention": "720h", "bounces": "on", "deny": "", "public": "", "ips": ""},
		Realms: []Realm{
			{Name: "community", Resets: "on", Login: "sso", Provider: "Acme ID", Directory: "file", TTL: "60m", Pages: []string{"https://community.acme.example/"}},
			{Name: "control", Resets: "on", Login: "password", Role: "moderator", Directory: "file", TTL: "60m", Routes: []string{"mx"}, Pages: []string{"https://control.acme.example/"}},
			{Name: "shop", Resets: "on", Login: "password", Directory: "file", TTL: "60m", Routes: []string{"mx"}, Pages: []string{"https://shop.acme.example/"}},
		},
		Directories: map[string]string{},
		Caps:        map[string]string{},
	}
}

// line reads a line of the section world.
func (w *World) line(line string) error {
	ws, err := words(line)
	if err != nil || len(ws) == 0 {
		return err
	}
	return w.words(ws)
}

func (w *World) words(ws []string) error {
	a := readArgs(ws[1:])
	if a.plain == nil && ws[0] != "setting" {
		return fmt.Errorf("%s of what?", ws[0])
	}
	var err error
	switch ws[0] {
	case "setting":
		err = w.setting(a)
	case "realm":
		err = w.realm(a)
	case "account":
		err = w.account(a)
	case "host":
		err = w.host(a)
	case "relay":
		err = w.relay(a)
	case "route":
		w.Routes = append(w.Routes, a.next())
	case "dns":
		err = w.dns(a)
	case "cap":
		route := a.next()
		w.Caps[route] = a.next()
	case "hook":
		h := Hook{Provider: a.next(), Routes: a.plain}
		a.plain = nil
		if providerWords[h.Provider] == nil {
			return fmt.Errorf("no provider is called %q", h.Provider)
		}
		w.Hooks = append(w.Hooks, h)
	case "directory":
		realm, how := a.next(), a.next()
		if _, ok := troubles[how]; !ok {
			return fmt.Errorf("a directory does not know how to %q", how)
		}
		w.Directories[realm] = how
	default:
		return fmt.Errorf("what is a %s?", ws[0])
	}
	if err != nil {
		return err
	}
	return a.end()
}

func (w *World) setting(a *args) error {
	for k, v := range a.pair {
		if _, ok := w.Settings[k]; !ok {
			return fmt.Errorf("there is no setting %s", k)
		}
		w.Settings[k] = a.get(k, v)
	}
	return nil
}

func (w *World) realm(a *args) error {
	r := Realm{Name: a.next(), Login: "password"}
	if m, ok := a.is("password", "sso", "directory"); ok {
		r.Login = m
	}
	r.Provider, r.Role, r.TTL = a.get("provider", ""), a.get("role", ""), a.get("ttl", "60m")
	r.Directory, r.Templates, r.Resets = a.get("directory", "file"), a.get("templates", ""), a.get("resets", "on")
	r.Routes, r.Pages = a.list("routes"), a.list("pages")
	if r.Routes == nil && r.Login == "password" {
		r.Routes = []string{"mx"}
	}
	if r.Pages == nil {
		r.Pages = []string{"https://" + r.Name + ".acme.example/"}
	}
	if !slices.Contains([]string{"file", "http", "none"}, r.Directory) {
		return fmt.Errorf("a directory is file, http or none")
	}
	if i := slices.IndexFunc(w.Realms, func(x Realm) bool { return x.Name == r.Name }); i >= 0 {
		w.Realms[i] = r
		return nil
	}
	w.Realms = append(w.Realms, r)
	return nil
}

// account reads a line; one of the same id takes the older one's place.
func (w *World) account(a *args) error {
	acc := Account{Realm: a.after("in", "shop"), Login: a.next(), State: "active", LoginMethod: "password"}
	for {
		word, ok := a.is("active", "invited", "not_activated", "suspended", "deleted", "unverified", "password", "sso", "directory", "none", "gone")
		if !ok {
			break
		}
		switch word {
		case "password", "sso", "directory", "none":
			acc.LoginMethod = word
		case "gone":
			acc.gone = true
		default:
			acc.State = word
		}
	}
	acc.Address = acc.Login
	if v, ok := a.pair["address"]; ok {
		acc.Address = v
		delete(a.pair, "address")
	}
	acc.ID = a.get("id", acc.Realm+"-"+acc.Login)
	acc.Username, acc.Locale, acc.Provider = a.get("username", ""), a.get("locale", ""), a.get("provider", "")
	acc.OtherAddresses, acc.Roles, acc.MergedInto = a.list("other"), a.list("roles"), a.get("merged", "")
	if s := a.get("since", ""); s != "" {
		t, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return err
		}
		acc.Since = t
	}
	w.Accounts = slices.DeleteFunc(w.Accounts, func(o Account) bool { return o.ID == acc.ID && o.Realm == acc.Realm })
	if !acc.gone {
		w.Accounts = append(w.Accounts, acc)
	}
	return nil
}

func (w *World) host(a *args) error {
	h := Host{Domain: a.next(), N: 1}
	if d, ok := strings.CutSuffix(h.Domain, "/2"); ok {
		h.Domain, h.N = d, 2
	}
	h.Name = a.get("name", "")
	if h.Name == "" {
		h.Name = "mx." + h.Domain
		if h.N == 2 {
			h.Name = "mx2." + h.Domain
		}
	}
	h.How = strings.Join(a.plain, " ")
	var err error
	if h.make, _, err = readBehaviour(a); err != nil {
		return err
	}
	i := slices.IndexFunc(w.Hosts, func(o Host) bool { return o.Domain == h.Domain && o.N == h.N })
	if i >= 0 {
		w.Hosts[i] = h
	} else {
		w.Hosts = append(w.Hosts, h)
	}
	return nil
}

func (w *World) relay(a *args) error {
	r := Relay{Name: a.next()}
	r.How = strings.Join(a.plain, " ")
	var err error
	r.make, r.login, err = readBehaviour(a)
	w.Relays = append(w.Relays, r)
	return err
}

func (w *World) dns(a *args) error {
	d := DNS{Name: a.next()}
	for _, k := range []string{"mx", "a", "txt"} {
		if v, ok := a.pair[k]; ok {
			d.What, d.Value = k, v
			delete(a.pair, k)
		}
	}
	if d.What == "" {
		d.What = a.next()
		if !slices.Contains([]string{"null-mx", "gone", "fails", "silent", "well", "ours", "dane"}, d.What) {
			return fmt.Errorf("DNS does not know how to be %q", d.What)
		}
	}
	if d.What == "a" {
		if _, err := netip.ParseAddr(d.Value); err != nil {
			return err
		}
	}
	w.DNS = append(w.DNS, d)
	return nil
}
