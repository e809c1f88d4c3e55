package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
)

// The parts that -only may name.
var partNames = []string{"api", "worker", "bounce"}

func serveCmd() *cobra.Command {
	var file string
	var only []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the daemon",
		Long: `Runs the daemon: the API and console, the worker that sends, and the receiver for returned mail. -only runs some of these.

An interrupt or SIGTERM stops it: nothing new is taken, and a dialogue that has sent its final dot is waited for (up to 10 minutes).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return wrongUsage(cmd, "serve needs a configuration. `resetd config example` prints one to begin with")
			}
			for _, p := range only {
				if !slices.Contains(partNames, p) {
					return wrongUsage(cmd, "-only knows the parts %s", strings.Join(partNames, ", "))
				}
			}
			if len(only) == 0 {
				only = partNames
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return serve(ctx, file, only, newLog())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the configuration `FILE`")
	cmd.Flags().StringSliceVar(&only, "only", nil, "run only these parts: api, worker, bounce")
	return ours(cmd)
}

// newLog is the process' log: JSON lines on standard error, times in UTC.
func newLog() zerolog.Logger {
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.TimeFieldFormat = time.RFC3339Nano
	return zerolog.New(os.Stderr).With().Timestamp().Logger()
}

// serve is the daemon's story: read, open, check, assemble, listen, run.
func serve(ctx context.Context, file string, only []string, log zerolog.Logger) error {
	cfg, err := config.Load(file, os.Environ())
	if err != nil {
		return &exitError{exitBadNews, "the configuration is refused:\n" + err.Error()}
	}
	for _, w := range cfg.Warnings {
		log.Warn().Str("at", fmt.Sprintf("%s:%d", w.File, w.Line)).Str("try", w.Try).Msg(w.What)
	}
	url := string(cfg.Store.Redis)
	if url == "" {
		start, cancel := context.WithTimeout(ctx, 30*time.Second)
		child, err := store.StartChild(start, cfg.Store.Dir, cfg.Store.Durability)
		cancel()
		if err != nil {
			return couldNot("%v", err)
		}
		defer child.Stop()
		url = child.URL
		var fell context.CancelCauseFunc
		ctx, fell = context.WithCancelCause(ctx)
		defer fell(nil)
		go func() {
			select {
			case <-child.Done():
				fell(errors.New("the Redis server that resetd started has ended"))
			case <-ctx.Done():
			}
		}()
	}
	rdb, err := store.Open(url)
	if err != nil {
		return couldNot("%v", err)
	}
	defer rdb.Close()
	st := store.New(rdb, store.Options{Retention: time.Duration(cfg.Store.Retention), Durability: cfg.Store.Durability})
	if err := checkStore(ctx, st, cfg.Store.Durability, log); err != nil {
		return err
	}
	p, err := partsOf(cfg, only, log)
	if err != nil {
		return couldNot("%v", err)
	}
	p.redis, p.store = rdb, st
	defer p.closeListeners()
	if err := p.listen(cfg, only); err != nil {
		return couldNot("%v", err)
	}
	d, err := assemble(ctx, p)
	if err != nil {
		return couldNot("%v", err)
	}
	if err := d.run(ctx); err != nil {
		return couldNot("%v", err)
	}
	return nil
}

// checkStore refuses a server that cannot keep what the configuration promises.
func checkStore(ctx context.Context, st *store.Store, durability string, log zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	findings, err := st.Check(ctx, durability)
	if err != nil {
		return couldNot("Redis does not answer: %v\nIs the server of [store] redis running?", err)
	}
	var refused []string
	for _, f := range findings {
		if f.Refuse {
			refused = append(refused, f.What+" "+f.Try)
		} else {
			log.Warn().Str("part", "store").Str("try", f.Try).Msg(f.What)
		}
	}
	if len(refused) > 0 {
		return &exitError{exitBadNews, "the store is refused:\n  " + strings.Join(refused, "\n  ")}
	}
	return nil
}

// partsOf turns a checked configuration into what a process is made of.
func partsOf(cfg *config.Config, only []string, log zerolog.Logger) (parts, error) {
	p := parts{
		log: log, realms: cfg.Realms(), publicURL: strings.TrimSuffix(cfg.HTTP.PublicURL, "/"), bounceAt: cfg.SMTP.BounceDomain,
		resolver: mailer.NewResolver(cfg.DNS.Resolver), templates: map[string]*mailer.Templates{},
		merge:        time.Duration(cfg.Throttle.Merge),
		accountLimit: store.Limit{N: cfg.Throttle.Account.N, Per: time.Duration(cfg.Throttle.Account.Per)},
		sourceLimit:  store.Limit{N: cfg.Throttle.Source.N, Per: time.Duration(cfg.Throttle.Source.Per)},
		deny:         cfg.Denied(), caps: map[string]store.Limit{}, tellers: map[string]string{},
		work: slices.Contains(only, "worker"), replies: cfg.Replies(), bounces: cfg.SMTP.BounceListen != "" || cfg.BounceMailbox.IMAP != "", receives: cfg.SMTP.BounceListen != "",
		canary: canary{every: time.Duration(cfg.Canary.Every), within: time.Duration(cfg.Canary.Within), openPage: cfg.Canary.OpenPage, mailbox: cfg.BounceMailbox.IMAP != ""},
		signers: func(domain string) []mailer.Signer {
			var out []mailer.Signer
			for _, s := range cfg.DKIM(domain) {
				out = append(out, mailer.Signer{Domain: s.Domain, Selector: s.Selector, Key: s.Key})
			}
			return out
		},
	}
	var err error
	if p.outside, err = outsideOf(cfg); err != nil {
		log.Warn().Err(err).Msg("neither domains nor addresses can be asked about")
		p.outside = desk.Outside{Domains: questionsOf(cfg)}
	}
	p.reportBoxes = reportBoxes(cfg)
	p.proxies = cfg.Proxies()
	for _, k := range cfg.TokenKeys() {
		p.keys = append(p.keys, token.Key{ID: k.ID, Secret: k.Secret})
	}
	for _, g := range cfg.Delivery.Retry {
		p.retry = append(p.retry, time.Duration(g))
	}
	for _, k := range cfg.APIKeys {
		key := api.Key{Name: k.Name, Role: desk.Role(k.Role), Realms: k.Realms}
		if _, err := hex.Decode(key.SHA256[:], []byte(k.SecretSHA256)); err != nil {
			return p, fmt.Errorf("api_key %s: %w", k.Name, err)
		}
		p.apiKeys = append(p.apiKeys, key)
	}
	if slices.Contains(only, "bounce") {
		var err error
		if p.mailbox, err = mailboxOf(cfg.BounceMailbox); err != nil {
			return p, err
		}
	}
	for _, h := range cfg.Hooks {
		for _, r := range h.Routes {
			p.tellers[r] = h.Provider
		}
	}
	p.hooks, p.unused = hookConfigs(cfg), unusedSensors(cfg)
	for _, r := range cfg.Routes {
		route, err := routeOf(cfg, r)
		if err != nil {
			return p, err
		}
		p.routes = append(p.routes, route)
		if !r.Cap.Off() {
			p.caps[r.Name] = store.Limit{N: r.Cap.N, Per: r.Cap.Per}
		}
	}
	for _, r := range p.realms {
		t, err := mailer.LoadTemplates(r.Templates)
		if err != nil {
			return p, fmt.Errorf("templates of realm %s: %w", r.Name, err)
		}
		if err := t.Check(); err != nil {
			log.Warn().Str("realm", r.Name).Str("why", err.Error()).Msg("mails of these templates cannot be built")
		}
		p.templates[r.Name] = t
	}
	return p, nil
}

func routeOf(cfg *config.Config, r config.Route) (mailer.Route, error) {
	route := mailer.Route{Name: r.Name, Smarthost: r.Smarthost, MX: r.MX, Port: r.Port, TLS: mailer.TLSMode(r.TLS), Username: r.Username,
		Password: string(r.Password), HELO: cfg.SMTP.Helo, AllowPrivate: cfg.SMTP.AllowPrivateAddresses,
		MTASTS: r.MTASTS, DANE: r.DANE}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return route, fmt.Errorf("route %s: ca_file: %w", r.Name, err)
		}
		route.RootCAs = x509.NewCertPool()
		if !route.RootCAs.AppendCertsFromPEM(pem) {
			return route, fmt.Errorf("route %s: ca_file holds no PEM certificate", r.Name)
		}
	}
	return route, nil
}

// listen opens what the parts serve on, before anything runs: a taken port is an error at start.
func (p *parts) listen(cfg *config.Config, only []string) error {
	open := func(what, addr string, to *net.Listener) error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("cannot listen for %s: %w", what, err)
		}
		*to = l
		return nil
	}
	var errs []error
	if slices.Contains(only, "api") {
		errs = append(errs, open("the API ([http] listen)", cfg.HTTP.Listen, &p.apiListen))
	}
	if cfg.HTTP.OpsListen != "" {
		errs = append(errs, open("health and metrics ([http] ops_listen)", cfg.HTTP.OpsListen, &p.opsListen))
	}
	if slices.Contains(only, "bounce") && cfg.SMTP.BounceListen != "" {
		errs = append(errs, open("returned mail ([smtp] bounce_listen)", cfg.SMTP.BounceListen, &p.bounceListen))
	}
	return errors.Join(errs...)
}

func (p *parts) closeListeners() {
	for _, l := range []net.Listener{p.apiListen, p.opsListen, p.bounceListen} {
		if l != nil {
			_ = l.Close() // closed already by the part that served on it
		}
	}
}
