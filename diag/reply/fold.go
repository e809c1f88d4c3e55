package reply

import (
	"unicode/utf8"
)

// maxText is how much of a reply is read, in bytes. A reply line has 512 (RFC 5321 section 4.5.3.1.5); what stands beyond 8 KiB
// is no explanation.
const maxText = 8 << 10

// folded is a text in the form in which phrases are compared: lower case, words apart by one space, without accents, punctuation,
// reply codes and little words, an address as "@", an IP address as "#". It begins and ends with a space.
// Every wording of a host's reply becomes one of few: `550-5.1.1 The user <jo@x.example> isn't
// known` is " user @ not known ".
type folded struct {
	text []byte
	from []uint16 // from[i] is where text[i] came from: an offset in the original
	word int      // where the current word begins in text
	hard int      // length of text at the last delimiter that cannot be inside an address
}

func (f *folded) reset() {
	f.text, f.from = f.text[:0], f.from[:0]
	f.emit(' ', 0)
	f.word, f.hard = 1, 1
}

func (f *folded) emit(c byte, at int) {
	f.text = append(f.text, c)
	f.from = append(f.from, uint16(at))
}

func (f *folded) emitString(s string, at int) {
	for i := 0; i < len(s); i++ {
		f.emit(s[i], at)
	}
}

// cut forgets everything after n bytes.
func (f *folded) cut(n int) {
	f.text, f.from = f.text[:n], f.from[:n]
}

// endWord closes the current word, dropping it when it carries no meaning.
func (f *folded) endWord(at int) {
	if f.word == len(f.text) {
		return
	}
	if isLittle(f.text[f.word:]) {
		f.cut(f.word)
		return
	}
	long := spelledOut(f.text[f.word:])
	if long == "" {
		long = respelled(f.text[f.word:])
	}
	if long != "" {
		from := int(f.from[f.word])
		f.cut(f.word)
		f.emitString(long, from)
	}
	if string(f.text[f.word:]) == "not" && f.word >= 5 && string(f.text[f.word-5:f.word]) == " can " {
		f.cut(f.word - 1) // "can not" is "cannot"
		f.emitString("not", at)
	}
	f.emit(' ', at)
	f.word = len(f.text)
}

// spelledOut gives the long form of a contraction written without its apostrophe, "" for any other word.
func spelledOut(w []byte) string {
	if n := len(w); n < 4 || n > 7 || w[n-1] != 't' || w[n-2] != 'n' {
		return ""
	}
	switch string(w) {
	case "isnt", "wasnt", "arent", "werent", "hasnt", "havent":
		return "not" // what is left when forms of to be and to have are dropped
	case "doesnt":
		return "does not"
	case "dont":
		return "do not"
	case "didnt":
		return "did not"
	case "cant":
		return "cannot"
	case "couldnt":
		return "could not"
	case "wont":
		return "will not"
	}
	return ""
}

// respelled gives the usual spelling of a word that hosts also spell otherwise, or wrongly; "" for any other word.
func respelled(w []byte) string {
	if n := len(w); n < 3 || n > 18 {
		return ""
	}
	switch string(w) {
	case "authorised":
		return "authorized"
	case "unauthorised":
		return "unauthorized"
	case "authorisation":
		return "authorization"
	case "recognised":
		return "recognized"
	case "unrecognised":
		return "unrecognized"
	case "organisation":
		return "organization"
	case "penalised":
		return "penalized"
	case "dos", "dose":
		return "does"
	case "dosnt", "doesn", "doesnot":
		return "does not"
	case "recieve", "receve":
		return "receive"
	case "recieved":
		return "received"
	case "recipent", "reciepient", "recepient", "receipient", "recipiant", "recpient", "recipeint", "reciepent":
		return "recipient"
	case "adress", "addres", "addess", "addresse":
		return "address"
	case "mailbx", "maibox", "mailbbox", "malbox":
		return "mailbox"
	case "unkown", "unknwon", "uknown", "unknow", "unknonw":
		return "unknown"
	case "administrativley", "administrativly":
		return "administratively"
	case "empfaenger":
		return "empfanger"
	case "empfaengeradresse":
		return "empfangeradresse"
	case "ungueltig":
		return "ungultig"
	case "ungueltige":
		return "ungultige"
	case "ueberschritten":
		return "uberschritten"
	case "verfuegbar":
		return "verfugbar"
	case "geloescht":
		return "geloscht"
	case "exsist", "exsit", "exsits", "exits", "exsists":
		return "exist"
	}
	return ""
}

// isLittle tells articles, forms of to be and to have, and the like: hosts use or omit them freely.
func isLittle(w []byte) bool {
	if len(w) > 9 {
		return false
	}
	switch string(w) {
	case "a", "an", "the", "is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "your", "this", "that", "these",
		"its", "their", "our", "my", "currently", "now", "already", "just":
		return true
	}
	return false
}

