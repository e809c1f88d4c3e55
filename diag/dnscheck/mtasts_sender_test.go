package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// keeper keeps policies in memory.
type keeper struct {
	mu   sync.Mutex
	kept map[string]STSCached
}

func (k *keeper) STSPolicy(_ context.Context, domain string) (STSCached, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[domain], nil
}

func (k *keeper) KeepSTSPolicy(_ context.Context, domain string, c STSCached) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = map[string]STSCached{}
	}
	k.kept[domain] = c
	return nil
}

// What binds a sender over the life of a policy: RFC 8461 sections 3.3 and 5.
func TestSTSInForce(t *testing.T) {
	start := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	const record = `_mta-sts.d.example. TXT "v=STSv1; id=%s;"`
	type step struct {
		after   time.Duration // since the start
		id      string        // of the record; "" = none, "servfail" = DNS fails
		mode    string        // of the policy served; "" = nobody serves one
		want    string        // mode in force, "" = none
		fetched int           // so far
		why     string
	}
	for what, steps := range map[string][]step{
		"kept until it runs out, whatever DNS says": {
			{0, "1", "enforce", "enforce", 1, ""},
			{time.Minute, "", "", "enforce", 1, "no MTA-STS record"},
			{2 * time.Minute, "servfail", "", "enforce", 1, "cannot be looked up"},
			{3*time.Hour - time.Second, "", "", "enforce", 1, ""},
			{3 * time.Hour, "", "", "", 1, "no MTA-STS record"},
		},
		"never fetched, so nothing binds; and not asked again for a while": {
			{0, "1", "", "", 1, "status 404"},
			{time.Minute, "1", "enforce", "", 1, "status 404"},
			{4 * time.Minute, "2", "enforce", "enforce", 2, ""},
		},
		"a fetch that failed is tried again after five minutes": {
			{0, "1", "", "", 1, "status 404"},
			{5 * time.Minute, "1", "enforce", "enforce", 2, ""},
		},
		"a new id brings the new policy": {
			{0, "1", "enforce", "enforce", 1, ""},
			{time.Minute, "2", "testing", "testing", 2, ""},
			{2 * time.Minute, "2", "enforce", "testing", 2, ""},
		},
		"a new id whose policy is not to be had": {
			{0, "1", "enforce", "enforce", 1, ""},
			{time.Minute, "2", "", "enforce", 2, "the policy of before"},
			{3 * time.Hour, "2", "", "", 3, "status 404"},
		},
		"switched off by a policy of none": {
			{0, "1", "enforce", "enforce", 1, ""},
			{time.Minute, "2", "none", "none", 2, ""},
		},
		"nothing published": {{0, "", "enforce", "", 0, "no MTA-STS record"}},
	} {
		t.Run(what, func(t *testing.T) {
			now, fetched, mode := start, 0, ""
			client := policyServer(t, func(w http.ResponseWriter, r *http.Request) {
				fetched++
				if mode == "" {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/plain")
				fmt.Fprintf(w, "version: STSv1\nmode: %s\nmx: mx.d.example\nmax_age: %d\n", mode, 3*60*60)
			})
			k := &keeper{}
			for _, s := range steps {
				now, mode = start.Add(s.after), s.mode
				zone := fmt.Sprintf(record, s.id)
				switch s.id {
				case "":
					zone = "d.example. TXT x"
				case "servfail":
					zone = "_mta-sts.d.example. FAILS servfail"
				}
				// A sender each time: what is kept is kept by all workers, and outlives them.
				sender := &STSSender{DNS: newZone(t, zone), HTTP: client, Kept: k, Now: func() time.Time { return now }}
				got := sender.InForce(t.Context(), "D.example.")
				in := ""
				if got.Policy != nil {
					in = got.Policy.Mode
				}
				if in != s.want || fetched != s.fetched || !strings.Contains(got.Why, s.why) {
					t.Errorf("after %s: %q in force (%s), %d fetches; want %q, %q, %d", s.after, in, got.Why, fetched, s.want, s.why, s.fetched)
				}
			}
		})
	}
}

// A valid policy is looked at again after a day, so that it does not run out while nobody looks; and max_age 0 binds the mail at hand.
func TestSTSRefresh(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	c := STSCached{ID: "1", Policy: STSPolicy{Mode: "enforce", MaxAge: 30 * 24 * time.Hour}, Fetched: now}
	if c.Stale("1", now.Add(23*time.Hour)) || !c.Stale("1", now.Add(24*time.Hour)) || c.Stale("", now.Add(24*time.Hour)) || !c.Valid(now.Add(24*time.Hour)) {
		t.Error("a day is a day")
	}
	client := policyServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "version: STSv1\nmode: enforce\nmx: mx.d.example\nmax_age: 0\n")
	})
	s := &STSSender{DNS: newZone(t, `_mta-sts.d.example. TXT "v=STSv1; id=1;"`), HTTP: client, Kept: &keeper{}}
	if got := s.InForce(t.Context(), "d.example"); got.Policy == nil || got.Policy.Mode != "enforce" {
		t.Errorf("%+v", got)
	}
}

