package realm

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxNear is how many look-alikes are worth a support person's time.
const maxNear = 5

// How a name resembles a login, nearest first. The order is how often each is a mistake rather than two people.
const (
	nearNot    = iota
	nearTwin   // the same to the eye: case, width, accents, invisible or borrowed letters
	nearTag    // the same mailbox at many hosts: plus tag, Gmail's dots
	nearDomain // the same local part, and a domain that is often mistyped
	nearEdit   // one letter wrong, missing, too many, or two swapped
)

// Near finds accounts that look like the login without being it: at most five, nearest first. It is for support only; showing it to the
// public would tell who has an account.
func Near(login string, among []Account) []Account {
	near := newNearest(login)
	for i, a := range among {
		for _, name := range a.names() {
			near.offer(newForm(name), i)
		}
	}
	var out []Account
	for _, i := range near.best() {
		out = append(out, among[i])
	}
	return out
}

// form is a name in the shapes that are compared.
type form struct {
	normal string // as Normal
	eye    string // as it looks: skeleton of normal
	box    string // without plus tag and, at Gmail, without dots
	domain string // of normal, after the last @; "" without one
}

func newForm(name string) form {
	f := form{normal: Normal(name)}
	f.eye = skeleton(f.normal)
	f.box = f.normal
	if at := strings.LastIndexByte(f.normal, '@'); at >= 0 {
		f.domain = f.normal[at+1:]
		f.box = mailbox(f.normal[:at], f.domain)
	}
	return f
}

func mailbox(local, domain string) string {
	if plus := strings.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	if domain == "gmail.com" || domain == "googlemail.com" {
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	return local + "@" + domain
}

type candidate struct{ how, index int }

type nearest struct {
	login form
	fixed form        // the login with its mistyped domain corrected; equal to login where there is nothing to correct
	how   map[int]int // index -> nearest relation seen; nearNot where it is the login itself
	order []int       // indexes in the order first seen
}

func newNearest(login string) *nearest {
	n := &nearest{login: newForm(login), how: map[int]int{}}
	n.fixed = n.login
	if right, ok := mistyped(n.login.domain); ok {
		n.fixed = newForm(strings.TrimSuffix(n.login.normal, n.login.domain) + right)
	}
	return n
}

// offer compares one name of the account at index.
func (n *nearest) offer(name form, index int) {
	if name.normal == n.login.normal {
		n.how[index] = nearNot // the account itself is no look-alike, whatever its other names are
		return
	}
	how := n.relation(name)
	if how == nearNot {
		return
	}
	old, seen := n.how[index]
	if !seen {
		n.order = append(n.order, index)
	}
	if !seen || old != nearNot && how < old {
		n.how[index] = how
	}
}

func (n *nearest) relation(name form) int {
	switch {
	case name.eye == n.login.eye:
		return nearTwin
	case name.box == n.login.box:
		return nearTag
	case n.fixed.domain != n.login.domain && (name.normal == n.fixed.normal || name.box == n.fixed.box):
		return nearDomain
	case oneEdit(name.normal, n.login.normal):
		return nearEdit
	}
	return nearNot
}

func (n *nearest) best() []int {
	var all []candidate
	for _, i := range n.order {
		if n.how[i] != nearNot {
			all = append(all, candidate{n.how[i], i})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.how - b.how })
	if len(all) > maxNear {
		all = all[:maxNear]
	}
	out := make([]int, len(all))
	for i, c := range all {
		out[i] = c.index
	}
	return out
}

// oneEdit says whether a and b differ by one letter inserted, removed, replaced, or two neighbours swapped. Letters are runes; names of fewer
// than three are too short to resemble anything.
func oneEdit(a, b string) bool {
	if d := len(a) - len(b); d < -4 || d > 4 { // a rune is at most 4 bytes
		return false
	}
	p := 0
	for p < len(a) && p < len(b) && a[p] == b[p] {
		p++
	}
	for p > 0 && (inRune(a, p) || inRune(b, p)) { // back to the start of the rune
		p--
	}
	s := 0
	for s < len(a)-p && s < len(b)-p && a[len(a)-1-s] == b[len(b)-1-s] {
		s++
	}
	for s > 0 && (inRune(a, len(a)-s) || inRune(b, len(b)-s)) {
		s--
	}
	if p+s < 2 {
		return false
	}
	if len(a)-p-s > 8 || len(b)-p-s > 8 {
		return false
	}
	x, y := []rune(a[p:len(a)-s]), []rune(b[p:len(b)-s])
	switch {
	case len(x) <= 1 && len(y) <= 1:
		return len(x)+len(y) > 0
	case len(x) == 2 && len(y) == 2:
		return x[0] == y[1] && x[1] == y[0]
	}
	return false
}

// inRune says whether s[i] continues a rune of UTF-8.
func inRune(s string, i int) bool { return i < len(s) && s[i]&0xC0 == 0x80 }

// skeleton is how a name looks: compatibility forms, accents and invisible characters removed, letters of other scripts that look Latin
// replaced. It is a small part of Unicode TR39's table, the part met in logins.
func skeleton(normal string) string {
	ascii := true
	for i := 0; i < len(normal) && ascii; i++ {
		ascii = normal[i] < 0x80
	}
	s := normal
	if !ascii {
		var b strings.Builder
		for _, r := range norm.NFKD.String(s) {
			switch {
			case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r), r == 0x3164, r == 0x115f:
				continue
			}
			if to := latinTwin(r); to != 0 {
				r = to
			}
			b.WriteRune(r)
		}
		s = strings.ToLower(b.String())
	}
	return digraphs(s)
}

