package mailer

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode/utf8"
)

// ErrTemplate means that a mail could not be built from its templates. What wraps it names template, line and field.
var ErrTemplate = errors.New("template")

// Data is what a template may use. Any other field is an error.
type Data struct {
	Realm     string // its name in the configuration
	RealmName string // its name for people
	Username  string // "" = the directory tells none
	Link      string
	ExpiresIn Life
	Page      string // host of the page where the user asked; "" = unknown
	Support   string // where to ask, in a few words; "" = nothing to say
}

// Life is how long the link works. In a template {{.ExpiresIn}} gives English words and {{.ExpiresIn.Minutes}} a number.
type Life time.Duration

// Minutes counts whole ones.
func (l Life) Minutes() int { return int(time.Duration(l) / time.Minute) }

// Hours counts whole ones.
func (l Life) Hours() int { return int(time.Duration(l) / time.Hour) }

// String says it as an English reader would: "60 minutes", "24 hours", "90 minutes".
func (l Life) String() string {
	if h := l.Hours(); h >= 2 && l.Minutes() == h*60 {
		return fmt.Sprintf("%d hours", h)
	}
	if d := time.Duration(l); d < time.Minute {
		return fmt.Sprintf("%d seconds", d/time.Second)
	}
	if l.Minutes() == 1 {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", l.Minutes())
}

//go:embed templates
var builtIn embed.FS

// DefaultLocale ends every chain of fallbacks.
const DefaultLocale = "en"

// Bounds of one template file and of a subject filled in, in bytes.
const (
	maxTemplate = 256 << 10
	maxSubject  = 500
)

// Templates are one realm's, by locale. They are read once and never change afterwards.
type Templates struct {
	locales map[string]*locale
	builtIn *locale
}

// locale is the three templates of one language, or what is wrong with them: a broken language fails the mails in that language, with
// a cause that names the line, and no others.
type locale struct {
	name    string // canonical, as in the file's name
	subject *template.Template
	text    *template.Template
	html    *htmltemplate.Template
	err     error
}

// LoadTemplates reads LOCALE.subject, LOCALE.txt and LOCALE.html from a folder; "" = the built-in English only. A template that does
// not parse is no error here: Check tells at start, and so does each mail that needs it.
func LoadTemplates(dir string) (*Templates, error) {
	sub, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return nil, err
	}
	base, err := readLocales(sub)
	if err != nil {
		return nil, err
	}
	t := &Templates{builtIn: base[DefaultLocale], locales: map[string]*locale{}}
	if dir == "" {
		return t, nil
	}
	if t.locales, err = readLocales(os.DirFS(dir)); err != nil {
		return nil, fmt.Errorf("reading templates: %w", err)
	}
	if len(t.locales) == 0 {
		return nil, fmt.Errorf("%w: the folder holds no LOCALE.subject, LOCALE.txt and LOCALE.html", ErrTemplate)
	}
	return t, nil
}

func readLocales(dir fs.FS) (map[string]*locale, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	out := map[string]*locale{}
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if ext != ".subject" && ext != ".txt" && ext != ".html" {
			continue
		}
		name := canonLocale(strings.TrimSuffix(e.Name(), ext))
		if name == "" {
			return nil, fmt.Errorf("%w: %s: the name is no locale", ErrTemplate, e.Name())
		}
		l := out[name]
		if l == nil {
			l = &locale{name: name}
			out[name] = l
		}
		body, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			return nil, err
		}
		l.parse(e.Name(), ext, body)
	}
	for _, l := range out {
		for ext, missing := range map[string]bool{".subject": l.subject == nil, ".txt": l.text == nil, ".html": l.html == nil} {
			if missing && l.err == nil {
				l.err = fmt.Errorf("%w: %s%s is missing", ErrTemplate, l.name, ext)
			}
		}
	}
	return out, nil
}

