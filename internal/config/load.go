package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxFile caps what is read of the configuration and of each file that it names, in bytes.
const maxFile = 1 << 20

// Load reads and checks the configuration at path. env is as os.Environ gives it: RESETD_<SECTION>_<KEY> overrides single values. The error is Problems,
// all that start-up refuses at once; what it merely frowns at is in Config.Warnings.
func Load(path string, env []string) (*Config, error) {
	c, problems := Check(path, env)
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// Check is Load for those who want the warnings too where there are problems. The Config is never nil, and not fit for use where there are problems.
func Check(path string, env []string) (*Config, Problems) {
	c := Default()
	doc, err := readCapped(path)
	if err != nil {
		return c, Problems{{File: path, What: "cannot be read: " + reason(err), Try: "`resetd config example > " + filepath.Base(path) + "` writes one to start from"}}
	}
	r := newReport(path, doc)
	if i := invalidUTF8(doc); i >= 0 {
		var p Problem
		p.File, p.What, p.Try = path, "the file is not UTF-8", "save it as UTF-8"
		r.locate(&p, strings.Count(doc[:i], "\n")+1, i, 1)
		return c, Problems{p}
	}
	doc = strings.TrimPrefix(doc, "\ufeff")
	r = newReport(path, doc)

	var m map[string]any
	if _, err := toml.Decode(doc, &m); err != nil {
		return c, Problems{r.syntax(err)}
	}
	r.places = places(doc)
	binder{r}.table(reflect.ValueOf(c).Elem(), m, "")
	applyEnv(c, r, env)

	k := &checker{report: r, c: c, dir: filepath.Dir(path)}
	k.all()
	c.Warnings = r.sorted(r.warnings)
	return c, r.sorted(r.problems)
}

// syntax is a document that is no TOML: the library stops at the first fault.
func (r *report) syntax(err error) Problem {
	p := Problem{File: r.file, What: "not TOML: " + err.Error()}
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return p
	}
	p.What = inert("not TOML: " + strings.TrimSuffix(pe.Message, "."))
	r.locate(&p, pe.Position.Line, pe.Position.Start, pe.Position.Len)
	if secretLine.MatchString(strings.TrimSpace(lineAt(r.lines, p.Line))) || strings.Contains(p.Text, "…") {
		p.What = "not TOML" // the library may quote the secret
	}
	switch {
	case strings.Contains(pe.Message, "expected value but found"):
		p.Try = `a text needs quotes: key = "value"`
	case strings.Contains(pe.Message, "already") || strings.Contains(pe.Message, "duplicate"):
		p.Try = "keep one of the two; tables that repeat are written [[…]]"
	case strings.Contains(pe.Message, "escape"):
		p.Try = `write \\ for one backslash, or use single quotes: 'C:\path'`
	}
	return p
}

func lineAt(lines []string, n int) string {
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

func readCapped(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return "", err
	} else if st.IsDir() {
		return "", errors.New("it is a folder")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxFile:
		return "", errors.New("it is over 1 MiB")
	}
	return string(b), nil
}

// reason is an error without the path, which stands beside it already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
