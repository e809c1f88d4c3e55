package hook

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

var update = flag.Bool("update", false, "write what is read into the cases; review the difference")

// ownID stands in the fixtures' Message-IDs: <ID.ours@shop.example>.
func ownID(header string) (ledger.MessageID, error) {
	id, ok := strings.CutSuffix(header, ".ours@shop.example")
	if !ok {
		return "", errors.New("not ours")
	}
	return ledger.ParseMessageID("msg_" + id)
}

// TestCases reads testdata/PROVIDER/*.txt: a story, the payload, and what must be read from it.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		provider := filepath.Base(filepath.Dir(file))
		t.Run(provider+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			story, payload, want := split(t, string(raw))
			b, err := proven(t, provider, []byte(payload), func(c *Config) { c.Own = ownID })
			got := render(b, err)
			if *update {
				if err := os.WriteFile(file, []byte(story+"-- payload --\n"+payload+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("%sgot:\n%swant:\n%s", story, got, want)
			}
			checkBatch(t, b)
		})
	}
}

func split(t testing.TB, s string) (story, payload, want string) {
	story, rest, ok := strings.Cut(s, "-- payload --\n")
	payload, want, _ = strings.Cut(rest, "-- want --\n")
	if !ok || len(strings.TrimSpace(story)) < 8 {
		t.Fatal("a case needs a story and a payload")
	}
	return story, payload, want
}

// render writes a batch as a person reads it: one line per event, fields that say nothing left out.
func render(b Batch, err error) string {
	var s strings.Builder
	if err != nil {
		fmt.Fprintf(&s, "error %v\n", err)
	}
	for _, e := range b.Events {
		s.WriteString(string(e.Kind))
		if e.Permanent {
			s.WriteString(" for good")
		}
		for _, f := range []struct{ name, value string }{
			{"to", e.Recipient}, {"at", e.At.Format("2006-01-02T15:04:05.999Z")}, {"reason", string(e.Reason)}, {"cause", e.Cause}, {"code", num(e.Code)}, {"status", e.Status},
			{"host", e.Host}, {"message", string(e.Message)}, {"ids", strings.Join(e.MessageIDs, ",")}, {"retry", dur(e)},
			{"at provider", flagged(e.SuppressedAtProvider, "suppressed")}, {"from now", flagged(e.NowListed, "listed")}, {"ip", e.IP},
			{"agent", quoted(e.UserAgent)}, {"because", quoted(e.Because)}, {"diagnostic", quoted(e.Diagnostic)}, {"id", e.ID},
		} {
			if f.value != "" {
				s.WriteString("\n  " + f.name + ": " + f.value)
			}
		}
		s.WriteString("\n")
	}
	if b.Ignored > 0 {
		fmt.Fprintf(&s, "ignored %d: %s\n", b.Ignored, strings.Join(b.Notes, "; "))
	}
	return s.String()
}

func num(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func dur(e Event) string {
	if e.RetryAfter == 0 {
		return ""
	}
	return e.RetryAfter.String()
}

func flagged(yes bool, word string) string {
	if yes {
		return word
	}
	return ""
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", s)
}

// checkBatch holds for whatever was read from whatever input.
func checkBatch(t testing.TB, b Batch) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range b.Events {
		if e.ID == "" || len(e.ID) > 128 || strings.Contains(e.ID, "@") {
			t.Errorf("event id %q", e.ID)
		}
		seen[e.ID] = true
		if e.Kind == "" || e.At.IsZero() || e.At.After(now()) {
			t.Errorf("kind %q at %v", e.Kind, e.At)
		}
		failed := e.Kind == Bounced || e.Kind == Deferred || e.Kind == Dropped || e.Kind == Rejected
		if failed && e.Reason == "" || !failed && e.Permanent {
			t.Errorf("%s with reason %q, permanent %v", e.Kind, e.Reason, e.Permanent)
		}
		if strings.HasPrefix(e.Cause, "unknown.") || e.SuppressedAtProvider && e.Kind != Dropped {
			t.Errorf("%s with cause %q, suppressed %v", e.Kind, e.Cause, e.SuppressedAtProvider)
		}
		for _, s := range append([]string{e.Diagnostic, e.Because, e.Host, e.UserAgent, e.Recipient, e.ID}, e.MessageIDs...) {
			if len(s) > maxDiagnostic || strings.ContainsFunc(s, unsafe) || !json.Valid(must(json.Marshal(s))) {
				t.Errorf("not fit to be shown: %q", s)
			}
		}
		if len(e.MessageIDs) > maxIDs {
			t.Errorf("%d ids", len(e.MessageIDs))
		}
		if e.Message != "" {
			if _, err := ledger.ParseMessageID(string(e.Message)); err != nil {
				t.Errorf("message %q", e.Message)
			}
		}
	}
	if len(b.Notes) > maxNotes || len(b.Notes) > b.Ignored {
		t.Errorf("%d notes for %d ignored", len(b.Notes), b.Ignored)
	}
}
