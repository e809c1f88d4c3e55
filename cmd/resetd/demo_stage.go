package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/scenario"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/store"
)

// stage is the demo's world with a daemon in it.
type stage struct {
	url     string
	keys    demoKeys
	stories []*scenario.Scenario
	world   *scenario.Stage
	redis   redis.UniversalClient
	daemon  *daemon
	dir     string
}

// newStage builds the world of all stories that are shown, and a daemon in it from a configuration as an operator would write it; nothing
// runs yet. The world's clock is put back by as long as the stories last.
func newStage(ctx context.Context, url string, l net.Listener, log zerolog.Logger) (s *stage, err error) {
	s = &stage{url: url, keys: newDemoKeys()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.stories, err = scenario.Shown(); err != nil {
		return s, err
	}
	all, err := scenario.Merge(s.stories)
	if err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp("", "resetd-demo-"); err != nil {
		return s, err
	}
	if s.world, err = scenario.Build(s.dir, all, nil, scenario.Options{SimRedis: true, Listen: l.Addr().String(), PublicURL: url, Secrets: s.keys.byRole(), RSA: true}); err != nil {
		return s, err
	}
	cfg, err := config.Load(s.world.File, nil)
	if err != nil {
		return s, err
	}
	p, err := partsOf(cfg, partNames, log)
	if err != nil {
		return s, err
	}
	if p.redis, err = store.Open(string(cfg.Store.Redis)); err != nil {
		return s, err
	}
	s.redis = p.redis
	p.store = store.New(p.redis, store.Options{Retention: time.Duration(cfg.Store.Retention), Durability: cfg.Store.Durability})
	s.world.Sim.Advance(-lasts(s.stories))
	if _, err = p.store.SyncClock(ctx); err != nil {
		return s, err
	}
	p.apiListen, p.lookout = l, 2*time.Second
	if p.bounceListen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return s, err
	}
	s.world.Sim.BounceTo(scenario.BounceDomain, p.bounceListen.Addr().String())
	s.world.Sim.Host("mail."+scenario.OurDomain, sim.Forward(p.bounceListen.Addr().String()))
	p.canary.every = 0 // one goes once the stories are told; the relays of stories fail on purpose
	s.daemon, err = assemble(ctx, p)
	return s, err
}

// canary sends one by the way of most people's mail, so that the console has something to show.
func (s *stage) canary(ctx context.Context) error {
	for _, l := range s.daemon.desk.Loops.Lanes {
		if l.Domain == scenario.OurDomain && l.Route == "mx" {
			_, err := s.daemon.desk.BeginLoop(ctx, l, "")
			return err
		}
	}
	return nil
}

// answers waits until the API does.
func (s *stage) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if res, err := http.Get(s.url + "/healthz"); err == nil {
			return res.Body.Close()
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *stage) close() {
	var errs []error
	if s.daemon != nil {
		s.daemon.closeListeners()
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Close())
	}
	if s.world != nil {
		errs = append(errs, s.world.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	_ = errors.Join(errs...) // the demo is over, and nothing of it is to be kept
}
