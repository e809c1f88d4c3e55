package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/mailer/bounce/hook"
	"github.com/resetd/resetd/mailer/bounce/postlog"
	"github.com/resetd/resetd/worker/task"
)

func ingestCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "take in what other programs wrote down about our mails",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(ingestPostfixCmd(), ingestReportsCmd())
	return ours(cmd)
}

func ingestPostfixCmd() *cobra.Command {
	var file string
	var follow, asJSON bool
	cmd := &cobra.Command{
		Use:   "postfix-log FILE",
		Short: "read a relay's Postfix log, so that its own hop is seen",
		Long: `Reads the log of a Postfix that relays our mails, and hands what it says about them to the workers: taken by the next host, put off,
given up. - reads standard input. -follow goes on with what is appended, also after the log was rotated.

The same log may be read any number of times: each line counts once. Times without a zone are taken as of this machine's (TZ).`,
		Example: "  resetd ingest postfix-log -config resetd.toml -follow /var/log/mail.log\n  journalctl -u postfix -o short-iso | resetd ingest postfix-log -config resetd.toml -",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return wrongUsage(cmd, "ingest needs the daemon's configuration: it writes to the same store")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			stats, err := ingestPostfix(ctx, file, args[0], follow, newLog())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]int{"lines": stats.Lines, "ours": stats.Ours, "events": stats.Events})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d lines read, %d mails of ours, %d events about them\n", stats.Lines, stats.Ours, stats.Events)
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the daemon's configuration `FILE`")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what is appended")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return ours(cmd)
}

// ingestPostfix reads a log into the store.
func ingestPostfix(ctx context.Context, file, path string, follow bool, log zerolog.Logger) (postlog.Stats, error) {
	cfg, err := config.Load(file, os.Environ())
	if err != nil {
		return postlog.Stats{}, &exitError{exitBadNews, "the configuration is refused:\n" + err.Error()}
	}
	in, err := newIngest(cfg, follow, log)
	if err != nil {
		return postlog.Stats{}, err
	}
	defer in.close()
	lines, err := openLines(path, follow)
	if err != nil {
		return postlog.Stats{}, couldNot("%v", err)
	}
	if follow {
		beat, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); in.beat(beat) }()
		defer func() {
			stop()
			<-done
			// Whoever follows the log next reads it from its beginning: nothing will have been missed.
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := in.events.store.Forget(bye, "log"); err != nil {
				log.Warn().Err(err).Msg("could not say goodbye")
			}
		}()
	}
	if err := in.read(ctx, lines); err != nil {
		return in.reader.Stats, couldNot("%v\nNothing is lost: read the log again, what was taken in does not count twice.", err)
	}
	return in.reader.Stats, nil
}

// ingest is a source that runs by itself and writes to the store of the daemon; see docs/decisions.
type ingest struct {
	events *events
	reader *postlog.Reader
	follow bool
	log    zerolog.Logger
	close  func() error
}

func newIngest(cfg *config.Config, follow bool, log zerolog.Logger) (*ingest, error) {
	if cfg.Store.Redis == "" {
		return nil, couldNot("[store] redis is empty: the daemon has started a server of its own, which others cannot find. Name one in the configuration.")
	}
	rdb, err := store.Open(string(cfg.Store.Redis))
	if err != nil {
		return nil, couldNot("%v", err)
	}
	var keys []token.Key
	var pathKeys []mailer.Key
	for _, k := range cfg.TokenKeys() {
		keys = append(keys, token.Key{ID: k.ID, Secret: k.Secret})
		pathKeys = append(pathKeys, mailer.Key{ID: k.ID, Secret: k.Secret})
	}
	sealer, err := token.NewSealer(keys)
	if err != nil {
		return nil, couldNot("%v", err)
	}
	paths, err := mailer.NewPaths(cfg.SMTP.BounceDomain, pathKeys)
	if err != nil {
		return nil, couldNot("%v", err)
	}
	st := store.New(rdb, store.Options{Retention: time.Duration(cfg.Store.Retention), Durability: cfg.Store.Durability})
	return &ingest{
		events: newEvents(log, st, sealer, task.NewClient(rdb)), reader: &postlog.Reader{Own: paths.ParseMessageIDHeader, Replies: cfg.Replies()},
		follow: follow, log: log, close: rdb.Close,
	}, nil
}

// ingestUnit is how many events are handed over together.
const ingestUnit = 500

// read hands over the events on lines until they end or ctx does.
func (in *ingest) read(ctx context.Context, lines lineSource) error {
	var pending []hook.Event
	for {
		line, err := lines.next(ctx, len(pending) > 0)
		switch {
		case errors.Is(err, errNoneYet):
			err = in.hand(ctx, pending)
			pending = nil
		case errors.Is(err, errNoMore):
			return in.hand(context.WithoutCancel(ctx), pending)
		case err == nil:
			if e, ok := in.reader.Line(line); ok {
				pending = append(pending, e)
			}
			if len(pending) >= ingestUnit {
				err = in.hand(ctx, pending)
				pending = nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// hand stores events. Whoever follows a log waits for a store that is away.
func (in *ingest) hand(ctx context.Context, list []hook.Event) error {
	u := hook.Unit{Source: postlog.Source, Events: list}
	name, err := u.Encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(name)
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := in.events.keepUnit(one, hex.EncodeToString(sum[:]), u)
		cancel()
		if err == nil || !in.follow {
			return err
		}
		in.log.Warn().Err(err).Msg("the store does not take events; trying again")
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// beat says that the log is followed.
func (in *ingest) beat(ctx context.Context) {
	t := time.NewTicker(store.SensorBeat)
	defer t.Stop()
	for {
		if err := in.events.store.Beat(ctx, "log"); err != nil && ctx.Err() == nil {
			in.log.Warn().Err(err).Msg("the store does not answer")
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
