package config_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/config"
)

// key is one key of the configuration, as the comments of config.go describe it.
type key struct {
	table, name, doc string
	def              string // as in TOML; "" = none is named
	required         bool
	kind             reflect.Type
	value            reflect.Value // its default
}

type table struct {
	header, doc string
	keys        []key
	list        bool
}

var defaultIs = regexp.MustCompile(`(?s)Default: (.+?)\.$`)

// reference reads the comments of config.go.
func reference(t *testing.T) []table {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs, fields := map[string]string{}, map[string]map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			return true
		}
		spec := d.Specs[0].(*ast.TypeSpec)
		docs[spec.Name.Name] = oneLine(d.Doc)
		if st, ok := spec.Type.(*ast.StructType); ok {
			fields[spec.Name.Name] = map[string]string{}
			for _, fd := range st.Fields.List {
				for _, name := range fd.Names {
					fields[spec.Name.Name][name.Name] = oneLine(fd.Doc)
				}
			}
		}
		return false
	})
	var out []table
	var walk func(v reflect.Value, path string, list bool)
	walk = func(v reflect.Value, path string, list bool) {
		typ := v.Type()
		if d, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
			d.SetDefaults()
		}
		tb := table{header: path, doc: docs[typ.Name()], list: list}
		type sub struct {
			v    reflect.Value
			path string
			list bool
		}
		var subs []sub
		for i := range typ.NumField() {
			sf := typ.Field(i)
			name := sf.Tag.Get("toml")
			if name == "" || name == "-" {
				continue
			}
			inner, isList := sf.Type, false
			if inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct {
				inner, isList = inner.Elem(), true
			}
			if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[config.Rate]() {
				p := name
				if path != "" {
					p = path + "." + name
				}
				if isList {
					subs = append(subs, sub{reflect.New(inner).Elem(), p, true})
				} else {
					subs = append(subs, sub{v.Field(i), p, false})
				}
				continue
			}
			k := key{table: path, name: name, doc: fields[typ.Name()][sf.Name], kind: sf.Type, value: v.Field(i)}
			k.required = strings.Contains(k.doc, "Required.")
			if m := defaultIs.FindStringSubmatch(k.doc); m != nil {
				k.def = m[1]
			}
			if k.doc == "" || k.def == "" && !k.required {
				t.Errorf("%s.%s: its comment names no default, and not that it is required", path, name)
			}
			tb.keys = append(tb.keys, k)
		}
		if path != "" {
			if tb.doc == "" {
				t.Errorf("%s: no comment", typ.Name())
			}
			out = append(out, tb)
		}
		for _, s := range subs {
			walk(s.v, s.path, s.list)
		}
	}
	walk(reflect.ValueOf(config.Default()).Elem(), "", false)
	return out
}

func oneLine(c *ast.CommentGroup) string {
	return strings.Join(strings.Fields(c.Text()), " ")
}

