package bounce

import "strings"

// origin returns the address that was written to before an alias or a forward made the one at line at out of it, as Exim
// ("(generated from a@b)"), Postfix and sendmail ("(expanded from: <a@b>)") say; "" = none.
func (n *notice) origin(at int) string {
	for i := at; i >= 0 && i < len(n.lines) && i < at+5 && !n.lines[i].blank(); i++ {
		s := n.lines[i].text
		s = s[:min(len(s), 2*maxAddress)] // one line may name thousands
		if a, ok := nextAddress(s, 0); ok && i > at && strings.Trim(s[:a.start], "<\"' ") == "" {
			break // the next recipient
		}
		for _, words := range []string{"generated from", "expanded from"} {
			if k := indexFold(s, words); k >= 0 {
				if a, ok := nextAddress(s, k+len(words)); ok {
					return a.text
				}
			}
		}
	}
	return ""
}

// originHint is how much of a mail is looked through for the words of an origin before its notice is read for them.
const originHint = 16 << 10

// tellsOrigin reports whether some recipient's origin may be stated in prose.
func (w *walk) tellsOrigin() bool {
	s := w.data[:min(len(w.data), originHint)]
	return strings.Contains(s, "(generated from") || strings.Contains(s, "(ultimately generated from") || strings.Contains(s, "(expanded from")
}