// digraphs maps what looks alike within ASCII: O and 0, l and 1, I (folded to i) and l, rn and m, vv and w.
func digraphs(s string) string {
	if !strings.ContainsAny(s, "01i|") && !strings.Contains(s, "rn") && !strings.Contains(s, "vv") {
		return s
	}
	return strings.NewReplacer("0", "o", "1", "l", "i", "l", "|", "l", "rn", "m", "vv", "w").Replace(s)
}

func latinTwin(r rune) rune {
	const (
		from = "абвеѕіјӏкмнорстухһԁԛԝгαβγεικνορτυχωɑɡıſøłđð"
		to   = "a6beslj1kmhopctyxhdqwravyeiknoptuxwagisoldd"
	)
	i := 0
	for _, f := range from {
		if f == r {
			return rune(to[i])
		}
		i++
	}
	return 0
}

// mistyped gives the domain that was probably meant. Only large mailbox hosts are here: a company's domain one letter away is found by oneEdit.
func mistyped(domain string) (string, bool) {
	for _, right := range [...]string{"gmail.com", "hotmail.com", "outlook.com", "yahoo.com", "icloud.com", "googlemail.com", "live.com", "aol.com", "gmx.net", "gmx.de",
		"web.de", "proton.me", "protonmail.com", "hotmail.co.uk", "yahoo.co.uk", "yahoo.co.jp", "orange.fr", "mail.ru", "yandex.ru", "qq.com", "163.com"} {
		if domain == right {
			return "", false
		}
	}
	switch domain {
	case "gmial.com", "gmai.com", "gamil.com", "gnail.com", "gmail.co", "gmail.cm", "gmail.con", "gmail.cmo", "gmaill.com", "gmal.com", "gmali.com", "gmil.com",
		"gmail.org", "gmail.net", "gmailcom", "gmail", "gimail.com", "gmaio.com", "gmail.om", "gmail.comm", "gemail.com", "ggmail.com", "gmaul.com", "gmsil.com":
		return "gmail.com", true
	case "hotnail.com", "hotmai.com", "hotmal.com", "hotmial.com", "hotmil.com", "homail.com", "hotmail.co", "hotmail.con", "hotmail.cm", "hotmaill.com", "hotamil.com",
		"hitmail.com", "hotmali.com", "htmail.com", "hormail.com", "hotmail", "hotmailcom", "hoymail.com", "hotnail", "hotmaul.com":
		return "hotmail.com", true
	case "outlok.com", "outloo.com", "outlook.co", "outlook.con", "outllok.com", "outlokk.com", "oulook.com", "otulook.com", "outloook.com", "outlook", "outlookcom", "putlook.com", "outlool.com":
		return "outlook.com", true
	case "yaho.com", "yahooo.com", "yhoo.com", "yahoo.co", "yahoo.con", "yahoo.cm", "yaoo.com", "yhaoo.com", "yaho.co", "yahho.com", "yahoocom", "ymail.con", "tahoo.com", "yahpo.com", "yahoo":
		return "yahoo.com", true
	case "iclod.com", "icloud.co", "icloud.con", "icoud.com", "iclould.com", "icluod.com", "ilcoud.com", "icloud", "icloudcom":
		return "icloud.com", true
	case "protonmial.com", "protonmai.com", "protonmail.con", "protonmail.co", "protomail.com":
		return "protonmail.com", true
	case "gmx.ne", "gmx.nt", "gmx.met":
		return "gmx.net", true
	case "gmx.d", "gmx.ed", "gnx.de", "gmx.dee":
		return "gmx.de", true
	case "web.d", "wed.de", "wbe.de", "web.ed":
		return "web.de", true
	case "live.con", "live.co", "liv.com", "lve.com":
		return "live.com", true
	}
	return "", false
}