// asTOML writes a default as a person would.
func asTOML(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case config.Secret:
		return fmt.Sprintf("%q", string(x))
	case fmt.Stringer:
		return fmt.Sprintf("%q", x.String())
	}
	switch v.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, asTOML(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// same compares defaults; 60s and 60m are written as CONTRACT.md writes them, and are 1m and 1h.
func same(comment, value string) bool {
	return comment == value || comment == `"60s"` && value == `"1m"` || comment == `"60m"` && value == `"1h"`
}

// The defaults in the comments are those of Default.
func TestDefaultsInComments(t *testing.T) {
	for _, tb := range reference(t) {
		for _, k := range tb.keys {
			if k.def != "" && !same(k.def, asTOML(k.value)) {
				t.Errorf("[%s] %s: the comment says %s, Default %s", k.table, k.name, k.def, asTOML(k.value))
			}
		}
	}
}

// The example has every key, in its table, with a comment that names the same default; and it is taken, once its files are there.
func TestExample(t *testing.T) {
	type seen struct {
		comment string
		value   string
	}
	found := map[string]seen{}
	header, comment := "", ""
	keyLine := regexp.MustCompile(`^#?([a-z0-9_]+) = (.*)$`)
	for line := range strings.Lines(config.Example()) {
		line = strings.TrimSpace(line)
		bare := strings.TrimPrefix(line, "#")
		switch m := keyLine.FindStringSubmatch(line); {
		case strings.HasPrefix(bare, "["):
			header, comment = strings.Trim(strings.Fields(bare)[0], "[]"), ""
		case m != nil:
			if _, ok := found[header+"."+m[1]]; !ok {
				found[header+"."+m[1]] = seen{comment, m[2]}
			}
			comment = ""
		case strings.HasPrefix(line, "# "):
			comment += " " + line[2:]
		case line == "":
			comment = ""
		}
	}
	for _, tb := range reference(t) {
		if tb.header == "realm.provider" { // an inline table in the example
			continue
		}
		for _, k := range tb.keys {
			s, ok := found[k.table+"."+k.name]
			if !ok {
				t.Errorf("[%s] %s is not in the example", k.table, k.name)
				continue
			}
			if m := defaultIs.FindStringSubmatch(s.comment); m != nil && m[1] != k.def || m == nil && k.def != "" {
				t.Errorf("[%s] %s: the example's comment is %q, the default %s", k.table, k.name, s.comment, k.def)
			}
			if k.def != "" && !tb.list && !strings.Contains(tb.header, ".") && s.value != k.def && !strings.Contains(k.doc, "Required") && k.name != "redis_file" {
				t.Errorf("[%s] %s: the example sets %s, the default is %s", k.table, k.name, s.value, k.def)
			}
		}
	}

	world(t)
	for to, from := range map[string]string{"token.key": "token.key", "r2026-rsa.pem": "rsa2048.pem", "r2026-ed.pem": "ed25519.pem", "accounts.json": "accounts.json"} {
		if err := os.Rename(filepath.Join("files", from), to); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("resetd.toml", []byte(config.Example()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("resetd.toml", nil)
	if err != nil || len(c.Warnings) != 0 {
		t.Errorf("%v %v", err, c)
	}
}

// docs/config.md is what the comments say; go test -update writes it.
func TestDocs(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Configuration\n\nMade from the comments of `internal/config/config.go` by `go test ./internal/config -update`; do not edit.\n\n")
	b.WriteString("One TOML file, named by `-config`. It is strict: an unknown key is an error. `resetd config example` prints one with every key; `resetd config check FILE` names\n")
	b.WriteString("everything that start-up would refuse, with line, reason and what to try. Relative paths count from the file's folder. Durations are written `\"90s\"`, `\"15m\"`, `\"720h\"`.\n")
	b.WriteString("Where an environment variable is named, it overrides the file; lists are written with commas. A secret's variable takes the place of its `_file`, and the other way round.\n")
	for _, tb := range reference(t) {
		open, end := "[", "]"
		if tb.list {
			open, end = "[[", "]]"
		}
		fmt.Fprintf(&b, "\n## `%s%s%s`\n\n%s\n\n| key | default | meaning |\n|---|---|---|\n", open, tb.header, end, sentence(tb.doc))
		for _, k := range tb.keys {
			def := "`" + k.def + "`"
			if k.required && k.def == "" {
				def = "required"
			}
			doc := strings.TrimSpace(defaultIs.ReplaceAllString(k.doc, ""))
			doc = strings.TrimSpace(strings.TrimSuffix(doc, "Required."))
			if !tb.list && !strings.Contains(tb.header, ".") {
				doc += " `RESETD_" + strings.ToUpper(tb.header+"_"+k.name) + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, def, strings.ReplaceAll(doc, "|", "\\|"))
		}
	}
	file := filepath.Join("..", "..", "docs", "config.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("docs/config.md is out of date (%v); go test ./internal/config -update", err)
	}
}

// sentence drops the type's name, which is Go's.
func sentence(doc string) string {
	_, rest, ok := strings.Cut(doc, " is ")
	if before, after, ok2 := strings.Cut(doc, " are "); ok2 && (!ok || len(before) < len(doc)-len(rest)) {
		rest, ok = after, true
	}
	if !ok {
		return doc
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}
