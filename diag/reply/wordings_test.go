package reply

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Replies in common wordings mean what people take them for.
func TestWordings(t *testing.T) {
	b, err := os.ReadFile("testdata/wordings.txt")
	if err != nil {
		t.Fatal(err)
	}
	for n, l := range strings.Split(string(b), "\n") {
		want, text, ok := strings.Cut(l, "  ")
		if !ok || strings.HasPrefix(l, "#") {
			continue
		}
		var r Reply
		if p, rest, ok := strings.Cut(strings.TrimPrefix(text, "["), "] "); ok && text[0] == '[' {
			text, r.Provider = rest, p
		}
		for i := strings.LastIndexByte(text, '|'); i >= 0 && known(Reason(text[i+1:])); i = strings.LastIndexByte(text, '|') {
			want, text = want+"|"+text[i+1:], text[:i]
		}
		r.Text = text
		if got := Read(r); !slices.Contains(strings.Split(want, "|"), string(got.Reason)) {
			t.Errorf("wordings.txt:%d: %s by %q (%s), want %s: %s", n+1, got.Reason, got.Rule, got.Because.Text, want, text)
		}
	}
}
