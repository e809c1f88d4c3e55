package reply

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Replies from public sources, of which a person wrote down the meaning before the reader had seen them. They were read blind at
// first (what was right then stands in the commits that mended the rules); what has been learned from them stays learned.
func TestUnseen(t *testing.T) {
	b, err := os.ReadFile("testdata/unseen.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var n, strict, lenient, wrong int
	for i, l := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if strings.HasPrefix(l, "#") {
			continue
		}
		f := strings.Split(l, "\t")
		if len(f) != 5 {
			t.Fatalf("unseen.tsv:%d: %d columns, want 5", i+1, len(f))
		}
		want := strings.Split(f[3], "|")
		got := Read(ParseLine(f[1] + "\t" + f[2]))
		may := slices.Contains(want, string(got.Reason))
		n++
		strict += count(string(got.Reason) == want[0])
		lenient += count(may)
		wrong += count(!may && got.Reason != ReasonUnknown)
		if !may && testing.Verbose() {
			t.Logf("unseen.tsv:%d: %s by %q, want %s: %s", i+1, got.Reason, got.Rule, f[3], f[2])
		}
	}
	t.Logf("reason lenient %s strict %s, wrong %s", pct(lenient, n), pct(strict, n), pct(wrong, n))
	if 100*lenient < 97*n || 100*wrong > 2*n {
		t.Errorf("lenient %s, floor 97 %%; wrong %s, at most 2 %%", pct(lenient, n), pct(wrong, n))
	}
}
