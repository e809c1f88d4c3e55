package diag

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// What other people's mails say of this one's: comparisons, made by the caller from its counters.

// Outage is a provider to which mails of many people are put off, far more than usual.
type Outage struct {
	Provider string // as ProviderOf names it
	Since    time.Time
	Until    time.Time // zero = still
	Resets   int       // how many resets wait, or waited, because of it
}

// Unanswered is a time in which the mail hosts of several providers did not answer the dial.
type Unanswered struct{ Since, Until time.Time } // Until zero = still

// Opens compares, over the last days, how many accepted mails of one provider were followed by a visit of their link. Mails younger than
// an hour are left out: people need time.
type Opens struct {
	Accepted, Opened             int // of this provider
	OthersAccepted, OthersOpened int // of all others
}

// Events are what a route's mail provider tells by a hook.
type Events struct {
	Provider string
	Last     time.Time // the newest event of all its mails; zero = none ever
}

// eventsGrace is how long a provider may take for its first word about a mail.
const eventsGrace = 15 * time.Minute

// ProviderOf names who runs the host of a dialogue: a provider that diag/reply knows, else the organisation's part of the host's name; ""
// for our own relay, or where no host is known.
func ProviderOf(a *ledger.Attempt) string {
	if a == nil || a.Smart || a.Host == "" {
		return ""
	}
	if p := reply.Provider(a.Host, "", ""); p != "" {
		return p
	}
	return organisation(strings.ToLower(strings.TrimSuffix(a.Host, ".")))
}

// named writes a provider for people: its name with a capital, a host's as it is.
func named(p string) string {
	switch p {
	case "ses":
		return "Amazon SES"
	case "standard", "":
		return "the mail provider"
	}
	if strings.Contains(p, ".") {
		return quote(p)
	}
	return strings.ToUpper(p[:1]) + quote(p[1:])
}

// organisation is the last two labels of a host's name, or three where the last but one is as short as in co.uk.
func organisation(host string) string {
	labels := strings.Split(host, ".")
	n := 2
	if len(labels) > 2 && len(labels[len(labels)-1]) == 2 && len(labels[len(labels)-2]) <= 3 {
		n = 3
	}
	if len(labels) > n {
		labels = labels[len(labels)-n:]
	}
	return strings.Join(labels, ".")
}

// outage puts a provider's outage before a deferral that names no nearer reason, when this mail is one of many. A host of the recipient's own
// domain is no provider: when it is down, deferred.remote_down says it better.
func (v *view) outage(m *ledger.Message, own []finding) []finding {
	if len(own) == 0 || own[0].cause != "deferred.other" && own[0].cause != "deferred.remote_down" {
		return own
	}
	f := last(own[0].facts)
	p := ProviderOf(f.Attempt)
	domain := domainOf(v.sentTo[m.ID])
	if p == "" || p == organisation(domain) {
		return own
	}
	for _, o := range v.in.Outages {
		if o.Provider != p || f.At.Before(o.Since.Add(-slack)) || !o.Until.IsZero() && f.At.After(o.Until.Add(slack)) {
			continue
		}
		out := finding{cause: "deferred.provider_outage", conf: Likely, rank: mail, facts: own[0].facts, notBefore: own[0].notBefore}
		out.vars = own[0].vars.with("provider", named(p), "since_outage", v.at(o.Since), "n", strconv.Itoa(o.Resets))
		for i := range own {
			own[i].rank, own[i].conf = note, Possible
		}
		return append(one(out), own...)
	}
	return own
}

// dropped: a mail without a trace, at a provider where no mail leaves one while those of others do. With the others' rate of opens the
// chance of so many unopened mails must be below one in a thousand.
func (v *view) dropped(f ledger.Fact) (finding, bool) {
	p := ProviderOf(f.Attempt)
	o, known := v.in.Opens[p]
	if p == "" || !known || o.Opened > 0 || o.Accepted < 10 || o.OthersAccepted < 20 || v.now.Sub(f.At) < time.Hour || v.visitedSince() {
		return finding{}, false
	}
	rate := float64(o.OthersOpened) / float64(o.OthersAccepted)
	if rate < 0.2 || math.Pow(1-rate, float64(o.Accepted)) > 0.001 {
		return finding{}, false
	}
	out := finding{cause: "accepted.silently_dropped", conf: Likely, rank: mail, facts: []ledger.Fact{f}, rests: "links"}
	if gateway(f.Attempt.Host) {
		out.cause = "accepted.quarantined" // that is what a gateway does with mail that it does not like
		out.says = "Their mail gateway probably holds the mail in quarantine: of the last {n} mails to {provider} none was opened, of {m} to others {k} were."
	}
	out.vars = vars{"t": v.at(f.At), "host": f.Attempt.Host, "queue": f.Attempt.QueueID, "provider": named(p),
		"n": strconv.Itoa(o.Accepted), "m": strconv.Itoa(o.OthersAccepted), "k": strconv.Itoa(o.OthersOpened)}
	return out, true
}

// visitedSince tells whether anybody was at a link since the newest mail was born.
func (v *view) visitedSince() bool {
	for _, f := range v.facts {
		if !f.At.Before(v.born) && (f.Event == ledger.Opened || f.Event == ledger.Proceeded || f.Event == ledger.Redeemed || f.Event == ledger.Declined) {
			return true
		}
	}
	return false
}

// silentProvider: the relay's provider is to tell what becomes of each mail, and has told nothing of any since this one was handed over.
func (v *view) silentProvider(m *ledger.Message, f ledger.Fact) (finding, bool) {
	e, hooked := v.in.Events[f.Attempt.Route]
	if !hooked || e.Last.After(f.At) || v.now.Sub(f.At) < eventsGrace {
		return finding{}, false
	}
	out := finding{cause: "unknown.provider_events_missing", conf: Certain, rank: trace, facts: []ledger.Fact{f}}
	out.vars = vars{"t": v.at(f.At), "provider": named(e.Provider), "queue": f.Attempt.QueueID, "last": led("since ", v.at(e.Last))}
	return out, true
}

// rewritten: the provider tells of a click, which it can know only from a link that it has put in the place of ours, and nobody came to our
// page since: its link leads nowhere.
func rewritten(v *view) []finding {
	if v.told == nil || v.used >= 0 {
		return nil
	}
	var click ledger.Fact
	for _, f := range v.facts {
		if f.At.Before(v.born) || f.Visit == nil {
			continue
		}
		switch {
		case f.Visit.Via != "" && f.Visit.Method != imageFetch:
			click = f
		case f.Visit.Via == "" && click.Visit != nil:
			return nil // the provider's link led on to ours
		}
	}
	// Two clocks, and a browser that is on its way.
	if click.Visit == nil || v.now.Sub(click.At) < slack {
		return nil
	}
	return one(finding{cause: "link.rewritten", conf: Likely, rank: link, rests: "links", facts: []ledger.Fact{click}, vars: vars{"click": v.at(click.At)}})
}

// imageFetch is the Method of a visit that a provider's tracking image tells of: the mail was shown, or fetched ahead by a program.
const imageFetch = "IMAGE"
