package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
)

// stage is the demo's world with a daemon in it.
type stage struct {
	foreignApp
	world  *sim.World
	hosts  map[string]*sim.Host // by mail domain
	redis  redis.UniversalClient
	daemon *daemon
	dir    string
}

const demoDomain = "acme.example"

// newStage builds the world and joins the daemon's parts; nothing runs yet.
func newStage(ctx context.Context, url string, l net.Listener, log zerolog.Logger) (s *stage, err error) {
	s = &stage{hosts: map[string]*sim.Host{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.world, err = sim.New(sim.WithRedis()); err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp("", "resetd-demo-"); err != nil {
		return s, err
	}
	if s.redis, err = store.Open("redis://" + s.world.Redis() + "/0"); err != nil {
		return s, err
	}
	p := parts{
		log: log, redis: s.redis, store: store.New(s.redis, store.Options{Retention: 24 * time.Hour, Durability: "memory"}),
		keys:      []token.Key{token.NewKey("demo")},
		templates: map[string]*mailer.Templates{}, resolver: mailer.NewResolver(s.world.Resolver()),
		publicURL: url, bounceAt: "bounces." + demoDomain, bounces: true, work: true, apiListen: l,
		retry: []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second},
		merge: time.Second, accountLimit: store.Limit{N: 3, Per: time.Hour}, sourceLimit: store.Limit{N: 100, Per: time.Hour},
		wakes: 5 * time.Second,
	}
	if p.bounceListen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return s, err
	}
	s.world.BounceTo("bounces."+demoDomain, p.bounceListen.Addr().String())
	s.foreignApp.url = url
	s.keys, p.apiKeys = newDemoKeys()
	if err = s.signing(&p); err != nil {
		return s, err
	}
	s.mailHosts()
	if err = s.ways(&p); err != nil {
		return s, err
	}
	if err = s.kingdoms(&p); err != nil {
		return s, err
	}
	s.daemon, err = assemble(ctx, p)
	return s, err
}

