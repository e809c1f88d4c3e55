package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/scenario"
)

// person is somebody with a problem. Cause is what `why` must say once the story has reached its end; nothing but the story leads there.
type person struct {
	Login string `json:"login"`
	Realm string `json:"realm"`
	Story string `json:"story"`
	Cause string `json:"cause"`
}

// cast is who plays in the stories, in their order: the seed story comes first.
func cast(stories []*scenario.Scenario) []person {
	people := make([]person, len(stories))
	for i, s := range stories {
		people[i] = person{Login: s.Demo.Login, Realm: s.Demo.Realm, Story: s.Demo.Says, Cause: s.Asked(s.Demo.Login, s.Demo.Realm)}
	}
	return people
}

// lasts is how long ago the stories begin: they are told in seconds, and end now.
func lasts(stories []*scenario.Scenario) time.Duration {
	var longest time.Duration
	for _, s := range stories {
		longest = max(longest, s.End())
	}
	return longest
}

// tell plays all stories side by side, through the API like any application and any support desk.
func (s *stage) tell(ctx context.Context, log zerolog.Logger) error {
	p := scenario.Player{
		House: scenario.House{URL: s.url, Secrets: s.keys.byRole(), Stage: s.world, Bounces: func() string { return s.daemon.bounceListen.Addr().String() }, Advance: s.advance},
		Outcome: func(o scenario.Outcome) {
			for _, w := range o.Wrong {
				log.Error().Str("story", o.Scenario).Int("line", o.Line).Msg(w)
			}
		},
	}
	var parts []scenario.Cast
	for _, story := range s.stories {
		parts = append(parts, scenario.Cast{Scenario: story})
	}
	return p.Play(ctx, parts...)
}

// advance lets time pass in a moment.
func (s *stage) advance(ctx context.Context, d time.Duration) error {
	st := s.daemon.store
	if err := st.Carry(ctx, st.Now().Add(d)); err != nil {
		return err
	}
	s.world.Sim.Advance(d)
	_, err := st.SyncClock(ctx)
	return err
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
