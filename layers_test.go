package resetd_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/resetd/resetd"

// rooms are the layers of ARCHITECTURE.md from the ground up: a room imports only rooms of lower layers. A folder below a room that is
// not a room itself (internal/api/console) belongs to the room and may be imported by it.
var rooms = [][]string{
	{"internal/ledger", "diag/reply", "diag/dnscheck"},
	{"internal/token", "internal/realm", "mailer", "worker/task", "internal/sim"},
	{"mailer/bounce", "internal/store", "diag", "internal/config"},
	{"worker", "internal/desk"},
	{"internal/api"},
	{"internal/scenario"},
	{"cmd/resetd"},
}

// apart are rooms that never import each other, in whichever layers they stand, and where they meet instead.
var apart = []struct{ a, b, meet string }{
	{"worker", "internal/desk", "meet in worker/task or the ledger"},
}

// onlyFor are rooms that few may import outside of tests.
var onlyFor = map[string]struct {
	importers []string
	why       string
}{
	"internal/scenario": {[]string{"cmd/resetd"}, "stories are for tests and the demo"},
	"internal/sim":      {[]string{"cmd/resetd", "internal/scenario"}, "the made-up mail world is for tests and the demo"},
}

// without are imports that would break what a room promises. Longer paths that are harmless (net/netip) are not meant.
var without = map[string]struct {
	imports []string
	why     string
}{
	"internal/ledger": {[]string{"os", "os/exec", "net", "net/http", "io/fs"}, "it is facts, and does no I/O"},
	"diag":            {[]string{"os", "os/exec", "net", "net/http", "io/fs"}, "it is rules over facts, and does no I/O"},
	"diag/reply":      {[]string{"os", "os/exec", "net", "net/http", "io/fs"}, "it reads a text, and does no I/O"},
	"internal/desk":   {[]string{"net/http", "os"}, "it knows no door"},
}

// standardOnly are rooms that import nothing from outside.
var standardOnly = []string{"internal/ledger", "internal/token", "diag", "diag/reply", "internal/desk"}

// homes say which rooms may import an outside package. A key covers the packages below it; the longest key counts. No room at all means tests only.
var homes = map[string][]string{
	"blitiri.com.ar/go/spf":               {"diag/dnscheck"},
	"github.com/BurntSushi/toml":          {"internal/config"},
	"github.com/alicebob/miniredis/v2":    {"internal/sim"},
	"github.com/emersion/go-imap/v2":      {"mailer/bounce"},
	"github.com/emersion/go-message":      {"mailer", "mailer/bounce"},
	"github.com/emersion/go-msgauth":      {"mailer", "mailer/bounce", "diag/dnscheck"},
	"github.com/emersion/go-sasl":         {"mailer", "internal/sim"},
	"github.com/emersion/go-smtp":         {"mailer", "mailer/bounce", "internal/sim"},
	"github.com/getkin/kin-openapi":       {}, // holds the server to openapi.yaml
	"github.com/hibiken/asynq":            {"worker", "worker/task"},
	"github.com/miekg/dns":                {"internal/sim", "diag/dnscheck"},
	"github.com/prometheus/client_golang": {"cmd/resetd"},
	"github.com/redis/go-redis/v9":        {"internal/store", "worker", "worker/task", "cmd/resetd"},
	"github.com/rs/zerolog":               {"worker", "internal/api", "cmd/resetd"},
	"github.com/spf13/cobra":              {"cmd/resetd"},
	"go.yaml.in/yaml/v4":                  {}, // reads deployments/
	"golang.org/x/net/html":               {"mailer/bounce"},
	"golang.org/x/net/idna":               {"mailer", "diag/dnscheck"},
	"golang.org/x/net/publicsuffix":       {"diag/dnscheck"}, // organizational domains of DMARC
	"golang.org/x/text":                   {"internal/realm", "mailer/bounce"},
}

// maxLines is the length at which a file surely holds more than one idea.
const maxLines = 500

// source is one Go file.
type source struct {
	file, dir string // slash-separated, from the root
	test      bool
	imports   []string
	doc       string // package comment
	lines     int
}

// sources parses every Go file below the root, but none at it: the root is no package of the product.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		file := filepath.ToSlash(p)
		if !strings.HasSuffix(name, ".go") || path.Dir(file) == "." {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{file: file, dir: path.Dir(file), test: strings.HasSuffix(name, "_test.go"), lines: strings.Count(string(text), "\n")}
		for _, i := range tree.Imports {
			to, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, to)
		}
		s.doc = comment(tree.Doc)
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all
}

func comment(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return c.Text()
}

// roomOf gives the room of a folder and its layer, from 1; 0 when it has none.
func roomOf(dir string) (room string, layer int) {
	for d := dir; d != "."; d = path.Dir(d) {
		for i, layer := range rooms {
			if slices.Contains(layer, d) {
				return d, i + 1
			}
		}
	}
	return "", 0
}

// homeOf gives the longest key of homes that covers an outside package.
func homeOf(pkg string) (key string, ok bool) {
	for key = pkg; key != "."; key = path.Dir(key) {
		if _, ok := homes[key]; ok {
			return key, true
		}
	}
	return "", false
}

