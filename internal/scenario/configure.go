package scenario

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/resetd/resetd/internal/sim"
)

// Roles are the API keys' roles; each has one.
var roles = []string{"app", "support", "admin", "ops"}

// configure writes the configuration: what an operator of this world would have written.
func (st *Stage) configure(o Options) error {
	dkim, err := st.signing(o.RSA)
	if err != nil {
		return err
	}
	var secret [32]byte
	rand.Read(secret[:])
	if err := st.write("token.key", "k1 "+base64.StdEncoding.EncodeToString(secret[:])+"\n"); err != nil {
		return err
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	w := st.world
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if w.Settings["public"] != "" {
		o.PublicURL = w.Settings["public"]
	}
	p("[http]\nlisten = %q\npublic_url = %q", o.Listen, o.PublicURL)
	p("[store]\nredis = %q\ndurability = \"memory\"\nretention = %q", o.Redis, w.Settings["retention"])
	p("[keys]\ntoken_file = \"token.key\"")
	p("[throttle]\naccount = %q\nsource = %q\nmerge = %q", w.Settings["account"], w.Settings["source"], w.Settings["merge"])
	if w.Settings["deny"] != "" {
		p("deny = %s", quoted(strings.Split(w.Settings["deny"], ",")))
	}
	p("[delivery]\nretry = %s", quoted(strings.Split(w.Settings["retry"], ",")))
	p("[smtp]\nhelo = \"mail.%s\"\nbounce_domain = %q\nallow_private_addresses = true", OurDomain, BounceDomain)
	if w.Settings["ips"] != "" {
		p("outgoing_ips = %s", quoted(strings.Split(w.Settings["ips"], ",")))
	}
	if w.Settings["bounces"] == "off" {
		p("bounce_listen = \"\"")
	} else {
		p("bounce_listen = \"127.0.0.1:0\"")
	}
	p("[canary]\nevery = \"0\"") // a story's clock jumps, and nobody but its people is to send mail
	p("[dns]\nresolver = %q", st.Sim.Resolver())
	for _, role := range roles {
		sum := sha256.Sum256([]byte(o.Secrets[role]))
		p("[[api_key]]\nname = \"story-%s\"\nrole = %q\nrealms = []\nsecret_sha256 = %q", role, role, hex.EncodeToString(sum[:]))
	}
	for _, name := range append([]string{"mx"}, w.Routes...) {
		p("[[route]]\nname = %q\nmx = true\nport = %d\ntls = \"opportunistic\"", name, st.Sim.SMTPPort())
		st.limit(p, name)
	}
	for _, r := range w.Relays {
		p("[[route]]\nname = %q\nsmarthost = \"%s:%d\"\ntls = \"required\"\nca_file = %q", r.Name, st.hosts[r.Name].Name(), st.Sim.SMTPPort(), st.Sim.CAFile())
		if r.login != "" {
			p("username = %q\npassword = %q", relayUser, relayPassword)
		}
		st.limit(p, r.Name)
	}
	if err := st.hooks(p); err != nil {
		return err
	}
	p("[[domain]]\nname = %q\n%s", OurDomain, dkim)
	for _, r := range w.Realms {
		st.realm(p, r)
	}
	return st.write("resetd.toml", b.String())
}

// limit writes the cap of a route that has one.
func (st *Stage) limit(p func(string, ...any), route string) {
	if c := st.world.Caps[route]; c != "" {
		p("cap = %q", c)
	}
}

func (st *Stage) realm(p func(string, ...any), r Realm) {
	p("[[realm]]\nname = %q\nlogin = %q\npages = %s\ntoken_ttl = %q\nrequired_role = %q\nresets = %q", r.Name, r.Login, quoted(r.Pages), r.TTL, r.Role, r.Resets)
	p("reset_url = \"https://%s.%s/new-password?token={token}\"\nfrom = \"%s <no-reply@%s>\"\nroutes = %s", r.Name, OurDomain, title(r.Name), OurDomain, quoted(r.Routes))
	if r.Provider != "" {
		p("provider = { name = %q, url = \"https://id.%s/\" }", r.Provider, OurDomain)
	}
	if r.Templates != "" {
		p("templates = %q", r.Templates)
	}
	p("[realm.directory]\nkind = %q", r.Directory)
	switch r.Directory {
	case "file":
		p("path = \"%s.jsonl\"", r.Name)
	case "http":
		p("url = %q", st.http[r.Name].URL())
	}
}

// signing makes DKIM keys and publishes them, with SPF and DMARC; it returns their tables.
func (st *Stage) signing(withRSA bool) (string, error) {
	st.publish(OurDomain, "v=spf1 ip4:127.0.0.0/8 -all")
	st.publish(BounceDomain, "v=spf1 ip4:127.0.0.0/8 -all")
	st.Sim.DNS().SetMX(BounceDomain, sim.MX{Preference: 10, Host: "mail." + OurDomain})
	st.Sim.DNS().SetA("mail."+OurDomain, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	st.publish("_dmarc."+OurDomain, "v=DMARC1; p=reject")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	st.publish("e1._domainkey."+OurDomain, "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(public))
	err = st.key("dkim-e1.pem", private)
	tables := "[[domain.dkim]]\nselector = \"e1\"\nkey_file = \"dkim-e1.pem\""
	if withRSA {
		key, rsaErr := rsa.GenerateKey(rand.Reader, 2048)
		if rsaErr != nil {
			return "", rsaErr
		}
		spki, rsaErr := x509.MarshalPKIXPublicKey(key.Public())
		st.publish("r1._domainkey."+OurDomain, "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(spki))
		err = errors.Join(err, rsaErr, st.key("dkim-r1.pem", key))
		tables += "\n[[domain.dkim]]\nselector = \"r1\"\nkey_file = \"dkim-r1.pem\""
	}
	return tables, err
}

// publish sets a record of ours, and remembers it for the day when it is put back.
func (st *Stage) publish(name, text string) {
	st.ours[name] = text
	st.Sim.DNS().SetTXT(name, text)
}

func (st *Stage) key(name string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return st.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func (st *Stage) write(name, text string) error {
	return os.WriteFile(filepath.Join(st.Dir, name), []byte(text), 0o600)
}

// quoted is a TOML list of strings.
func quoted(list []string) string {
	out := slices.Clone(list)
	for i, s := range out {
		out[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
