package scenario

import (
	"context"
	"flag"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

var tableFile = flag.String("table", "", "write the confusion table to this `FILE`")

// Every story is told by the real code, with simulated time, and each of its verdicts is the one that its file expects.
func TestScenarios(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var outcomes []Outcome
	var players sync.WaitGroup
	next := make(chan *Scenario)
	for range atOnce {
		players.Go(func() {
			for s := range next {
				t.Run(s.Name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
					defer cancel()
					p := Player{House: newFast(t, s).House, Outcome: func(o Outcome) {
						mu.Lock()
						outcomes = append(outcomes, o)
						mu.Unlock()
						for _, w := range o.Wrong {
							t.Errorf("%s:%d: %s\n\t%s\n\tit says: %s (%s)", o.Scenario, o.Line, o.Text, w, o.Said.Verdict.Cause, o.Said.Verdict.Says)
						}
					}}
					if err := p.Play(ctx, Cast{Scenario: s}); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	for i, s := range all {
		if i%everyStory == 0 {
			next <- s
		}
	}
	close(next)
	players.Wait()
	slices.SortFunc(outcomes, byLine)
	table := Table(all, outcomes)
	if *tableFile != "" {
		if err := os.WriteFile(*tableFile, []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
