package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/desk"
)

func demoCmd() *cobra.Command {
	var listen string
	var asJSON, logs bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "everything in one process, nothing to install",
		Long: `Runs everything in one process, in memory and on loopback: the store, DNS, mail hosts that each misbehave in one way, and people who
each have a different problem. What happens to them happens for real, through the same code as in serve; only time is shortened: what took
them up to half an hour is told in seconds, and ends now.

It prints the console's address, an API key for each role, and whom to look up. An interrupt ends it, and nothing is left behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			log := zerolog.Nop()
			if logs {
				log = newLog()
			}
			return demo(ctx, listen, log, cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8025", "where API and console listen, `ADDR`; port 0 picks one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON once the console answers, for programs")
	cmd.Flags().BoolVar(&logs, "log", false, "print the daemon's log on standard error")
	return ours(cmd)
}

// demoKeys are the secrets of the demo's API keys by role, new at each start.
type demoKeys struct {
	App     string `json:"app"`
	Support string `json:"support"`
	Admin   string `json:"admin"`
	Ops     string `json:"ops"`
}

func newDemoKeys() demoKeys {
	secret := func(role desk.Role) string {
		var b [12]byte
		rand.Read(b[:])
		return string(role) + "-" + hex.EncodeToString(b[:])
	}
	return demoKeys{App: secret(desk.App), Support: secret(desk.Support), Admin: secret(desk.Admin), Ops: secret(desk.Ops)}
}

func (k demoKeys) byRole() map[string]string {
	return map[string]string{"app": k.App, "support": k.Support, "admin": k.Admin, "ops": k.Ops}
}

// demo is the demo's story: a world, a daemon in it, people to whom things happen.
func demo(ctx context.Context, listen string, log zerolog.Logger, out io.Writer, asJSON bool) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return couldNot("cannot listen: %v\nTry -listen 127.0.0.1:0, which picks a free port.", err)
	}
	url := "http://" + l.Addr().String()
	stage, err := newStage(ctx, url, l, log)
	if err != nil {
		l.Close()
		return couldNot("%v", err)
	}
	defer stage.close()
	people := cast(stage.stories)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	progress := &progress{left: map[string]string{}}
	for _, p := range people {
		progress.left[p.Login+" in "+p.Realm] = p.Cause
	}
	stage.daemon.ready = progress.ready
	running := make(chan error, 1)
	go func() { running <- stage.daemon.run(ctx) }()
	if err := stage.answers(ctx); err != nil {
		cancel()
		return errors.Join(err, <-running)
	}
	if asJSON {
		line, err := json.Marshal(struct {
			URL    string   `json:"url"`
			Keys   demoKeys `json:"keys"`
			People []person `json:"people"`
		}{url, stage.keys, people})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", line)
	} else {
		printPeople(out, url, stage.keys, people, int(lasts(stage.stories).Minutes()))
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		if err := stage.reported(ctx); err != nil && ctx.Err() == nil {
			log.Error().Err(err).Msg("the demo's reports were not taken")
		}
		if err := stage.tell(ctx, log); err != nil {
			if ctx.Err() == nil {
				log.Error().Err(err).Msg("a story could not be told")
			}
			return
		}
		for _, p := range people {
			if stage.awaits(ctx, p) == nil {
				progress.done(p)
			}
		}
		if err := stage.canary(ctx); err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("no canary goes")
		}
	}()
	select {
	case <-told:
		if !asJSON && ctx.Err() == nil && progress.ready(ctx) == nil {
			fmt.Fprintf(out, "\nAll %d stories have reached their end. The demo goes on until you press Ctrl-C.\n", len(people))
		}
	case err := <-running:
		cancel()
		<-told
		return err
	}
	err = <-running
	cancel()
	return err
}

// progress is which stories have not reached their end.
type progress struct {
	mu   sync.Mutex
	left map[string]string
}

func (p *progress) done(who person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.left, who.Login+" in "+who.Realm)
}

func (p *progress) ready(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) == 0 {
		return nil
	}
	causes := make([]string, 0, len(p.left))
	for _, c := range p.left {
		causes = append(causes, c)
	}
	return fmt.Errorf("%d stories have not reached their end yet (%s)", len(causes), strings.Join(causes, ", "))
}

func printPeople(out io.Writer, url string, keys demoKeys, people []person, minutes int) {
	fmt.Fprintf(out, `resetd demo: a mail world in one process. Time was shortened: what happened in the last %d minutes is told in seconds, then time goes on as usual.

  Console   %s
            sign in with a key:

  support   %s    looks up, resends
  admin     %s    releases, cancels, reads the audit trail
  ops       %s    holds the queue
  app       %s    asks and redeems, as a program

Look somebody up, on the console or here:

  export RESETD_URL=%s RESETD_KEY=%s
  resetd why %s

Who                          Realm       What happened to them
`, minutes, url, keys.Support, keys.Admin, keys.Ops, keys.App, url, keys.Support, people[0].Login)
	for _, p := range people {
		fmt.Fprintf(out, "%-28s %-11s %s\n", p.Login, p.Realm, p.Story)
	}
}

// wait lets time pass in a story.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
