package bounce

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed phrases.tsv
var phraseTable string

// tag says what a phrase tells about the structure of a notice; the table explains each.
type tag uint32

const (
	tagFailed tag = 1 << iota
	tagDelayed
	tagFinal
	tagList
	tagLabel
	tagSaid
	tagContact
	tagReturned
	tagSubject
	tagDelay
	tagDaemon
	tagDelivered
	tagVacation
	tagAuto
	tagChallenge
	tagComplaint
	tagReason
	tagRefused
	tagHeld
)

func tagNamed(s string) tag {
	for i, name := range []string{"failed", "delayed", "final", "list", "label", "said", "contact", "returned", "subject",
		"delay", "daemon", "delivered", "vacation", "auto", "challenge", "complaint", "reason", "refused", "held"} {
		if s == name {
			return 1 << i
		}
	}
	return 0
}

// phrases is the table made ready: one automaton (Aho and Corasick) that finds every phrase in one pass, and a trie of
// those bound to the beginning of a line.
type phrases struct {
	any, start automaton
}

// automaton is a dense state machine over byte classes.
type automaton struct {
	class   [256]uint8
	classes int
	next    []uint16 // state*classes + class
	tags    []tag    // of all phrases that end in a state
}

// table returns the phrases, built at first use and never changed.
var table = sync.OnceValue(func() *phrases {
	var free, bound []phrase
	for n, line := range strings.Split(phraseTable, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		name, text, _ := strings.Cut(line, "\t")
		t := tagNamed(name)
		if t == 0 || text == "" || len(text) > 200 {
			panic(fmt.Sprintf("phrases.tsv line %d is not a tag and a phrase", n+1))
		}
		if rest, ok := strings.CutPrefix(text, "^"); ok {
			bound = append(bound, phrase{rest, t})
		} else {
			free = append(free, phrase{text, t})
		}
	}
	return &phrases{any: build(free, true), start: build(bound, false)}
})

type phrase struct {
	text string
	tag  tag
}

// build makes an automaton; without failure links it only matches from where it was started.
func build(list []phrase, search bool) automaton {
	var a automaton
	used := [256]bool{}
	for _, p := range list {
		for i := 0; i < len(p.text); i++ {
			used[p.text[i]] = true
		}
	}
	a.classes = 1 // class 0 is every byte that no phrase holds
	for c := range 256 {
		if used[c] {
			a.class[c] = uint8(a.classes)
			a.classes++
		}
	}
	for c := 'A'; c <= 'Z'; c++ { // case is folded for ASCII here, for other letters by the caller
		a.class[c] = a.class[c+'a'-'A']
	}
	state := func() int {
		a.next = append(a.next, make([]uint16, a.classes)...)
		a.tags = append(a.tags, 0)
		return len(a.tags) - 1
	}
	state()
	for _, p := range list {
		s := 0
		for i := 0; i < len(p.text); i++ {
			k := s*a.classes + int(a.class[p.text[i]])
			if a.next[k] == 0 {
				n := state()
				if n > 0xffff {
					panic("phrases.tsv is too large for its automaton")
				}
				a.next[k] = uint16(n)
			}
			s = int(a.next[k])
		}
		a.tags[s] |= p.tag
	}
	if !search {
		return a
	}
	fail := make([]uint16, len(a.tags))
	queue := make([]uint16, 0, len(a.tags))
	for c := range a.classes {
		if n := a.next[c]; n != 0 {
			queue = append(queue, n)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for c := range a.classes {
			k := int(s)*a.classes + c
			back := a.next[int(fail[s])*a.classes+c]
			n := a.next[k]
			if n == 0 {
				a.next[k] = back
				continue
			}
			fail[n] = back
			a.tags[n] |= a.tags[back]
			queue = append(queue, n)
		}
	}
	return a
}

// tagsOf returns the tags of all phrases in s.
func (a *automaton) tagsOf(s string) tag {
	t, _ := a.run(0, s)
	return t
}

// prefix reports the tags of a phrase that s begins with.
func (a *automaton) prefix(s string) tag {
	st := 0
	for i := 0; i < len(s); i++ {
		st = int(a.next[st*a.classes+int(a.class[s[i]])])
		if st == 0 {
			return 0
		}
		if a.tags[st] != 0 {
			return a.tags[st]
		}
	}
	return 0
}

// fold prepares text for the automaton: letters beyond ASCII become lower case. The automaton folds ASCII itself.
func fold(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.ToLower(s)
}
