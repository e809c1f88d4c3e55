package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/resetd/resetd/diag"
)

var (
	descCanaryEvery   = desc("canary_every_seconds", "How often a canary goes by itself by each way; 0 = never.")
	descCanaryOK      = desc("canary_last_success_timestamp_seconds", "When a canary last went through the whole chain, by sending domain and route.", "domain", "route")
	descCanaryRun     = desc("canary_last_run_timestamp_seconds", "When the newest canary that has come to its end began.", "domain", "route")
	descCanaryLink    = desc("canary_link_ok", "Links of the chain in the newest canary: 1 it holds, 0 it failed. One that could not be seen, or was not reached, is absent.", "domain", "route", "link")
	descCanarySeconds = desc("canary_link_seconds", "What a link that holds took, from the one before it.", "domain", "route", "link")
)

func canaryDescs() []*prometheus.Desc {
	return []*prometheus.Desc{descCanaryEvery, descCanaryOK, descCanaryRun, descCanaryLink, descCanarySeconds}
}

// canaries tells the newest canary of each way. Domains, routes and links are from the configuration and a closed set.
func (c collector) canaries(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) error {
	gauge(descCanaryEvery, c.every.Seconds())
	results, err := c.store.LoopResults(ctx)
	if err != nil {
		return err
	}
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	for _, body := range results {
		var r diag.LoopRun
		if json.Unmarshal(body, &r) != nil {
			continue
		}
		gauge(descCanaryRun, seconds(r.Began), r.Domain, r.Route)
		if !r.LastOK.IsZero() {
			gauge(descCanaryOK, seconds(r.LastOK), r.Domain, r.Route)
		}
		for _, l := range r.Links {
			switch l.Result {
			case diag.LoopOK:
				gauge(descCanaryLink, 1, r.Domain, r.Route, l.Name)
				gauge(descCanarySeconds, float64(l.Millis)/1000, r.Domain, r.Route, l.Name)
			case diag.LoopFailed:
				gauge(descCanaryLink, 0, r.Domain, r.Route, l.Name)
			}
		}
	}
	return nil
}