// signing makes two DKIM keys and publishes them in the world's DNS, with SPF and DMARC.
func (s *stage) signing(p *parts) error {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signers := []mailer.Signer{{Domain: demoDomain, Selector: "r1", Key: rsaKey}, {Domain: demoDomain, Selector: "e1", Key: edKey}}
	spki, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		return err
	}
	s.world.DNS().SetTXT("r1._domainkey."+demoDomain, "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(spki))
	s.world.DNS().SetTXT("e1._domainkey."+demoDomain, "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(crypto.PublicKey(edKey.Public()).(ed25519.PublicKey)))
	s.world.DNS().SetTXT(demoDomain, "v=spf1 ip4:127.0.0.0/8 -all")
	s.world.DNS().SetTXT("_dmarc."+demoDomain, "v=DMARC1; p=reject")
	p.signers = func(string) []mailer.Signer { return signers }
	return nil
}

// mailHosts puts up one mail domain per misfortune.
func (s *stage) mailHosts() {
	for domain, b := range map[string]sim.Behaviour{
		"fine.example":      sim.Accept(),
		"quiet.example":     sim.Accept(),
		"full.example":      sim.MailboxFull(),
		"nobody.example":    sim.UnknownMailbox(),
		"gone.example":      sim.UnknownMailbox(),
		"grey.example":      sim.Greylist(2*time.Second, 2),
		"down.example":      sim.Down(),
		"late.example":      sim.AcceptThenBounce(500*time.Millisecond, "failed", "5.2.1", "smtp; 550 5.2.1 The mailbox has been disabled"),
		"strict.example":    sim.RejectAtDot(550, "5.7.26", "Unauthenticated email from "+demoDomain+" is not accepted due to domain's DMARC policy"),
		"scanned.example":   sim.AcceptThenScan(200 * time.Millisecond),
		"holiday.example":   sim.AcceptThenOpen(9 * time.Second),
		"cut.example":       sim.CloseAfterDot(),
		"begun.example":     sim.AcceptThenOpen(9 * time.Second),
		"confirmed.example": sim.AcceptThenConfirm(300 * time.Millisecond),
	} {
		h := s.world.Host("mx."+domain, b)
		s.world.Domain(domain, h)
		s.hosts[domain] = h
	}
	s.world.DNS().SetNullMX("nomail.example")
}

// ways are the routes: straight to the MX, two relays, one of which knows another password, and one that ops have held.
func (s *stage) ways(p *parts) error {
	ca, err := os.ReadFile(s.world.CAFile())
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	proud := s.world.Host("relay.proud.example", sim.Accept().StartTLS().RequireAuth("resetd", "the password of last year"))
	silent := s.world.Host("relay.silent.example", sim.Accept().StartTLS().Without(sim.ExtDSN))
	port := fmt.Sprint(s.world.SMTPPort())
	mx := mailer.Route{Name: "mx", MX: true, Port: s.world.SMTPPort(), TLS: mailer.TLSOpportunistic, HELO: "mail." + demoDomain, AllowPrivate: true}
	held := mx
	held.Name = "night"
	p.routes = []mailer.Route{mx, held,
		{Name: "proud", Smarthost: proud.Name() + ":" + port, TLS: mailer.TLSRequired, RootCAs: pool, Username: "resetd", Password: "the password of today", HELO: mx.HELO, AllowPrivate: true},
		{Name: "silent", Smarthost: silent.Name() + ":" + port, TLS: mailer.TLSRequired, RootCAs: pool, HELO: mx.HELO, AllowPrivate: true},
	}
	return nil
}

// kingdoms are the realms and their directories.
func (s *stage) kingdoms(p *parts) error {
	path := filepath.Join(s.dir, "accounts.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(demoAccounts, "\n")), 0o600); err != nil {
		return err
	}
	file := realm.NewFile(path)
	silent := s.world.Directory()
	silent.Misbehave(sim.Fails)
	acme := realm.Provider{Name: "Acme ID", URL: "https://id.acme.example/"}
	password := func(name string) realm.Realm {
		return realm.Realm{Name: name, Login: realm.LoginPassword, Pages: []string{"https://" + name + ".acme.example/"},
			ResetURL: "https://" + name + ".acme.example/new-password?token={token}", From: "Acme " + strings.ToUpper(name[:1]) + name[1:] + " <no-reply@" + demoDomain + ">",
			Routes: []string{"mx"}, TokenTTL: time.Hour, Reveal: "off", Directory: file}
	}
	community := password("community")
	community.Login, community.Provider, community.Routes = realm.LoginSSO, acme, nil
	control := password("control")
	control.RequiredRole = "moderator"
	kiosk := password("kiosk")
	kiosk.TokenTTL = 6 * time.Second
	partners := password("partners")
	partners.Routes = []string{"proud"}
	news := password("news")
	news.Routes = []string{"silent"}
	archive := password("archive")
	archive.Routes = []string{"night"}
	club := password("club")
	club.Directory = realm.NewHTTP(silent.URL(), realm.HTTPOptions{AllowPrivate: true})
	p.realms = []realm.Realm{community, control, password("shop"), kiosk, partners, news, archive, club}
	for _, r := range p.realms {
		t, err := mailer.LoadTemplates("")
		if err != nil {
			return err
		}
		p.templates[r.Name] = t
	}
	return nil
}

// answers waits until the API does.
func (s *stage) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if res, err := http.Get(s.url + "/healthz"); err == nil {
			res.Body.Close()
			return nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// awaits asks why, as support would, until the answer is the one that the story leads to.
func (s *stage) awaits(ctx context.Context, p person) error {
	c := api.Client{URL: s.url, Key: s.keys.Support}
	for {
		cases, err := c.Why(ctx, api.WhyBody{Login: p.Login, Realm: p.Realm})
		if err == nil && len(cases) > 0 && cases[0].Verdict.Cause == p.Cause {
			return nil
		}
		if err := wait(ctx, 700*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *stage) close() {
	if s.daemon != nil {
		s.daemon.closeListeners()
	}
	if s.redis != nil {
		_ = s.redis.Close()
	}
	if s.world != nil {
		_ = s.world.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
