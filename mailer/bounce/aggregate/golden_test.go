package aggregate

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what is read")

// Each file of testdata is read as its .want says.
func TestFiles(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := told(Read(filepath.Base(file), load(t, file)))
			want := file + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if w := string(load(t, want)); got != w {
				t.Errorf("reads\n%s\nwant\n%s", got, w)
			}
		})
	}
}

func fixtures(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, ending := range []string{".xml", ".json", ".eml"} {
		files, err := filepath.Glob("testdata/*" + ending)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		out = append(out, files...)
	}
	return out
}

func load(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// told writes reports for people to compare.
func told(all []Report, err error) string {
	var s strings.Builder
	for _, r := range all {
		fmt.Fprintf(&s, "%s report %q by %q (contact %q)\nabout %q, p=%q, for %s: %s to %s\n", r.Kind, r.ID, r.Org, r.Contact, r.Domain, r.Policy,
			r.Day().Format(time.DateOnly), r.Begin.Format(time.RFC3339), r.End.Format(time.RFC3339))
		for _, x := range r.Rows {
			fmt.Fprintf(&s, "  %d from %s as %s, envelope %q: dkim %v spf %v disposition %q overrides %v", x.Count, x.Source, x.From, x.Envelope, x.DKIM, x.SPF, x.Disposition, x.Overrides)
			for _, g := range x.Signatures {
				fmt.Fprintf(&s, " [%s %s %v]", g.Selector, g.Domain, g.Pass)
			}
			s.WriteByte('\n')
		}
		for _, x := range r.Sessions {
			fmt.Fprintf(&s, "  %d to %s (%s) host %q: %q\n", x.Count, x.Domain, x.Policy, x.Host, x.Result)
		}
		for _, n := range r.Notes {
			fmt.Fprintf(&s, "  note: %s\n", n)
		}
	}
	switch {
	case errors.Is(err, ErrNoReport):
		s.WriteString("no report\n")
	case err != nil:
		fmt.Fprintf(&s, "error: %v\n", err)
	}
	return s.String()
}
