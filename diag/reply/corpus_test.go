package reply

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shared finds the folder of things that only this project's makers have; tests that need it are skipped elsewhere.
func shared(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if s := filepath.Join(filepath.Dir(dir), "shared"); isDir(s) {
			return s
		}
	}
	t.Skip("no folder ../shared")
	return ""
}

func isDir(p string) bool {
	i, err := os.Stat(p)
	return err == nil && i.IsDir()
}

type judged struct {
	provider, reply, source string
	want                    []string // first = expected, others accepted
}

func corpus(t testing.TB, path string) []judged {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skip(err)
	}
	var all []judged
	for i, l := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if f := strings.Split(l, "\t"); len(f) == 4 && !(i == 0 && f[0] == "provider") {
			all = append(all, judged{f[0], f[1], f[3], strings.Split(f[2], "|")})
		}
	}
	return all
}

// TestCorpus computes what score.py does and holds the figures above a floor.
func TestCorpus(t *testing.T) {
	path := filepath.Join(shared(t), "corpora", "bounces", "replies.tsv")
	var n, strict, lenient, answered, wrong, pn, pstrict, plenient int
	for _, c := range corpus(t, path) {
		got := Read(ParseLine(c.provider + "\t" + c.reply))
		is := string(got.Reason) == c.want[0]
		may := slices.Contains(c.want, string(got.Reason))
		n++
		strict += count(is)
		lenient += count(may)
		if got.Reason != ReasonUnknown {
			answered++
			wrong += count(!may)
		}
		if !fromTests(c.source) {
			pn++
			pstrict += count(is)
			plenient += count(may)
		}
		if !may && testing.Verbose() {
			t.Logf("%s, want %s: rule %q by %q: %s", got.Reason, strings.Join(c.want, "|"), got.Rule, got.Because.Text, c.reply)
		}
	}
	t.Logf("replies: reason lenient %s strict %s; providers' lines lenient %s strict %s; answered %s, wrong though answered %s",
		pct(lenient, n), pct(strict, n), pct(plenient, pn), pct(pstrict, pn), pct(answered, n), pct(wrong, answered))
	for _, f := range []struct {
		what  string
		a, b  int
		floor float64 // percent
	}{
		{"reason lenient", lenient, n, 97}, {"reason strict", strict, n, 92},
		{"providers' lines lenient", plenient, pn, 95}, {"providers' lines strict", pstrict, pn, 86},
		{"right of the answered", answered - wrong, answered, 98},
	} {
		if 100*float64(f.a) < f.floor*float64(f.b) {
			t.Errorf("%s: %s, below the floor of %.0f %%", f.what, pct(f.a, f.b), f.floor)
		}
	}
}

// fromTests tells sources that are other programs' test suites; the rest are providers' own lines.
func fromTests(source string) bool {
	for _, p := range [...]string{"corpus", "sisimai", "zone-eu", "postalsys", "voku", "mautic"} {
		if strings.HasPrefix(source, p) {
			return true
		}
	}
	return false
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func pct(a, b int) string {
	return fmt.Sprintf("%.1f %% (%d/%d)", 100*float64(a)/float64(max(b, 1)), a, b)
}
