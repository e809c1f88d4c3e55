package scenario

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
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
					p := Player{House: newFast(t, s).House, Patience: 20 * time.Second, Outcome: func(o Outcome) {
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

// Each cause of the product's catalogue is the first verdict of a story, and enough stories contradict themselves.
func TestEveryCauseHasAStory(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Untold(all) {
		t.Errorf("%s is the first verdict of no story", c)
	}
	if n := len(mixed(all)); n < 60 {
		t.Errorf("%d stories are mixed, of 60 at least", n)
	}
}

// The table names what is missing and what is wrong; a resend's word that no line expects is compared with the catalogue's.
func TestTable(t *testing.T) {
	s, err := Parse("x", "A story.\n-- script --\n0s why jo@a.example: request.none\n")
	if err != nil {
		t.Fatal(err)
	}
	said := diag.Case{Verdict: diag.Verdict{Cause: "queue.waiting", Resend: diag.Resend{Helps: diag.HelpsWait}}}
	table := Table([]*Scenario{s}, []Outcome{{Scenario: "x", Line: 3, Want: Expectation{Cause: "request.none"}, Said: said}})
	for _, want := range []string{"1 verdicts, 0 right", "1 of 116 causes", "<- wrong", "queue.waiting said wait, expected helps", "causes without a story: 115", "  queue.lost\n"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is missing in\n%s", want, table)
		}
	}
}
