package bounce

import "strings"

// above returns the nearest paragraph over line at that may tell why, and its first line: not one that only announces
// the list, nor one that every notice holds.
func (n *notice) above(at int) (string, int) {
	for range 4 {
		end := at
		for end > 0 && n.lines[end-1].blank() {
			end--
		}
		start := end
		for start > 0 && !n.lines[start-1].blank() {
			start--
		}
		if start == end {
			break
		}
		tags := n.tagsIn(start, end)
		if tags&(tagFinal|tagDelayed) == 0 && (tags&tagList == 0 || tags&tagSaid != 0) {
			return n.join(start, end), start
		}
		at = start
	}
	return "", 0
}

// evidence quotes a line of the notice.
func (n *notice) evidence(i int) evidence {
	l := &n.lines[i]
	return evidence{part: l.part, off: l.off, text: l.text}
}

// continued adds the lines that a reply wraps onto.
func (n *notice) continued(s string, at, until int) string {
	end := at + 1
	for end < until && end < at+10 && end < len(n.lines) && !n.lines[end].blank() && !n.lines[end].flat {
		end++
	}
	if rest := n.join(at+1, end); rest != "" {
		return s + " " + rest
	}
	return s
}

func (n *notice) tagsIn(i, end int) tag {
	var t tag
	for ; i < end; i++ {
		t |= n.lines[i].tags
	}
	return t
}

func hasCode(s string) bool { return smtpCode(s) || enhancedCode(s) != "" }

// paragraph joins the lines from i to the next blank one; end is the line after it.
func (n *notice) paragraph(i, until int) (text string, end int) {
	size := 0
	for end = i; end < until && end < len(n.lines) && !n.lines[end].blank(); end++ {
		size += len(n.lines[end].text) + 1
	}
	if size <= 4*maxDiagnostic {
		return n.join(i, end), end
	}
	last := i
	for size = 0; size < 2*maxDiagnostic; last++ {
		size += len(n.lines[last].text) + 1
	}
	return n.join(i, last), end
}

func (n *notice) join(a, b int) string {
	if a >= b {
		return ""
	}
	if b == a+1 {
		return n.lines[a].text
	}
	var s strings.Builder
	for i := a; i < b; i++ {
		if n.lines[i].blank() {
			continue
		}
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(clip(n.lines[i].text, 2*maxDiagnostic))
	}
	return s.String()
}

// codeAt returns the first line of a paragraph that holds a code, else its first line.
func (n *notice) codeAt(i, until int) int {
	for k := i; k < until && k < len(n.lines) && !n.lines[k].blank(); k++ {
		if enhancedCode(n.lines[k].text) != "" || smtpCode(n.lines[k].text) {
			return k
		}
	}
	return i
}

// smtpCode reports whether s holds an SMTP failure code as a word.
func smtpCode(s string) bool { return codeIndex(s) >= 0 }

// codeIndex returns where the first SMTP failure code in s stands, -1 = none.
func codeIndex(s string) int {
	for i := 0; i+3 < len(s); i++ {
		if (s[i] == '5' || s[i] == '4') && digits(s[i:]) == 3 && s[i+1] <= '7' && (s[i+3] == ' ' || s[i+3] == '-') &&
			(i == 0 || strings.IndexByte(" :(>\"'=[", s[i-1]) >= 0) {
			return i
		}
	}
	return -1
}

// multiline joins the lines of one reply: "550-first", "550 last", and what wraps without a code.
func (n *notice) multiline(i int) string {
	end := i + 1
	for end < len(n.lines) && end < i+20 && !n.lines[end].blank() {
		s := n.lines[end].text
		if side(s) == client || hasFold(s, "while talking to") || hasFold(s, "... while talking to") || isReply(s) && (!isReply(n.lines[i].text) || smtpDigits(s) != smtpDigits(n.lines[i].text)) {
			break
		}
		end++
	}
	return n.join(i, end)
}

// around returns texts that may tell the reason where a recipient's own lines do not: what follows, what stands
// before, and the subject.
func (n *notice) around(at, until int, h letterhead) func(int) (string, bool) {
	return func(k int) (string, bool) {
		size := 0
		switch {
		case k == 0:
			end := at + 1
			for ; end < until && size < 2*maxDiagnostic; end++ {
				size += len(n.lines[end].text) + 1
			}
			return n.telling(at+1, end), true
		case k == 1 && at > 0:
			start := at
			for ; start > 0 && size < 2*maxDiagnostic; start-- {
				size += len(n.lines[start-1].text) + 1
			}
			return n.telling(start, at+1), true
		case k == 1, k == 2 && at > 0:
			return h.subject, true
		}
		return "", false
	}
}

// telling joins the lines that may tell a reason: what every notice says ("I've given up", "please contact") may not.
func (n *notice) telling(a, b int) string {
	var s strings.Builder
	for i := a; i < b; i++ {
		l := &n.lines[i]
		if l.blank() || isBoilerplate(l) {
			continue
		}
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(clip(l.text, 2*maxDiagnostic))
	}
	return s.String()
}

// isBoilerplate recognises lines that notices of one program all hold, whatever happened.
func isBoilerplate(l *line) bool {
	if l.tags&tagSaid != 0 || hasCode(l.text) {
		return false
	}
	return l.tags&tagFinal != 0 || l.tags&(tagDelayed|tagContact) != 0 && l.tags&tagFailed == 0
}

// texts is around for words that are at hand.
func texts(list ...string) func(int) (string, bool) {
	return func(k int) (string, bool) {
		if k >= len(list) {
			return "", false
		}
		return list[k], true
	}
}

// replyLine returns the first line that looks like a host's reply, else what follows "the error was", for notices that
// name no recipient beside it; words and other are what is returned when there is neither.
func (n *notice) replyLine(other evidence, words string) (string, evidence) {
	for i := range n.lines {
		l := &n.lines[i]
		if !l.blank() && hasCode(l.text) {
			return n.multiline(i), n.evidence(i)
		}
	}
	for i := range n.lines {
		l := &n.lines[i]
		if l.tags&tagSaid != 0 && l.tags&tagList == 0 {
			text, end := n.paragraph(i, len(n.lines))
			for k := end + 1; strings.HasSuffix(text, ":") && k < len(n.lines); k++ { // the words stand in the next paragraph
				if more, _ := n.paragraph(k, len(n.lines)); more != "" {
					return more, n.evidence(k)
				}
			}
			return text, n.evidence(i)
		}
	}
	return words, other
}
