package config

import (
	_ "embed"
	"time"
)

//go:embed example.toml
var example string

// Example is the annotated configuration: every key, with a comment.
func Example() string { return example }

// Default is a configuration before any file is read. It lacks what only its owner knows: public_url, helo, keys, realms.
func Default() *Config {
	minutes := func(ms ...int) (out []Duration) {
		for _, m := range ms {
			out = append(out, Duration(time.Duration(m)*time.Minute))
		}
		return out
	}
	return &Config{
		HTTP:     HTTP{Listen: "127.0.0.1:8025"},
		Store:    Store{Redis: "redis://127.0.0.1:6379/0", Dir: "redis-data", Durability: "fsync", Retention: Duration(720 * time.Hour)},
		Throttle: Throttle{Account: Rate{5, time.Hour}, Source: Rate{100, time.Hour}, Merge: Duration(time.Minute)},
		Delivery: Delivery{Retry: minutes(1, 3, 6, 10, 15, 30)},
		SMTP:     SMTP{BounceListen: "127.0.0.1:2525", DMARCReports: "dmarc-reports", TLSReports: "tls-reports"},
		Canary:   Canary{Every: Duration(time.Hour), Within: minutes(15)[0], OpenPage: true},
	}
}

// defaulter is a table in a list: its defaults are set before its keys are read.
type defaulter interface{ SetDefaults() }

// SetDefaults is called before the keys of the table are read.
func (r *Route) SetDefaults() { r.Port, r.MTASTS, r.DANE = 25, true, true }

// SetDefaults is called before the keys of the table are read.
func (r *Realm) SetDefaults() {
	r.Login, r.TokenTTL, r.Resets, r.Reveal, r.Directory.Kind = "password", Duration(time.Hour), "on", "off", "none"
}
