package reply

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
)

//go:embed rules/*.txt providers.tsv
var tables embed.FS

// Book is a set of rules made ready for reading. It is safe for concurrent use. A nil *Book holds the built-in rules; the zero value is
// not usable.
type Book struct {
	own       string // the rules that With was given; "" = none
	owned     int    // how many of rules these are: they stand first
	rules     []rule
	alts      []alternative
	phrases   trie
	byStatus  map[status][]uint16 // rules without phrases; detail or class 0 stands for any, see lookups
	byCode    map[uint16][]uint16 // rules without phrases and status, by reply code or its first digit
	byStage   map[string][]uint16 // rules with nothing but a stage
	hosts     hosts
	aliases   map[string]string // other names of providers
	providers []string
	slots     uint16    // alternatives of several steps
	pool      sync.Pool // of *scratch
}

// maxSteps bounds the parts of one alternative.
const maxSteps = 8

// alternative is one way in which a rule, or its exception, can be said: steps phrases in this order.
type alternative struct {
	rule     uint16
	steps    uint8
	near     uint8  // bit i: step i follows the one before it at once, not after a gap
	slot     uint16 // index into scratch.progress; only when steps > 1
	unless   bool
	provider uint16 // 1-based: the alternative recognises a provider and belongs to no rule
}

// With returns a Book that tries an operator's own rules, written as in rules/*.txt, before the built-in ones. The error is Faults where
// these rules are wrong.
func With(own string) (*Book, error) { return newBook(own, "") }

// Over returns a Book that tries the rules of text after b's own and before the built-in ones: for packages that know words of their own.
func (b *Book) Over(text string) (*Book, error) {
	if b == nil {
		return newBook("", text)
	}
	return newBook(b.own, text)
}

// Owns tells whether a rule, named by its id, is one of the operator's own.
func (b *Book) Owns(id string) bool {
	if b == nil {
		return false
	}
	return slices.ContainsFunc(b.rules[:b.owned], func(r rule) bool { return r.id == id })
}

func newBook(own, between string) (*Book, error) {
	b := &Book{own: own, byStatus: map[status][]uint16{}, byCode: map[uint16][]uint16{}, byStage: map[string][]uint16{}}
	root := &sprout{}
	if err := b.readProviders(root); err != nil {
		return nil, err
	}
	texts := []string{own, between}
	names := []string{ownRules, "rules of a package"}
	files, err := tables.ReadDir("rules")
	if err != nil {
		return nil, err
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Name() < files[j].Name() })
	for _, f := range files {
		t, err := tables.ReadFile("rules/" + f.Name())
		if err != nil {
			return nil, err
		}
		texts, names = append(texts, string(t)), append(names, f.Name())
	}
	seen := map[string]rule{}
	var wrong Faults
	for i, t := range texts {
		rules, faults := parseRules(t)
		for _, f := range faults {
			f.File = names[i]
			wrong = append(wrong, f)
		}
		for _, r := range rules {
			r.file = names[i]
			if other, taken := seen[r.id]; taken && other.file != r.file {
				wrong = append(wrong, other.fault("a built-in rule has this id"))
				continue
			} else if taken {
				wrong = append(wrong, r.fault("another rule has this id"))
				continue
			}
			seen[r.id] = r
			if err := b.add(root, r); err != nil {
				wrong = append(wrong, r.fault(err.Error()))
			}
		}
		if i == 0 {
			b.owned = len(b.rules)
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	b.phrases = root.pack()
	b.pool.New = func() any { return b.newScratch() }
	return b, nil
}

func (b *Book) add(root *sprout, r rule) error {
	n := uint16(len(b.rules))
	if n == 1<<16-1 {
		return errors.New("too many rules")
	}
	for i, p := range r.providers {
		q, ok := b.aliases[p]
		if !ok {
			return fmt.Errorf("provider %q is not in providers.tsv", p)
		}
		r.providers[i] = q
	}
	b.rules = append(b.rules, r)
	var wrong []error
	for _, s := range r.says {
		wrong = append(wrong, b.addPhrase(root, s, alternative{rule: n}))
	}
	for _, s := range r.unless {
		wrong = append(wrong, b.addPhrase(root, s, alternative{rule: n, unless: true}))
	}
	if err := errors.Join(wrong...); err != nil || len(r.says) > 0 {
		return err
	}
	switch {
	case len(r.statuses) > 0:
		for _, x := range r.statuses {
			for d := x.low; ; d++ {
				b.byStatus[status{x.class, x.subject, d}] = append(b.byStatus[status{x.class, x.subject, d}], n)
				if d >= x.high {
					break
				}
			}
		}
	case len(r.codes) > 0:
		for _, c := range r.codes {
			b.byCode[c] = append(b.byCode[c], n)
		}
	case len(r.stages) > 0:
		for _, s := range r.stages {
			b.byStage[s] = append(b.byStage[s], n)
		}
	default:
		return errors.New("nothing to recognise it by")
	}
	return nil
}

// addPhrase makes an alternative of one line of says or unless: "recipient .. {unknown,not found}". Each part between ".." is a step of
// its own, and so are braces that follow each other: steps keep the number of phrases a sum where it would be a product.
func (b *Book) addPhrase(root *sprout, line string, a alternative) error {
	steps, near := splitSteps(line)
	if len(steps) > maxSteps {
		return fmt.Errorf("more than %d parts in %q", maxSteps, line)
	}
	a.steps, a.near = uint8(len(steps)), near
	if a.steps > 1 {
		a.slot = b.slots
		b.slots++
	}
	k := len(b.alts)
	if k == 1<<16-1 {
		return errors.New("too many phrases")
	}
	b.alts = append(b.alts, a)
	var wrong []error
	for i, s := range steps {
		if variants(s) > maxVariants {
			return fmt.Errorf("more than %d phrases in %q", maxVariants, clipped(s))
		}
		phrases, err := expand(s)
		if err != nil {
			return err
		}
		for _, p := range phrases {
			p, err := foldPhrase(p)
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			root.add(p, out{uint16(k), uint8(i)})
		}
	}
	return errors.Join(wrong...)
}

// splitSteps takes a line apart; bit i of near is set when step i must follow the one before it at once.
func splitSteps(line string) (steps []string, near uint8) {
	for _, part := range strings.Split(line, " .. ") {
		for i, s := range strings.SplitAfter(strings.ReplaceAll(part, "} {", "}\x00{"), "\x00") {
			if i > 0 {
				near |= 1 << len(steps)
			}
			steps = append(steps, strings.TrimSuffix(s, "\x00"))
		}
	}
	return steps, near
}
