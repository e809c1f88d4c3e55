package dnscheck

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reading is what the DNS of a send said at one moment: the answers, and of each record that a receiver judges the mail by what it means
// for us.
type Reading struct {
	Records []Record `json:"records"` // by kind and name
	Lookups []Lookup `json:"lookups"` // by name
}

// RecordKind is what a record is for.
type RecordKind string

// The kinds of records that a mail is judged by.
const (
	RecordDKIM  RecordKind = "dkim"
	RecordSPF   RecordKind = "spf"
	RecordDMARC RecordKind = "dmarc"
)

// Record is one record that a mail is judged by.
type Record struct {
	Kind RecordKind `json:"kind"`
	// Name is where it stands; of a DMARC record the author's domain, from which receivers look upwards.
	Name string `json:"name"`
	// State is what it means for us. dkim: a KeyStatus. spf: none, several, permerror, the worst result for our addresses, or found where
	// none is known. dmarc: missing, or the policy. unknown: DNS failed.
	State string `json:"state"`
	Text  string `json:"text,omitempty"`  // as published, several joined by " | ", at most 512 octets; "" = there is none
	About string `json:"about,omitempty"` // spf: those of our addresses that State is about, where it is not pass
}

// StateUnknown is the state of a record that could not be read.
const StateUnknown = "unknown"

// Good reports whether mail can pass by this record. A DMARC record stops no mail by itself.
func (r Record) Good() bool {
	switch r.Kind {
	case RecordDKIM:
		return r.State == string(KeyMatch)
	case RecordSPF:
		return r.State == string(SPFPass) || r.State == "found"
	}
	return r.State != StateUnknown
}

// Cause is what it leads to in the catalogue while mail cannot pass by it; "" where it can.
func (r Record) Cause() string {
	switch {
	case r.Good() || !r.Known():
		return ""
	case r.Kind == RecordDKIM:
		return "sender.dkim_key_mismatch"
	case r.State == string(SPFPermError) || r.State == "several":
		return "sender.spf_permerror"
	case r.State == string(SPFNone):
		return "sender.unauthenticated"
	}
	return "sender.spf_fail"
}

// Known reports whether DNS answered.
func (r Record) Known() bool { return r.State != StateUnknown }

// Hash is equal for two readings that say the same, as Report.Hash is.
func (r Reading) Hash() string { return hash(stable(r.Lookups), r.Records) }

// Snapshot asks only what the DNS of a send is judged by: SPF of the envelope, the selectors' keys, and DMARC. It is kept with
// a send, once per distinct Hash, so that a verdict can say what a record was then.
func Snapshot(ctx context.Context, q Question, d Deps) Reading {
	ctx, cancel := context.WithTimeout(ctx, or(d.Deadline, 5*time.Second))
	defer cancel()
	s := newSession(d.DNS, or(d.Lookups, 500))
	domain, envelope := cleanDomain(q.Domain), cleanDomain(or(q.EnvelopeDomain, q.Domain))
	if domain == "" || envelope == "" {
		return Reading{}
	}
	records := make([]Record, 2+len(q.Selectors))
	var parts sync.WaitGroup
	parts.Go(func() { records[0] = readSPF(ctx, s, envelope, q) })
	parts.Go(func() { records[1] = readDMARC(CheckDMARC(ctx, s, DMARCQuestion{Author: domain, Envelope: envelope})) })
	for i, sel := range q.Selectors {
		parts.Go(func() {
			k := CheckKey(ctx, s, domain, sel)
			records[2+i] = Record{Kind: RecordDKIM, Name: k.Name, State: string(k.Status), Text: joined(k.Records)}
		})
	}
	parts.Wait()
	slices.SortFunc(records, func(a, b Record) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return Reading{Records: records, Lookups: s.lookups()}
}

func readSPF(ctx context.Context, s *session, envelope string, q Question) Record {
	c := CostSPF(ctx, s, envelope)
	r := Record{Kind: RecordSPF, Name: envelope, State: "found", Text: joined(c.Records)}
	switch {
	case c.Unknown != "":
		r.State = StateUnknown
		return r
	case len(c.Records) == 0:
		r.State = string(SPFNone)
		return r
	case len(c.Records) > 1:
		r.State = "several"
		return r
	case c.Wrong != "" || len(q.IPs) == 0 && c.Lookups > spfMaxLookups:
		r.State = string(SPFPermError)
		return r
	}
	// From the mildest on: one address that does not pass is what users feel.
	order := []SPFResult{SPFPass, SPFNeutral, SPFSoftFail, SPFFail, SPFNone, SPFPermError}
	worst, about, unknown := -1, []netip.Addr(nil), false
	for _, ip := range q.IPs {
		v := CheckSPF(ctx, s, SPFQuestion{IP: ip, MailFrom: envelope, HELO: q.HELO})
		switch i := slices.Index(order, v.Result); {
		case i < 0:
			unknown = true
		case i > worst:
			worst, about = i, []netip.Addr{ip}
		case i == worst:
			about = append(about, ip)
		}
	}
	if unknown && worst <= 0 {
		r.State = StateUnknown
		return r
	}
	if worst < 0 {
		return r
	}
	r.State = string(order[worst])
	if worst > 0 {
		var list []string
		for _, ip := range about {
			list = append(list, ip.Unmap().String())
		}
		r.About = strings.Join(list, ", ")
	}
	return r
}

func readDMARC(d DMARC) Record {
	r := Record{Kind: RecordDMARC, Name: d.Domain, State: "missing"}
	switch {
	case d.TempError != "":
		r.State = StateUnknown
	case d.Found && d.Record != nil:
		r.State, r.Text = or(d.Policy, "none"), clip(d.Record.Text, 512)
	}
	return r
}

func joined(texts []string) string { return clip(strings.Join(texts, " | "), 512) }

// Standing is a record as it was seen last, while DNS answered.
type Standing struct {
	Record
	Seen    time.Time `json:"seen"`             // the last time that it was so
	Changed time.Time `json:"changed,omitzero"` // when it last became another one; zero = never since we look
	Often   int       `json:"often,omitempty"`  // changes within an hour of each other
}

// Change is a record that says something else than before.
type Change struct {
	Was Standing
	Now Record
}

// A record that changes all the time, because the servers of a zone disagree, is told a few times and then at long intervals.
const (
	oftenChanges = 6
	oftenHold    = 10 * time.Minute
)

// Follow brings the standing of a domain's records up to date with a reading and gives what changed. What DNS did not answer for is left
// as it was; a record that was never seen before has not changed.
func Follow(old []Standing, r Reading, at time.Time) (now []Standing, changed []Change) {
	for _, rec := range r.Records {
		i := slices.IndexFunc(old, func(s Standing) bool { return s.Kind == rec.Kind && s.Name == rec.Name })
		switch {
		case !rec.Known() && i >= 0:
			now = append(now, old[i])
		case !rec.Known():
		case i < 0:
			now = append(now, Standing{Record: rec, Seen: at})
		case old[i].Record == rec:
			s := old[i]
			s.Seen = at
			now = append(now, s)
		case old[i].Often >= oftenChanges && at.Sub(old[i].Changed) < oftenHold:
			now = append(now, old[i])
		default:
			s := Standing{Record: rec, Seen: at, Changed: at, Often: 1}
			if at.Sub(old[i].Changed) < time.Hour {
				s.Often = old[i].Often + 1
			}
			now = append(now, s)
			changed = append(changed, Change{Was: old[i], Now: rec})
		}
	}
	return now, changed
}
