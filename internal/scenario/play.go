package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/ledger"
)

// House is a running resetd with its world: where stories are played.
type House struct {
	URL     string            // of its API
	Secrets map[string]string // of the API keys, by role
	Stage   *Stage
	// Bounces is where returned mail is taken, host:port; "" = nowhere now.
	Bounces func() string
	// Advance lets time pass at once, for resetd, its store and the world.
	Advance func(context.Context, time.Duration) error
	// Parts stops, crashes or starts the worker or the receiver; nil = cannot.
	Parts func(ctx context.Context, part, what string) error
	// Step moves the clock of resetd's store and of nobody else, forwards or back; nil = cannot.
	Step func(context.Context, time.Duration) error
	// Lose takes the queue out of the store, as somebody with too many rights may; nil = cannot.
	Lose func(context.Context) error
}

// QueueKeys are the patterns of the Redis keys without which nothing is sent, for a house that loses its queue.
func QueueKeys() []string { return []string{"rd:{p*}:due:*", "rd:{p*}:lease:*", "asynq:*"} }

// Player plays stories in a house.
type Player struct {
	House
	Outcome func(Outcome) // called for each line that expects something
	// Patience is how long a line that is not as expected is tried again; 0 = 2 s.
	Patience time.Duration

	asked map[[2]string][]ledger.ResetID // by login and realm, oldest first
	fresh map[ledger.ResetID]bool        // asked for, and not known to be begun with
	idle  bool                           // the worker is stopped: nothing that is due will be done

	events int // that providers have told
}

// Play plays stories side by side on one clock, each from its own start on. An error means that a story could not be told; what is
// told otherwise than expected is an Outcome.
func (p *Player) Play(ctx context.Context, parts ...Cast) error {
	if p.asked == nil {
		p.asked, p.fresh = map[[2]string][]ledger.ResetID{}, map[ledger.ResetID]bool{}
	}
	var now time.Duration
	for {
		next, any := time.Duration(0), false
		for i := range parts {
			if c := &parts[i]; c.done < len(c.Steps) {
				if at := c.Start + c.Steps[c.done].At; !any || at < next {
					next, any = at, true
				}
			}
		}
		if !any {
			return p.settle(ctx)
		}
		if next > now {
			if err := p.settle(ctx); err != nil {
				return err
			}
			if err := p.Advance(ctx, next-now); err != nil {
				return err
			}
			now = next
		}
		if err := p.moment(ctx, parts, now); err != nil {
			return err
		}
	}
}

// Cast is a story and when it begins, counted from the first one's beginning.
type Cast struct {
	*Scenario
	Start time.Duration
	done  int // steps
}

// moment plays all lines of one moment, story by story.
func (p *Player) moment(ctx context.Context, parts []Cast, now time.Duration) error {
	for i := range parts {
		c := &parts[i]
		for c.done < len(c.Steps) && c.Start+c.Steps[c.done].At <= now {
			st := &c.Steps[c.done]
			c.done++
			if st.looks {
				if err := p.settle(ctx); err != nil {
					return fmt.Errorf("%s:%d: before %s: %w", c.Name, st.Line, st.Text, err)
				}
			}
			if err := p.do(ctx, c.Scenario, st); err != nil {
				return fmt.Errorf("%s:%d: %s: %w", c.Name, st.Line, st.Text, err)
			}
		}
	}
	return nil
}

// settle waits until all that is due has been done.
func (p *Player) settle(ctx context.Context) error {
	ops := api.Client{URL: p.URL, Key: p.Secrets["ops"]}
	until, cancel := context.WithTimeout(ctx, 100*time.Second)
	defer cancel()
	holding, stood := p.Stage.holding(), time.Now()
	var before [4]int
	pause := 15 * time.Millisecond
	for quiet := 0; ; {
		q, err := ops.Queue(until)
		if err != nil {
			return err
		}
		due := q.Due + q.InFlight + q.Returns
		if q.Paused != nil {
			due = q.InFlight + q.Returns
		}
		// While a host holds its dialogues open, rest is when nothing moves any more.
		if now := [4]int{q.Due, q.Waiting, q.InFlight, q.Returns}; now != before {
			before, stood = now, time.Now()
		}
		switch {
		case p.idle:
			quiet++
		case holding && time.Since(stood) > 700*time.Millisecond:
			return nil
		case due > 0:
			quiet = 0
		case q.Paused != nil:
			quiet++
		default:
			heard, err := p.heard(until)
			if err != nil {
				return err
			}
			if heard {
				quiet++
			}
		}
		if quiet > 1 {
			return nil
		}
		select {
		case <-until.Done():
			return fmt.Errorf("the queue does not come to rest: %d due, %d in flight, %d returns: %w", q.Due, q.InFlight, q.Returns, until.Err())
		case <-time.After(pause):
			pause = min(pause+5*time.Millisecond, 100*time.Millisecond) // where the machine is busy, looking makes it busier
		}
	}
}

