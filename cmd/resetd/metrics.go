package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
)

// collector reads the store when it is scraped: what it says is true of the whole installation, whichever process is asked. Labels are
// from closed sets; no login, address or id is ever one.
type collector struct {
	store    *store.Store
	receiver *bounce.Receiver // of this process; nil = it has none
	every    time.Duration    // how often canaries go by themselves; 0 = never
	log      zerolog.Logger
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("resetd_"+name, help, labels, nil)
}

var (
	descUp       = desc("store_up", "Whether the store answered this scrape (1) or not (0).")
	descClock    = desc("clock_ahead_seconds", "How far Redis' clock is ahead of this process' own.")
	descQueue    = desc("queue_messages", "Messages by state of their work: due and unclaimed, waiting for a booked time, in flight.", "state")
	descOldest   = desc("queue_oldest_due_seconds", "How long the oldest due and unclaimed message has waited.")
	descReturns  = desc("returns_unread", "Returned mails that no worker has read yet.")
	descRoute    = desc("route_messages", "Open messages by route, and those of them that a host has put off.", "route", "state")
	descPaused   = desc("paused", "1 while sending is held, on a route or (route \"\") on all.", "route")
	descWorkers  = desc("workers", "Workers with a heartbeat.")
	descBlind    = desc("sensor_blind", "1 while a source of facts cannot see.", "sensor")
	descAttempts = desc("attempts_total", "SMTP dialogues by outcome.", "outcome")
	descTLS      = desc("tls_total", "How mails left, and what kept them: in clear, over TLS whose certificate does not verify, verified, as MTA-STS or DANE demands; a failure of a policy that is enforced, or in testing.", "outcome")
	descRefused  = desc("refused_total", "Requests decided without a mail, by reason.", "reason")
	descFailed   = desc("failed_total", "Messages that could not be built, by reason.", "reason")
	descReturned = desc("returned_total", "Facts read from returned mail, by kind.", "fact")
	descReports  = desc("reports_total", "Reports of receivers about our mail in bulk, by what became of them: counted, known, unreadable, not_ours, empty, too_old, too_new, too_many; trouble = they say that our mail fails.", "became")
	descReceived = desc("receiver_total", "What the receiver of this process saw: sessions, mails kept, attempts to relay, forged return paths and the like.", "what")
	descProvider = desc("provider_events_total", "What became of the events of providers and mail logs: taken, by kind (delivered, bounced …); again, told before; unmatched, of no mail of ours; ignored, saying nothing to us; refused_WHY, requests that were not taken.", "provider", "outcome")
	descOther    = desc("events_total", "Other things that happened: expired, postponed, suppressed.", "event")
)

// Describe is part of prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range canaryDescs() {
		ch <- d
	}
	for _, d := range []*prometheus.Desc{descUp, descClock, descQueue, descOldest, descReturns, descRoute, descPaused, descWorkers, descBlind, descAttempts, descTLS, descRefused, descFailed, descReturned, descReports, descReceived, descProvider, descOther} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if c.receiver != nil {
		s := c.receiver.Stats()
		for what, n := range map[string]uint64{"sessions": s.Sessions, "turned_off": s.TurnedOff, "cut_off": s.CutOff, "kept": s.Kept, "boxed": s.Boxed, "not_kept": s.NotKept, "forged": s.Forged, "foreign": s.Foreign, "canaries": s.Canaries, "too_large": s.TooLarge, "faults": s.Faults} {
			ch <- prometheus.MustNewConstMetric(descReceived, prometheus.CounterValue, float64(n), what)
		}
	}
	if err := c.collect(ctx, ch, gauge); err != nil {
		c.log.Warn().Err(err).Msg("metrics are not complete")
		gauge(descUp, 0)
		return
	}
	gauge(descUp, 1)
}

func (c collector) collect(ctx context.Context, ch chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) error {
	q, err := c.store.Status(ctx)
	if err != nil {
		return err
	}
	gauge(descClock, c.store.Ahead().Seconds())
	gauge(descQueue, float64(q.Due), "due")
	gauge(descQueue, float64(q.Waiting), "waiting")
	gauge(descQueue, float64(q.InFlight), "in_flight")
	gauge(descOldest, q.OldestDue.Seconds())
	gauge(descReturns, float64(q.Returns))
	for _, r := range q.Routes {
		name := r.Route
		if name == "-" {
			name = "undecided"
		}
		gauge(descRoute, float64(r.Waiting), name, "open")
		gauge(descRoute, float64(r.Deferred), name, "deferred")
	}
	holds, err := c.store.Holds(ctx)
	if err != nil {
		return err
	}
	for route := range holds {
		gauge(descPaused, 1, route)
	}
	workers, _, err := c.store.Workers(ctx)
	if err != nil {
		return err
	}
	gauge(descWorkers, float64(workers))
	_, blind, err := c.store.House(ctx)
	if err != nil {
		return err
	}
	for _, b := range blind {
		if b.To.IsZero() {
			gauge(descBlind, 1, b.Sensor)
		}
	}
	if err := c.canaries(ctx, gauge); err != nil {
		return err
	}
	counters, err := c.store.Counters(ctx)
	if err != nil {
		return err
	}
	for name, n := range counters {
		kind, label, ok := strings.Cut(name, ":")
		if provider, outcome, two := strings.Cut(label, ":"); kind == "events" && two {
			ch <- prometheus.MustNewConstMetric(descProvider, prometheus.CounterValue, float64(n), provider, outcome)
			continue
		}
		d := map[string]*prometheus.Desc{"attempts": descAttempts, "tls": descTLS, "refused": descRefused, "failed": descFailed, "returns": descReturned, "reports": descReports}[kind]
		if !ok || d == nil {
			d, label = descOther, name
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), label)
	}
	return nil
}

// metricsHandler serves the collector, with Go's own numbers of this process.
func metricsHandler(s *store.Store, receiver *bounce.Receiver, every time.Duration, log zerolog.Logger) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{s, receiver, every, log}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Timeout: 5 * time.Second})
}
