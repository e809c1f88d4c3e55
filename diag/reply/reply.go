// Package reply answers what an SMTP reply means: which reason the host gives, which cause of the catalogue that is, whose
// fault it is, and whether waiting helps.
//
// What it knows stands in rules/*.txt and providers.tsv, tables that a mail operator can read and extend; RULES.md is the
// generated list. A rule names phrases, codes, status codes, providers or stages, and says what they prove. Rules are tried in
// the order in which they stand, the first one that fits decides: the most telling come first, bare codes last. Where no rule fits the
// answer is ReasonUnknown; the package never guesses from a single digit what a person could read better.
//
// Reading takes three steps: the text is folded (letters, words, addresses and codes as rules compare them, see folded), one
// walk through a trie finds all phrases, then conditions are checked. It works in time linear in the text and
// on at most the first 8 KiB of it.
package reply

import (
	"strings"
	"sync"
	"time"
)

// Reply is what a host said, as the caller saw it. Every field but Text may be left at its zero value.
type Reply struct {
	Provider string // lower case (google, microsoft …); "" = recognise it from Host, Banner or Text
	Host     string // MX or remote host name, may be ""
	Banner   string // the host's greeting, may be ""
	Stage    string // where in the dialogue: dial, banner, ehlo, starttls, auth, mail, rcpt, data, dot; "" = unknown
	Code     int    // reply code; 0 = none (looked for in Text)
	Enhanced string // enhanced status code "5.1.1"; "" = none (looked for in Text)
	Text     string // the reply's text, with or without leading codes; may be several lines
}

// Confidence says how sure a reading is. The zero value is Possible.
type Confidence int

// The degrees of confidence.
const (
	Possible Confidence = iota // a code or a vague word points there
	Likely                     // the text says so in common words
	Certain                    // the text or a provider's own code leaves no other meaning
)

// String returns the word of the public contract: possible, likely or certain.
func (c Confidence) String() string {
	switch c {
	case Certain:
		return "certain"
	case Likely:
		return "likely"
	}
	return "possible"
}

// Because is what a reading rests on.
type Because struct {
	Line int    // 1-based line of Text; 0 = not in Text but in the reply's Code, Enhanced or Stage; with an empty Text: nothing
	Text string // the words themselves, as they stand there
}

// Reading is what a reply means.
type Reading struct {
	Provider   string        // who speaks, "" = not recognised
	Reason     Reason        // ReasonUnknown when nothing is known
	Cause      string        // id of the catalogue of causes, "recipient.unknown_mailbox"
	Blame      string        // the catalogue's word for whose fault it is
	Permanent  bool          // the host refused for good; false = it may take the same mail later
	Confidence Confidence    // how sure
	RetryAfter time.Duration // the host said when to come back; 0 = it did not; at most MaxRetryAfter
	Code       int           // reply code as found, 0 = none
	Enhanced   string        // enhanced status code as found, "" = none
	Rule       string        // id of the rule that decided, "" = none did
	Because    Because       // what it rests on
}

// builtin is the book made from the embedded tables, on first use.
var builtin = sync.OnceValue(func() *Book {
	b, err := newBook("", "")
	if err != nil {
		panic("reply: embedded rules: " + err.Error()) // a test reads them all
	}
	return b
})

// Read says what r means, by the built-in rules.
func Read(r Reply) Reading { return builtin().read(r) }

// Provider recognises the mail service from its host name, its greeting or its words; "" = none known.
func Provider(host, banner, text string) string {
	b := builtin()
	if p := b.hosts.provider(host); p != "" {
		return p
	}
	if p := b.hosts.provider(firstWord(banner)); p != "" {
		return p
	}
	s := b.scratch()
	defer b.release(s)
	for _, t := range [2]string{banner, text} {
		s.fold.fold(t, 0)
		b.scan(s)
		if s.provider > 0 {
			return b.providers[s.provider-1]
		}
	}
	return ""
}

// ParseLine makes a Reply of a pasted one: one or several lines ("550-5.1.1 …"), perhaps with the provider's name and a tab in front.
func ParseLine(s string) Reply {
	var r Reply
	if p, rest, ok := strings.Cut(s, "\t"); ok && isName(p) {
		if p = strings.ToLower(p); p != "-" {
			r.Provider = p
		}
		s = rest
	}
	r.Text = s
	var end int
	r.Code, end = findCode(s)
	r.Enhanced = findEnhanced(s, end)
	return r
}

// isName tells whether p can be a provider's name: "web.de", "t-online", "-". "550" is none.
func isName(p string) bool {
	letters := p == "-"
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			letters = true
		case isDigit(c), c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return letters && len(p) <= 40
}

func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 4 && codeAt(s, 0) {
		s = strings.TrimLeft(s[4:], " ")
	}
	w, _, _ := strings.Cut(s, " ")
	return w
}