func (l *locale) parse(file, ext string, body []byte) {
	fail := func(err error) {
		if l.err == nil {
			l.err = templateError(err)
		}
	}
	if len(body) > maxTemplate {
		fail(fmt.Errorf("%s: longer than %d bytes", file, maxTemplate))
		return
	}
	if !utf8.Valid(body) {
		fail(fmt.Errorf("%s: not UTF-8", file))
		return
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // Windows editors put one
	var tree *parse.Tree
	switch ext {
	case ".html":
		t, err := htmltemplate.New(file).Option("missingkey=error").Parse(string(body))
		if err != nil {
			fail(err)
			return
		}
		l.html, tree = t, t.Tree
	default:
		t, err := template.New(file).Option("missingkey=error").Parse(string(body))
		if err != nil {
			fail(err)
			return
		}
		tree = t.Tree
		if ext == ".txt" {
			l.text = t
		} else {
			l.subject = t
		}
	}
	if tree != nil {
		if line, word, found := placeholder(tree.Root, string(body)); found {
			fail(fmt.Errorf("%s:%d: %s is not filled in; fields are written {{.Link}}", file, line, word))
		}
	}
}

// templateError drops Go's prefix: what is left begins with FILE:LINE.
func templateError(err error) error {
	return fmt.Errorf("%w: %s", ErrTemplate, strings.TrimPrefix(strings.TrimPrefix(err.Error(), "html/template:"), "template: "))
}

// braces is a placeholder of some other template language, which Go's would send as it stands: {link}, {{{link}, ${token}, %LINK%.
var braces = regexp.MustCompile(`\{\s*\.?[A-Za-z_][A-Za-z_.]*\s*\}|%[A-Z_]{3,}%`)

// placeholder looks only at the template's own text, never at what is filled in: a user may well be called {jo}.
func placeholder(n parse.Node, body string) (line int, word string, found bool) {
	switch n := n.(type) {
	case *parse.TextNode:
		if loc := braces.FindIndex(n.Text); loc != nil {
			at := int(n.Position()) + loc[0]
			return 1 + strings.Count(body[:min(at, len(body))], "\n"), string(n.Text[loc[0]:loc[1]]), true
		}
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, c := range n.Nodes {
			if line, word, found = placeholder(c, body); found {
				return
			}
		}
	case *parse.IfNode:
		return placeholders(body, n.List, n.ElseList)
	case *parse.WithNode:
		return placeholders(body, n.List, n.ElseList)
	case *parse.RangeNode:
		return placeholders(body, n.List, n.ElseList)
	}
	return
}

func placeholders(body string, lists ...*parse.ListNode) (line int, word string, found bool) {
	for _, l := range lists {
		if line, word, found = placeholder(l, body); found {
			return
		}
	}
	return
}

// canonLocale folds de_AT, de-at and de-AT.UTF-8 into de-at; "" = no locale.
func canonLocale(s string) string {
	s, _, _ = strings.Cut(s, ".")
	s = asciiLower(strings.ReplaceAll(s, "_", "-"))
	if len(s) > 35 {
		return ""
	}
	for _, sub := range strings.Split(s, "-") {
		if sub == "" || strings.Trim(sub, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return ""
		}
	}
	return s
}

// pick finds the nearest language: de-AT, then de, then en, then the built-in English.
func (t *Templates) pick(want string) *locale {
	for name := canonLocale(want); name != ""; {
		if l := t.locales[name]; l != nil {
			return l
		}
		i := strings.LastIndexByte(name, '-')
		name = name[:max(i, 0)]
	}
	if l := t.locales[DefaultLocale]; l != nil {
		return l
	}
	return t.builtIn
}

// Locales lists the languages of the folder, sorted; the built-in English is not among them.
func (t *Templates) Locales() []string {
	var out []string
	for name := range t.locales {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Check fills every language in for made-up people, with and without the optional fields, and gives all that is wrong.
func (t *Templates) Check() error {
	const link = "https://reset.example/r/abc123"
	full := Data{"community", "Community", "Jo", link, Life(time.Hour), "community.example", "support.example"}
	bare := Data{Realm: "community", RealmName: "Community", Link: link, ExpiresIn: Life(5 * time.Minute)}
	var errs []error
	for _, name := range t.Locales() {
		for _, data := range []Data{full, bare} {
			r, err := t.locales[name].render(data)
			if err == nil {
				err = r.carries(data.Link, name)
			}
			if err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// rendered is a mail's three texts, CRLF not yet made.
type rendered struct{ subject, text, html string }

func (l *locale) render(data Data) (rendered, error) {
	if l.err != nil {
		return rendered{}, l.err
	}
	var r rendered
	var err error
	if r.subject, err = fill(l.subject, data); err != nil {
		return r, err
	}
	if r.text, err = fill(l.text, data); err != nil {
		return r, err
	}
	if r.html, err = fill(l.html, data); err != nil {
		return r, err
	}
	if strings.ContainsAny(r.subject, "\r\n") {
		return r, fmt.Errorf("%w: %s.subject: the subject has more than one line", ErrTemplate, l.name)
	}
	if len(r.subject) > maxSubject {
		return r, fmt.Errorf("%w: %s.subject: the subject is longer than %d bytes", ErrTemplate, l.name, maxSubject)
	}
	return r, nil
}

// filler is a template of either kind.
type filler interface {
	Name() string
	Execute(w io.Writer, data any) error
}

func fill(t filler, data Data) (string, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return "", templateError(err)
	}
	name := t.Name()
	s := strings.TrimSpace(b.String())
	switch {
	case s == "":
		return "", fmt.Errorf("%w: %s: the result is empty", ErrTemplate, name)
	case strings.Contains(s, "<no value>"):
		return "", fmt.Errorf("%w: %s: a field has no value", ErrTemplate, name)
	}
	return s, nil
}
