package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/mailer/bounce/hook"
	"github.com/resetd/resetd/worker/task"
)

// events takes what providers and mail logs say: sealed and stored, as work for a worker.
type events struct {
	log    zerolog.Logger
	store  *store.Store
	sealer *token.Sealer
	client *task.Client

	mu    sync.Mutex
	ended map[string]bool // SNS ended the subscription, and nothing came since
}

func newEvents(log zerolog.Logger, st *store.Store, sealer *token.Sealer, client *task.Client) *events {
	return &events{log: log, store: st, sealer: sealer, client: client, ended: map[string]bool{}}
}

// hooks makes a reader for each provider that is configured. A signature's age is judged by the clock that all processes share.
func hooks(configs []hook.Config, paths *mailer.Paths, now func() time.Time) (map[string]api.Hook, error) {
	out := map[string]api.Hook{}
	for _, c := range configs {
		c.Own, c.Now = paths.ParseMessageIDHeader, now
		h, err := hook.New(c)
		if err != nil {
			return nil, fmt.Errorf("[[hook]] of the configuration: %w", err)
		}
		out[c.Provider] = h
	}
	return out, nil
}

// keep stores what one request of a provider says.
func (e *events) keep(ctx context.Context, provider, name string, b hook.Batch) error {
	e.mu.Lock()
	e.ended[provider] = b.Ended
	e.mu.Unlock()
	switch {
	case b.Ended:
		e.log.Warn().Str("part", "hooks").Str("provider", provider).Msg("SNS ended the subscription: this provider tells us nothing from here on")
	case b.Confirmed:
		e.log.Info().Str("part", "hooks").Str("provider", provider).Msg("a subscription is confirmed")
	}
	for _, note := range b.Notes {
		e.log.Info().Str("part", "hooks").Str("provider", provider).Int("ignored", b.Ignored).Msg(note)
	}
	if b.Ignored > 0 {
		e.count(ctx, provider, "ignored", b.Ignored)
	}
	telling, silent := b.Telling()
	for kind, n := range silent {
		e.count(ctx, provider, string(kind), n)
	}
	u := hook.Unit{Source: provider, Events: telling}
	if len(telling) == 0 && b.Uncovered {
		return e.claimUnit(ctx, name, u) // it says nothing, and nobody shall say anything under its signature
	}
	return e.keepUnit(ctx, name, u)
}

// keepUnit stores events. The same source and name again changes nothing.
func (e *events) keepUnit(ctx context.Context, name string, u hook.Unit) error {
	if len(u.Events) == 0 && len(u.Mail) == 0 && len(u.Report) == 0 {
		return nil
	}
	return e.claimUnit(ctx, name, u)
}

// claimUnit is keepUnit also for a unit that holds nothing: its name is known from then on.
func (e *events) claimUnit(ctx context.Context, name string, u hook.Unit) error {
	raw, err := u.Encode()
	if err != nil {
		return err
	}
	id := store.UnitID(u.Source, name)
	ring, isNew, err := e.store.KeepUnit(ctx, id, e.sealer.Seal(raw, string(id)))
	if err == nil && !isNew {
		e.count(ctx, u.Source, "again", len(u.Events))
	}
	if err != nil || !isNew {
		return err
	}
	if err := e.client.Ring(ctx, ring.ID, ring.TaskID()); err != nil {
		e.log.Debug().Err(err).Msg("not rung; the reconciler will")
	}
	return nil
}

// count counts events of a source by what became of them; see descProvider. That it fails is no error: it is statistics.
func (e *events) count(ctx context.Context, source, outcome string, n int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := e.store.Add(ctx, "events:"+source+":"+outcome, int64(n)); err != nil {
		e.log.Debug().Err(err).Msg("not counted")
	}
}

// refused counts a request of a provider that was not taken, by the code of the problem that it was told.
func (e *events) refused(ctx context.Context, provider, why string) {
	e.count(ctx, provider, "refused_"+why, 1)
}

// beat says that a provider's events can reach us. That it sends any is another matter: silence looks the same.
func (e *events) beat(ctx context.Context, provider string) error {
	e.mu.Lock()
	ended := e.ended[provider]
	e.mu.Unlock()
	if ended {
		return nil
	}
	return e.store.Beat(ctx, "events:"+provider)
}

// unusedSensors are the ways back that a configuration does not have (any more): that nothing comes from there is no blind spot.
func unusedSensors(cfg *config.Config) []string {
	used := map[string]bool{"bounces": cfg.SMTP.BounceListen != "" || cfg.BounceMailbox.IMAP != "", "mailbox": cfg.BounceMailbox.IMAP != ""}
	for _, h := range cfg.Hooks {
		used["events:"+h.Provider] = true
	}
	var out []string
	for _, sensor := range []string{"bounces", "mailbox", "events:ses", "events:sendgrid", "events:mailgun", "events:postmark", "events:standard"} {
		if !used[sensor] {
			out = append(out, sensor)
		}
	}
	return out
}

// hookConfigs are the hooks of a configuration.
func hookConfigs(cfg *config.Config) []hook.Config {
	var out []hook.Config
	for _, h := range cfg.Hooks {
		out = append(out, hook.Config{Provider: h.Provider, Secret: string(h.Secret), Topics: h.Topics, Replies: cfg.Replies()})
	}
	return out
}

// hookProblems are the hooks that start-up would refuse for what is in their secret.
func hookProblems(file string, cfg *config.Config) []config.Problem {
	var out []config.Problem
	for _, c := range hookConfigs(cfg) {
		if _, err := hook.New(c); err != nil {
			out = append(out, config.Problem{File: file, What: "[[hook]]: " + err.Error(), Try: "copy it again from the provider's console"})
		}
	}
	return out
}
