package scenario

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/resetd/resetd/internal/sim"
)

// Whose mail it is in every story.
const (
	OurDomain    = "acme.example"
	BounceDomain = "bounces." + OurDomain
)

// Stage is a world that is up: DNS, mail hosts, directories, and the configuration of a resetd that lives in it.
type Stage struct {
	Sim  *sim.World
	Dir  string // of the configuration, resetd.toml
	File string // the configuration

	ours     map[string]string  // name -> the TXT record that we publish
	sendgrid ed25519.PrivateKey // what SendGrid signs with

	mu    sync.Mutex
	world World                // guarded by mu: as it is now
	hosts map[string]*sim.Host // guarded by mu: by host name
	http  map[string]*sim.Directory
}

// Options are what the configuration says beside the world.
type Options struct {
	Redis     string // URL
	Listen    string // of the API; "" = a free port of loopback
	PublicURL string
	Secrets   map[string]string // of the API keys, by role
	RSA       bool              // sign with an RSA key too, which takes a moment to make
	SimRedis  bool              // let the world hold the Redis: its URL takes Redis' place
}

// Build puts up what a world says, in a folder.
func Build(dir string, w World, files map[string]string, o Options) (st *Stage, err error) {
	st = &Stage{Dir: dir, File: filepath.Join(dir, "resetd.toml"), world: w, hosts: map[string]*sim.Host{}, http: map[string]*sim.Directory{}, ours: map[string]string{}}
	defer func() {
		if err != nil {
			st.Close()
		}
	}()
	var opts []sim.Option
	if o.SimRedis {
		opts = append(opts, sim.WithRedis())
	}
	if st.Sim, err = sim.New(opts...); err != nil {
		return st, err
	}
	if o.SimRedis {
		o.Redis = "redis://" + st.Sim.Redis() + "/0"
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return st, err
		}
	}
	for _, h := range w.Hosts {
		if err := st.host(h); err != nil {
			return st, err
		}
	}
	for _, r := range w.Relays {
		st.hosts[r.Name] = st.Sim.Host("relay-"+r.Name+"."+OurDomain, r.make().StartTLS())
	}
	for _, d := range w.DNS {
		if err := st.dns(d); err != nil {
			return st, err
		}
	}
	for _, r := range w.Realms {
		if r.Directory == "http" {
			st.http[r.Name] = st.Sim.Directory()
		}
		if err := st.accounts(r); err != nil {
			return st, err
		}
	}
	for realm, how := range w.Directories {
		if err := st.directory(realm, how); err != nil {
			return st, err
		}
	}
	return st, st.configure(o)
}

// host puts up a mail host, or changes it.
func (st *Stage) host(h Host) error {
	if have := st.hosts[h.Name]; have != nil {
		if err := have.Set(h.make()); err != nil {
			return err
		}
	} else {
		st.hosts[h.Name] = st.Sim.Host(h.Name, h.make())
	}
	var of []*sim.Host
	for _, o := range st.world.Hosts {
		if o.Domain == h.Domain && st.hosts[o.Name] != nil {
			of = append(of, st.hosts[o.Name])
		}
	}
	st.Sim.Domain(h.Domain, of...)
	return nil
}

func (st *Stage) dns(d DNS) error {
	z := st.Sim.DNS()
	switch d.What {
	case "null-mx":
		z.SetNullMX(d.Name)
	case "gone":
		z.Remove(d.Name)
	case "fails":
		z.SetServfail(d.Name)
	case "silent":
		z.SetTimeout(d.Name)
	case "well":
		z.SetHealthy(d.Name)
	case "ours":
		z.SetTXT(d.Name, st.ours[d.Name])
	case "dane":
		return st.dane(d.Name)
	case "mx":
		z.SetMX(d.Name, sim.MX{Preference: 10, Host: d.Value})
	case "txt":
		z.SetTXT(d.Name, d.Value)
	case "a":
		addr, err := netip.ParseAddr(d.Value)
		if err != nil {
			return err
		}
		z.SetA(d.Name, addr)
	}
	return nil
}

// dane signs a domain and publishes the keys that its hosts show now.
func (st *Stage) dane(domain string) error {
	z := st.Sim.DNS()
	z.SetSigned(domain, true)
	for _, h := range st.world.Hosts {
		host := st.hosts[h.Name]
		if h.Domain != domain || host == nil {
			continue
		}
		certs := host.Certificates()
		if len(certs) == 0 {
			return fmt.Errorf("%s shows no certificate: with starttls", h.Name)
		}
		z.SetSigned(host.Name(), true)
		name := fmt.Sprintf("_%d._tcp.%s", st.Sim.SMTPPort(), host.Name())
		z.Remove(name)
		if err := z.Add(fmt.Sprintf("%s. 1 IN TLSA 3 1 1 %x", name, sha256.Sum256(certs[0].RawSubjectPublicKeyInfo))); err != nil {
			return err
		}
	}
	return nil
}