// fold reads s into f, from the offset start on.
func (f *folded) fold(s string, start int) {
	f.reset()
	if len(s) > maxText {
		s = s[:maxText]
	}
	for i := start; i < len(s); {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z':
			f.emit(c, i)
			i++
		case 'A' <= c && c <= 'Z':
			f.emit(c+'a'-'A', i)
			i++
		case '0' <= c && c <= '9':
			if f.word == len(f.text) {
				if n := f.number(s, i); n > 0 {
					i += n
					continue
				}
			}
			f.emit(c, i)
			i++
		case c == '@':
			i = f.address(s, i)
		case c == '\'' || c == '`':
			i = f.apostrophe(s, i)
		case c == '-' && f.word+1 == len(f.text) && f.text[f.word] == 'e' && i+1 < len(s) && s[i+1]|0x20 == 'm':
			i++ // "e-mail" is "email"
		case c < utf8.RuneSelf:
			f.endWord(i)
			i++
			if !inAddress(c) {
				f.hard = len(f.text)
			}
		default:
			i += f.rune(s, i)
		}
	}
	f.endWord(len(s))
}

// inAddress tells the punctuation that a local part can hold (RFC 5321 Atom, RFC 5322 section 3.2.3), as far as replies show it.
func inAddress(c byte) bool {
	switch c {
	case '.', '-', '_', '+', '=', '*', '/', '&', '~', '!', '#', '$', '%':
		return true
	}
	return false
}

// address closes an address whose @ stands at i: what was before it, back to the last delimiter, and the domain behind it become "@".
func (f *folded) address(s string, i int) int {
	at := i
	if f.hard < len(f.text) {
		at = int(f.from[f.hard])
	}
	f.cut(min(f.hard, len(f.text)))
	f.word = len(f.text)
	f.emit('@', at)
	end := i + 1
	for end < len(s) && (isAlnum(s[end]) || s[end] == '.' || s[end] == '-' || s[end] == '*' || s[end] >= utf8.RuneSelf) {
		end++
	}
	f.endWord(end)
	f.hard = len(f.text)
	return max(end, i+1)
}

// apostrophe drops it ("user's" is "users"), spells n't out, and parts elided French and Italian articles ("l'adresse") from their nouns.
func (f *folded) apostrophe(s string, i int) int {
	n := len(f.text)
	if f.word < n && f.text[n-1] == 'n' && i+1 < len(s) && s[i+1]|0x20 == 't' && (i+2 == len(s) || !isAlnum(s[i+2])) {
		if string(f.text[f.word:]) != "can" {
			f.cut(n - 1)
		}
		f.endWord(i)
		f.emitString("not", i)
		f.endWord(i + 1)
		return i + 2
	}
	if f.word+1 == n || f.word == n || i+1 >= len(s) || !isAlnum(s[i+1]) {
		f.endWord(i)
		f.hard = len(f.text)
	}
	return i + 1
}

// number skips a reply code or enhanced code at i, and makes an IP address "#". It returns the bytes taken, 0 when it is an ordinary number.
func (f *folded) number(s string, i int) int {
	if n := enhancedAt(s, i); n > 0 {
		return n
	}
	if n := ipAt(s, i); n > 0 {
		f.emit('#', i)
		f.endWord(i + n)
		return n
	}
	if codeAt(s, i) && (i == 0 || s[i-1] <= ' ' || s[i-1] == '\'' || s[i-1] == '"') && (i+3 == len(s) && lineStart(s, i) || i+3 < len(s) && (s[i+3] == '-' || s[i+3] == ' ' && (lineStart(s, i) || i+4 < len(s) && enhancedAt(s, i+4) > 0))) {
		return 3
	}
	return 0
}

// rune folds one character outside ASCII and returns its length in s.
func (f *folded) rune(s string, i int) int {
	r, n := utf8.DecodeRuneInString(s[i:])
	if r == utf8.RuneError && n <= 1 {
		r, n = rune(s[i]), 1 // not UTF-8: old hosts speak Latin-1
	}
	switch {
	case r == '’' || r == '‘' || r == '´':
		if r == '’' && len(f.text) > f.word {
			return n
		}
		f.endWord(i)
	case r < 0x180:
		f.emitString(latin(r), i)
		if latin(r) == "" {
			f.endWord(i)
		}
	case 0x410 <= r && r <= 0x42f: // А to Я
		f.emitRune(r+0x20, i)
	case r == 'ё' || r == 'Ё':
		f.emitRune('е', i)
	case 0xff01 <= r && r <= 0xff5e: // full width ASCII
		c := byte(r - 0xfee0)
		if isAlnum(c) {
			f.emit(lower(c), i)
		} else {
			f.endWord(i)
		}
	case r == '、' || r == '。' || r == '「' || r == '」' || r == '“' || r == '”' || r == '–' || r == '—' || r == 0x3000:
		f.endWord(i)
	default:
		f.emitRune(r, i)
	}
	return n
}

func (f *folded) emitRune(r rune, at int) {
	var b [utf8.UTFMax]byte
	for _, c := range b[:utf8.EncodeRune(b[:], r)] {
		f.emit(c, at)
	}
}

// latinLetters holds the letter without accents for each character from U+00C0 to U+017F, a space for the two signs among them.
const latinLetters = "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty" +
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll" +
	"lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"

// latin gives the letter without accents that stands for r, "" for a sign.
func latin(r rune) string {
	if r < 0xc0 || r == 0xd7 || r == 0xf7 {
		return ""
	}
	return latinLetters[r-0xc0 : r-0xc0+1]
}

func isAlnum(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