// fault says what is wrong with one import, or "". Tests are free of homes and of what a room does without; they keep to the layers, save that every
// test may use internal/sim.
func fault(from string, test bool, to string) string {
	room, layer := roomOf(from)
	inside, ours := strings.CutPrefix(to, module+"/")
	first, _, _ := strings.Cut(to, "/")
	switch {
	case layer == 0:
		return from + " stands in no layer: give it a place in the plan"
	case ours:
		return insideFault(from, room, layer, test, inside)
	case strings.Contains(first, "."):
		return outsideFault(from, room, test, to)
	case !test && slices.Contains(without[room].imports, to):
		return fmt.Sprintf("%s imports %s: %s", from, to, without[room].why)
	}
	return ""
}

func insideFault(from, room string, layer int, test bool, to string) string {
	toRoom, toLayer := roomOf(to)
	if toRoom == room || test && toRoom == "internal/sim" {
		return ""
	}
	for _, p := range apart {
		if room == p.a && toRoom == p.b || room == p.b && toRoom == p.a {
			return fmt.Sprintf("%s imports %s: they never import each other; %s", from, to, p.meet)
		}
	}
	if only, ok := onlyFor[toRoom]; ok && !slices.Contains(only.importers, room) {
		return fmt.Sprintf("%s imports %s: %s", from, to, only.why)
	}
	if toLayer == 0 {
		return fmt.Sprintf("%s imports %s, which stands in no layer: give it a place in the plan", from, to)
	}
	if toLayer >= layer {
		return fmt.Sprintf("%s (layer %d) imports %s (layer %d): a room imports only lower ones", from, layer, to, toLayer)
	}
	return ""
}

func outsideFault(from, room string, test bool, to string) string {
	key, ok := homeOf(to)
	switch {
	case !ok:
		return fmt.Sprintf("%s imports %s, which has no home: name its rooms in the plan, and say why in the commit", from, to)
	case test || slices.Contains(homes[key], room) && !slices.Contains(standardOnly, room):
		return ""
	case slices.Contains(standardOnly, room):
		return fmt.Sprintf("%s imports %s: it keeps to the standard library", from, to)
	case len(homes[key]) == 0:
		return fmt.Sprintf("%s imports %s outside of its tests: it is for tests only", from, to)
	}
	return fmt.Sprintf("%s imports %s: its home is %s", from, to, strings.Join(homes[key], ", "))
}

// The import plan holds.
func TestLayers(t *testing.T) {
	said := map[string]bool{} // a package without a layer has one fault, not one for each import
	for _, s := range sources(t) {
		for _, to := range s.imports {
			if f := fault(s.dir, s.test, to); f != "" && !said[f] {
				said[f] = true
				t.Errorf("%s: %s", s.file, f)
			}
		}
	}
}

// The plan itself is sound, and what it forbids is seen.
func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	for _, layer := range rooms {
		for _, r := range layer {
			if seen[r] {
				t.Errorf("%s stands in two layers", r)
			}
			seen[r] = true
		}
	}
	for pkg, rs := range homes {
		for _, r := range rs {
			if !seen[r] {
				t.Errorf("the home %s of %s is no room", r, pkg)
			}
		}
	}
	for _, c := range []struct {
		from, to string
		test     bool
		want     string // "" = fine
	}{
		{"internal/desk", module + "/worker", false, "never import each other; meet in worker/task or the ledger"},
		{"worker", module + "/internal/desk", true, "never import each other"},
		{"mailer", module + "/mailer/bounce", false, "mailer (layer 2) imports mailer/bounce (layer 3)"},
		{"mailer", module + "/internal/token", false, "only lower ones"},
		{"mailer/bounce", module + "/mailer", false, ""},
		{"internal/api", module + "/internal/api/console", false, ""},
		{"internal/api/console", module + "/internal/desk", false, ""},
		{"diag", module + "/internal/store", false, "only lower ones"},
		{"worker", module + "/internal/sim", false, "for tests and the demo"},
		{"worker", module + "/internal/sim/redistest", true, ""},
		{"mailer", module + "/internal/sim", true, ""},
		{"internal/util", "strings", false, "stands in no layer"},
		{"internal/store", module + "/internal/util", false, "which stands in no layer"},
		{"mailer", "github.com/hibiken/asynq", false, "its home is worker, worker/task"},
		{"worker", "github.com/alicebob/miniredis/v2/server", false, "its home is internal/sim"},
		{"internal/api", "github.com/alicebob/miniredis/v2", true, ""},
		{"internal/api/console", "github.com/rs/zerolog", false, ""},
		{"internal/api", "github.com/getkin/kin-openapi/openapi3", false, "for tests only"},
		{"mailer", "github.com/pkg/errors", false, "has no home"},
		{"internal/ledger", "golang.org/x/text/unicode/norm", false, "keeps to the standard library"},
		{"diag", "net", false, "does no I/O"},
		{"internal/desk", "net/netip", false, ""},
	} {
		got := fault(c.from, c.test, c.to)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s imports %s (in a test: %v): %q, not %q", c.from, c.to, c.test, got, c.want)
		}
	}
}

// Every package says in the first sentence of its comment what it is for.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	docs := map[string]string{}
	for _, s := range sources(t) {
		if !s.test {
			docs[s.dir] += s.doc
		}
	}
	for dir, text := range docs {
		first := new(doc.Package).Synopsis(text)
		want := "Package " + path.Base(dir) + " "
		if strings.HasPrefix(dir, "cmd/") {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(first, want) || !strings.HasSuffix(first, ".") && !strings.HasSuffix(first, "?") && !strings.HasSuffix(first, ":") {
			t.Errorf("%s: its comment begins %q, not with a sentence %q", dir, first, want+"….")
		}
	}
}

// A file holds one idea.
func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test && s.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: it holds more than one idea", s.file, s.lines, maxLines)
		}
	}
}