// A worker whose fetch fails does not take away what another worker has fetched meanwhile: that one's policy binds it too.
func TestSTSFailedFetchKeepsNewer(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	k := &keeper{}
	client := policyServer(t, func(w http.ResponseWriter, r *http.Request) {
		k.KeepSTSPolicy(r.Context(), "d.example", STSCached{ID: "1", Policy: STSPolicy{Mode: "enforce", MX: []string{"mx.d.example"}, MaxAge: time.Hour}, Fetched: now})
		w.WriteHeader(http.StatusInternalServerError)
	})
	s := &STSSender{DNS: newZone(t, `_mta-sts.d.example. TXT "v=STSv1; id=1;"`), HTTP: client, Kept: k, Now: func() time.Time { return now }}
	for range 2 {
		if got := s.InForce(t.Context(), "d.example"); got.Policy == nil || got.Policy.Mode != "enforce" {
			t.Fatalf("%+v", got)
		}
	}
}

// unreadable is a keeper that is away.
type unreadable struct{}

func (unreadable) STSPolicy(context.Context, string) (STSCached, error) {
	return STSCached{}, errors.New("away")
}
func (unreadable) KeepSTSPolicy(context.Context, string, STSCached) error { return errors.New("away") }

// However many mails there are at once, one fetch is under way; and a keeper that is away stops none of them.
func TestSTSOneFetch(t *testing.T) {
	var mu sync.Mutex
	now, most, first := 0, 0, make(chan struct{})
	client := policyServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-first
		mu.Lock()
		now--
		mu.Unlock()
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, goodPolicy)
	})
	z := newZone(t, `_mta-sts.d.example. TXT "v=STSv1; id=1;"`)
	s := &STSSender{DNS: z, HTTP: client, Kept: unreadable{}}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if got := s.InForce(t.Context(), "d.example"); got.Policy == nil {
				t.Errorf("%+v", got)
			}
		})
	}
	for z.count("TXT") < 100 {
		runtime.Gosched()
	}
	close(first)
	wg.Wait()
	if most != 1 {
		t.Errorf("%d fetches at once", most)
	}
}

// What every mail to a domain with a policy costs beside the sending.
func BenchmarkSTSInForce(b *testing.B) {
	k := &keeper{}
	s := &STSSender{DNS: newZone(b, `_mta-sts.d.example. TXT "v=STSv1; id=1;"`), HTTP: http.DefaultClient, Kept: k}
	if err := k.KeepSTSPolicy(b.Context(), "d.example", STSCached{ID: "1", Policy: STSPolicy{Mode: "enforce", MX: []string{"mx.d.example"}, MaxAge: time.Hour}, Fetched: time.Now()}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := s.InForce(b.Context(), "d.example"); got.Policy == nil {
			b.Fatalf("%+v", got)
		}
	}
}
