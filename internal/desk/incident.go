package desk

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
)

// Waiting is a reset that waits for a mail because of an incident.
type Waiting struct {
	Reset ledger.ResetID `json:"reset"`
	Realm string         `json:"realm"`
	State ledger.State   `json:"state"` // failed, expired, or waiting for a later attempt
	Asked time.Time      `json:"asked"`
}

// IncidentView is an incident with those whom a resend of all would reach. Whether their accounts may still have a mail is asked when it is sent.
type IncidentView struct {
	diag.Trouble
	Waiting   []Waiting      `json:"waiting"`
	Others    map[string]int `json:"others"`    // why a reset waits no more -> how many: used, sent, newer, refused, cancelled, resent, unknown
	Remaining int            `json:"remaining"` // not looked at
}

// Incident shows one incident and who waits because of it.
func (d *Desk) Incident(ctx context.Context, a Actor, id string) (IncidentView, error) {
	out := IncidentView{Waiting: []Waiting{}, Others: map[string]int{}}
	if err := d.Authorise(ctx, a, DoIncidents, "", "", false); err != nil {
		return out, err
	}
	if !isIncidentID(id) {
		return out, ledger.ErrBadID
	}
	var err error
	if out.Trouble, err = d.trouble(ctx, id); err != nil {
		return out, err
	}
	resets, err := d.waitingFor(ctx, out.Trouble)
	if err != nil {
		return out, err
	}
	if len(resets) > resendMost {
		out.Remaining, resets = len(resets)-resendMost, resets[:resendMost]
	}
	return out, d.waiters(ctx, a, resets, &out)
}

// waiters looks at each reset, several at a time; the order of the list is kept.
func (d *Desk) waiters(ctx context.Context, a Actor, resets []ledger.ResetID, out *IncidentView) error {
	type seen struct {
		w    Waiting
		skip string
		err  error
	}
	all := make([]seen, len(resets))
	next := make(chan int)
	var hands sync.WaitGroup
	for range resendHands {
		hands.Go(func() {
			for i := range next {
				at, r, skip, err := d.stillWaits(ctx, a, out.ID, resets[i])
				all[i] = seen{skip: skip, err: err}
				if err == nil && skip == "" {
					all[i].w = Waiting{Reset: resets[i], Realm: at.Realm, State: r.State, Asked: r.Asked.At}
				}
			}
		})
	}
	for i := range resets {
		next <- i
	}
	close(next)
	hands.Wait()
	for _, s := range all {
		switch {
		case s.err != nil:
			return s.err
		case s.skip != "":
			out.Others[s.skip]++
		default:
			out.Waiting = append(out.Waiting, s.w)
		}
	}
	return nil
}

func isIncidentID(id string) bool { return strings.HasPrefix(id, "inc_") && len(id) == 32 }
