package reply

import "testing"

// Every rule's sample is decided by that rule.
func TestSamples(t *testing.T) {
	for _, r := range builtin().rules {
		in := ParseLine(r.sample)
		if len(r.providers) > 0 {
			in.Provider = r.providers[0]
		}
		got := Read(in)
		if got.Rule != r.id {
			t.Errorf("%s (%s): sample is decided by %q (%s): %s", r.id, r.file, got.Rule, got.Because.Text, r.sample)
		}
	}
}