func (st *Stage) directory(realm, how string) error {
	d := st.http[realm]
	if d == nil {
		return fmt.Errorf("the directory of realm %s is not behind HTTP", realm)
	}
	d.Misbehave(troubles[how])
	return nil
}

// accounts writes a realm's directory anew.
func (st *Stage) accounts(r Realm) error {
	var lines []string
	var list []sim.Account
	for _, a := range st.world.Accounts {
		if a.Realm != r.Name {
			continue
		}
		lines = append(lines, a.JSON())
		s := sim.Account{ID: a.ID, Realm: a.Realm, Login: a.Login, Address: a.Address, State: a.State, LoginMethod: a.LoginMethod, Provider: a.Provider,
			OtherAddresses: a.OtherAddresses, Username: a.Username, Locale: a.Locale, MergedInto: a.MergedInto, Roles: a.Roles}
		list = append(list, s)
	}
	switch r.Directory {
	case "http":
		st.http[r.Name].Set(list...)
	case "file":
		// Replaced, never half written: the directory may be read at any moment.
		path := filepath.Join(st.Dir, r.Name+".jsonl")
		if err := os.WriteFile(path+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	return nil
}

// change does what a line of the world says, now.
func (st *Stage) change(ws []string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	w := st.world
	w.Hosts, w.Accounts, w.DNS = slices.Clone(w.Hosts), slices.Clone(w.Accounts), nil
	w.Relays, w.Directories, w.Caps = nil, map[string]string{}, map[string]string{}
	if err := w.words(ws); err != nil {
		return err
	}
	st.world.Hosts, st.world.Accounts = w.Hosts, w.Accounts
	switch ws[0] {
	case "host":
		for _, h := range w.Hosts {
			if h.Domain == strings.TrimSuffix(ws[1], "/2") && (h.N == 2) == strings.HasSuffix(ws[1], "/2") {
				return st.host(h)
			}
		}
	case "relay":
		if h := st.hosts[w.Relays[0].Name]; h != nil {
			return h.Set(w.Relays[0].make().StartTLS())
		}
		return fmt.Errorf("there is no relay %s", ws[1])
	case "dns":
		return st.dns(w.DNS[0])
	case "directory":
		return st.directory(ws[1], ws[2])
	case "account":
		for _, r := range w.Realms {
			if err := st.accounts(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// addressOf is where the mails of a login go.
func (st *Stage) addressOf(login, realm string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, a := range st.world.Accounts {
		if a.Realm == realm && (strings.EqualFold(a.Login, login) || strings.EqualFold(a.Username, login) || slices.Contains(a.OtherAddresses, login)) {
			return a.Address
		}
	}
	return login
}

// mail gives what any host holds for a login of a realm, oldest first. Older addresses of the account count too.
func (st *Stage) mail(login, realm string) []sim.Mail {
	address := st.addressOf(login, realm)
	st.mu.Lock()
	defer st.mu.Unlock()
	var out []sim.Mail
	for _, h := range st.hosts {
		for _, m := range h.Mail() {
			to := func(r sim.Recipient) bool {
				return strings.EqualFold(r.Address, address) || strings.EqualFold(r.Address, login)
			}
			if slices.ContainsFunc(m.Recipients, to) && strings.HasPrefix(strings.ReplaceAll(m.Header("From"), `"`, ""), title(realm)+" ") {
				out = append(out, m)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b sim.Mail) int { return a.Received.Compare(b.Received) })
	return out
}

// count says how many mails the hosts of a domain hold.
func (st *Stage) count(domain string) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	n := 0
	for _, h := range st.world.Hosts {
		if h.Domain == domain {
			n += len(st.hosts[h.Name].Mail())
		}
	}
	return n
}

// holding tells whether a host keeps dialogues open without a word: then work that is under way does not come to its end.
func (st *Stage) holding() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.ContainsFunc(st.world.Hosts, func(h Host) bool { return strings.HasPrefix(h.How, "says nothing") })
}

// Without writes the configuration once more, without a realm, and names the file.
func (st *Stage) Without(realm string) (string, error) {
	text, err := os.ReadFile(st.File)
	if err != nil {
		return "", err
	}
	parts := strings.Split(string(text), "[[realm]]\n")
	parts = slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, fmt.Sprintf("name = %q\n", realm)) })
	file := "without-" + realm + ".toml"
	return filepath.Join(st.Dir, file), st.write(file, strings.Join(parts, "[[realm]]\n"))
}

// release ends the dialogues that hosts hold open, for whoever waits for them.
func (st *Stage) release() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, h := range st.world.Hosts {
		if strings.HasPrefix(h.How, "says nothing") {
			_ = st.hosts[h.Name].Set(sim.Down()) // nothing can be wrong with a host that listens no more
		}
	}
}

// Close takes the world down.
func (st *Stage) Close() error {
	if st.Sim == nil {
		return nil
	}
	return st.Sim.Close()
}

// title is a realm's name for people.
func title(realm string) string { return strings.ToUpper(realm[:1]) + realm[1:] }