// heard tells whether a worker has begun with everything that was asked for. The queue alone does not say so: what was written a moment
// ago may lie in the future of a process whose clock is some milliseconds behind Redis'.
func (p *Player) heard(ctx context.Context) (bool, error) {
	support := api.Client{URL: p.URL, Key: p.Secrets["support"]}
	for id := range p.fresh {
		r, err := support.Reset(ctx, id)
		if err != nil {
			return false, err
		}
		begun := false
		for _, f := range r.Facts {
			switch f.Fact {
			case ledger.Requested, ledger.Resent:
				begun = false
			case ledger.Cancelled:
				begun = begun || r.State == ledger.Withdrawn
			case ledger.Issued, ledger.Refused, ledger.Postponed, ledger.Dialed, ledger.Failed, ledger.Expired:
				begun = true
			}
		}
		if !begun {
			return false, nil
		}
		delete(p.fresh, id)
	}
	return true, nil
}

// do does one line. A call that is answered otherwise than the line expects is an outcome; one that expects nothing must succeed.
func (p *Player) do(ctx context.Context, s *Scenario, st *Step) error {
	a := *st.args.clone()
	switch st.verb {
	case "why":
		return p.why(ctx, s, st, &a)
	case "incident":
		return p.looked(s, st, func() ([]string, error) { return p.incident(ctx, st, a.clone()) })
	case "checks":
		return p.looked(s, st, func() ([]string, error) { return p.checks(ctx, st.who, st, a.clone()) })
	case "steps":
		d, err := duration(a.next())
		if err != nil || p.Step == nil {
			return errors.Join(err, errors.New("this house cannot step its clock"))
		}
		return p.Step(ctx, d)
	case "loses":
		if p.Lose == nil {
			return errors.New("this house cannot lose its queue")
		}
		p.fresh = map[ledger.ResetID]bool{} // nobody will begin with what is lost
		return p.Lose(ctx)
	case "world":
		return p.Stage.change(st.words)
	case "stops", "crashes", "starts":
		if p.Parts == nil {
			return errors.New("this house cannot stop its parts")
		}
		if st.who == "worker" {
			p.idle = st.verb != "starts"
		}
		what := st.verb
		if realm := a.after("without", ""); realm != "" {
			what += " without " + realm
		}
		return errors.Join(p.Parts(ctx, st.who, what), a.end())
	}
	end := time.Now().Add(p.patience())
	for {
		b := a.clone()
		said, err := p.act(ctx, st, b)
		if err == nil {
			err = b.end()
		}
		if err != nil {
			return err
		}
		want := strings.Join(st.expect, ", ")
		if want == "" {
			if said == "" || strings.HasPrefix(said, "2") || strings.HasPrefix(said, "3") {
				return nil
			}
			return fmt.Errorf("it was answered %s", said)
		}
		out := Outcome{Scenario: s.Name, Line: st.Line, Text: st.Text}
		if !strings.HasPrefix(said+" ", want+" ") {
			if (st.verb == "state" || st.verb == "mails" || st.verb == "incidents") && time.Now().Before(end) {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			out.Wrong = []string{fmt.Sprintf("it is %s, not %s", said, want)}
		}
		p.Outcome(out)
		return nil
	}
}

func (p *Player) patience() time.Duration {
	if p.Patience == 0 {
		return 2 * time.Second
	}
	return p.Patience
}

func (p *Player) why(ctx context.Context, s *Scenario, st *Step, a *args) error {
	support := api.Client{URL: p.URL, Key: p.Secrets["support"]}
	want, err := readExpectation(st.expect)
	if err != nil {
		return err
	}
	realm := a.after("in", "")
	q := api.WhyBody{Realm: realm, Page: a.get("page", ""), Login: a.next()}
	if which := a.get("reset", ""); which != "" {
		if realm == "" {
			realm = "shop"
		}
		id, err := p.reset(q.Login, realm, which)
		if err != nil {
			return err
		}
		q = api.WhyBody{Reset: string(id), Page: q.Page}
	}
	if err := a.end(); err != nil {
		return err
	}
	out := Outcome{Scenario: s.Name, Line: st.Line, Text: st.Text, Want: want}
	for end := time.Now().Add(p.patience()); ; {
		cases, err := support.Why(ctx, q)
		if err != nil {
			return err
		}
		if out.Wrong = want.wrong(cases); len(cases) > 0 {
			out.Said = cases[0]
		}
		if len(out.Wrong) == 0 || time.Now().After(end) {
			p.Outcome(out)
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// reset is the newest reset of a login, or with which = first the oldest.
func (p *Player) reset(login, realm, which string) (ledger.ResetID, error) {
	ids := p.asked[[2]string{login, realm}]
	if len(ids) == 0 {
		return "", errors.New("nobody asked for that login")
	}
	if which == "first" {
		return ids[0], nil
	}
	return ids[len(ids)-1], nil
}
