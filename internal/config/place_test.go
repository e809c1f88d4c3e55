package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestPlaces(t *testing.T) {
	doc := "# [no]\n[a]\nx = 1 # y = 2\n\"q.r\" = '''\n[z]\n'''\n  [[ l ]]\n  k.m = { n = [1, # ,\n 2] }\n[[l]]\n[l.s]\nt=\"\\\"=\\\\\"\nu = 1979-05-27 07:32:00\n"
	got := places(doc)
	for path, want := range map[string]string{
		"a": "2 [a]", "a.x": "3 1", `a."q.r"`: "4 '''\n[z]\n'''", "l[0]": "7 [[ l ]]", "l[0].k": "8", "l[0].k.m": "8", "l[0].k.m.n": "8 [1, # ,\n 2]",
		"l[0].k.m.n[0]": "8 1", "l[0].k.m.n[1]": "9 2", "l[1]": "10 [[l]]", "l[1].s": "11 [l.s]", "l[1].s.t": `12 "\"=\\"`, "l[1].s.u": "13 1979-05-27 07:32:00",
	} {
		p, ok := got[path]
		line, text, _ := strings.Cut(want, " ")
		shows := doc[p.key : p.key+p.keyLen]
		if p.valLine > 0 {
			shows = doc[p.value : p.value+p.valLen]
		}
		if !ok || strconv.Itoa(p.line) != line && strconv.Itoa(p.valLine) != line || text != "" && shows != text {
			t.Errorf("%s: %v %+v %q; want %q", path, ok, p, shows, want)
		}
		delete(got, path)
	}
	if len(got) != 0 {
		t.Errorf("more: %v", got)
	}
}

// Whatever the library takes, every key that it found has a place, within the document.
func FuzzPlaces(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		b, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("a.b.c = {d=[{e=1},[[2]]]}\n[[x.y]]\n[x.y.z]\n'' = 1")
	f.Fuzz(func(t *testing.T, doc string) {
		var m map[string]any
		if _, err := toml.Decode(doc, &m); err != nil || strings.HasPrefix(doc, "\ufeff") {
			return
		}
		got := places(doc)
		for path, p := range got {
			if p.key < 0 || p.key+p.keyLen > len(doc) || p.value+p.valLen > len(doc) || p.line > strings.Count(doc, "\n")+1 {
				t.Errorf("%s: %+v outside", path, p)
			}
		}
		var walk func(path string, v any)
		walk = func(path string, v any) {
			list, isList := v.([]map[string]any) // its elements have headers; it has none
			if _, ok := got[path]; !ok && path != "" && !isList {
				t.Errorf("%s has no place", path)
			}
			for i, e := range list {
				walk(at(path, i), e)
			}
			switch v := v.(type) {
			case map[string]any:
				for k, e := range v {
					walk(join(path, k), e)
				}
			case []any:
				for i, e := range v {
					walk(at(path, i), e)
				}
			}
		}
		walk("", m)
	})
}
