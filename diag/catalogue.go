package diag

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed causes.tsv
var causesTSV string

//go:embed tell.tsv
var tellTSV string

// Cause is a row of the catalogue.
type Cause struct {
	ID        string
	Blame     Blame
	Resend    Helps
	Tell      string // key of the text for the user
	Says      string // template, as causes.tsv explains it
	Because   string // template: why a resend helps or not
	Actions   []Action
	SettledBy string
	Proof     string // what it rests upon
	Diagnosed Source
}

// Source says from what a cause is told.
type Source string

// The sources of a diagnosis.
const (
	FromFacts  Source = "facts"  // a rule over our own facts
	FromWords  Source = "words"  // what a host said, as diag/reply reads it
	FromReport Source = "report" // it cannot happen here; said only when a report from outside names it
)

// table is the catalogue, read once and never changed.
var table = sync.OnceValue(func() *catalogue {
	c, err := readCatalogue(causesTSV, tellTSV)
	if err != nil {
		panic("diag: embedded catalogue: " + err.Error()) // a test reads the same bytes
	}
	return c
})

type catalogue struct {
	causes []Cause
	byID   map[string]int
	tell   map[string]map[string]string // key -> language -> template
}

// Causes lists the catalogue in its order.
func Causes() []Cause {
	return append([]Cause(nil), table().causes...)
}

// CauseOf finds a row by its id.
func CauseOf(id string) (Cause, bool) {
	t := table()
	i, ok := t.byID[id]
	if !ok {
		return Cause{}, false
	}
	return t.causes[i], true
}

func readCatalogue(causes, tell string) (*catalogue, error) {
	c := &catalogue{byID: map[string]int{}, tell: map[string]map[string]string{}}
	for _, row := range rows(causes, 10) {
		if row == nil {
			return nil, fmt.Errorf("a row of causes.tsv has not 10 columns")
		}
		actions, err := readActions(row[6])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row[0], err)
		}
		if _, twice := c.byID[row[0]]; twice {
			return nil, fmt.Errorf("%s stands twice", row[0])
		}
		c.byID[row[0]] = len(c.causes)
		c.causes = append(c.causes, Cause{ID: row[0], Blame: Blame(row[1]), Resend: Helps(row[2]), Tell: row[3], Says: row[4],
			Because: row[5], Actions: actions, SettledBy: row[7], Proof: row[8], Diagnosed: Source(row[9])})
	}
	for _, row := range rows(tell, 3) {
		if row == nil {
			return nil, fmt.Errorf("a row of tell.tsv has not 3 columns")
		}
		if c.tell[row[0]] == nil {
			c.tell[row[0]] = map[string]string{}
		}
		c.tell[row[0]][row[1]] = row[2]
	}
	return c, nil
}

// rows splits a table; a row of another width is nil. The first row that is no comment names the columns.
func rows(s string, width int) [][]string {
	var out [][]string
	head := true
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if head {
			head = false
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != width {
			row = nil
		}
		out = append(out, row)
	}
	return out
}

func readActions(s string) ([]Action, error) {
	var out []Action
	for part := range strings.SplitSeq(s, ";;") {
		who, do, ok := strings.Cut(strings.TrimSpace(part), ": ")
		if !ok {
			return nil, fmt.Errorf("an action names nobody: %q", part)
		}
		do, call, _ := strings.Cut(do, " => ")
		out = append(out, Action{Who: Who(who), Do: strings.TrimSpace(do), Call: strings.TrimSpace(call)})
	}
	return out, nil
}

// tellUser gives the text of a next step for a locale ("de-AT", "pt_BR.UTF-8"): that of the country where there is one, else of the language,
// else in English.
func (c *catalogue) tellUser(key, locale string, vars vars) string {
	texts := c.tell[key]
	locale, _, _ = strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "_", "-"), ".")
	lang, _, _ := strings.Cut(locale, "-")
	return vars.fill(or(texts[locale], or(texts[lang], texts["en"])))
}
