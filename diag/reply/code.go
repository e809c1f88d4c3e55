package reply

import "strings"

// codeAt tells whether three digits that can be an SMTP reply code stand at s[i:], as a word of their own.
// RFC 5321 section 4.2.1 knows 2yz to 5yz with y up to 5; hosts also use 571, 591 and the like.
func codeAt(s string, i int) bool {
	return i+3 <= len(s) && '2' <= s[i] && s[i] <= '5' && isDigit(s[i+1]) && isDigit(s[i+2]) &&
		(i == 0 || !isAlnum(s[i-1]) && s[i-1] != '.') && (i+3 == len(s) || !isAlnum(s[i+3]) && (s[i+3] != '.' || i+4 == len(s) || !isAlnum(s[i+4])))
}

// enhancedAt returns the length of the enhanced status code (RFC 3463) at s[i:], 0 when there is none.
func enhancedAt(s string, i int) int {
	if i+5 > len(s) || s[i] != '2' && s[i] != '4' && s[i] != '5' || s[i+1] != '.' || i > 0 && (isDigit(s[i-1]) || s[i-1] == '.') {
		return 0
	}
	j := digits(s, i+2)
	if j == i+2 || j-i-2 > 3 || j >= len(s) || s[j] != '.' {
		return 0
	}
	k := digits(s, j+1)
	if k == j+1 || k-j-1 > 3 {
		return 0
	}
	if k+1 < len(s) && s[k] == '.' && isAlnum(s[k+1]) || k < len(s) && isAlnum(s[k]) {
		return 0 // a version or an address
	}
	return k - i
}

// ipAt returns the length of the IPv4 or IPv6 address at s[i:], 0 when there is none.
func ipAt(s string, i int) int {
	j, dots := i, 0
	for j < len(s) && j-i < 16 && (isDigit(s[j]) || s[j] == '.') {
		if s[j] == '.' {
			dots++
		}
		j++
	}
	if dots == 3 && (j == len(s) || !isAlnum(s[j])) {
		return j - i
	}
	if dots == 4 && s[j-1] == '.' {
		return j - 1 - i
	}
	j, dots = i, 0
	for j < len(s) && j-i < 40 && (isDigit(s[j]) || 'a' <= s[j]|0x20 && s[j]|0x20 <= 'f' || s[j] == ':') {
		if s[j] == ':' {
			dots++
		}
		j++
	}
	if dots >= 3 {
		return j - i
	}
	return 0
}

func digits(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

func lineStart(s string, i int) bool {
	for i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') {
		i--
	}
	return i == 0 || s[i-1] == '\n' || s[i-1] == '\r'
}

// findCode looks for the reply code in s: at the beginning, or where another host's words are quoted ("said: 550 5.1.1 …", "550-'…").
// It returns the code and where the text behind it begins; 0, 0 when there is none.
func findCode(s string) (code, end int) {
	if len(s) > maxText {
		s = s[:maxText]
	}
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '"' || s[i] == '\'' || s[i] == '<' || s[i] == '(') {
		i++
	}
	if codeAt(s, i) {
		return atoi3(s[i:]), i + 3
	}
	for ; i < len(s); i++ {
		if s[i] != '4' && s[i] != '5' || !codeAt(s, i) || i+3 == len(s) {
			continue
		}
		next := s[i+3]
		if next == ' ' && i+4 < len(s) && enhancedAt(s, i+4) > 0 || next == '-' || next == ' ' && introduced(s[:i]) {
			return atoi3(s[i:]), i + 3
		}
	}
	return 0, 0
}

// quoted returns where a remote host's own words begin in a text of another: "host mx.corp.example[192.0.2.1] said: 550 …", "failed,
// 5.1.1 (bad destination mailbox address), smtp; 553 Relaying disallowed". 0 = they are not told apart. What a host itself quotes, to
// give a reason for its own words ("sender address rejected: unverified address: host x said: 550 …"), stays where it is.
func quoted(s string) int {
	if len(s) > maxText {
		s = s[:maxText]
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'r' && strings.HasPrefix(s[i:], "rejected:"), c == 'v' && strings.HasPrefix(s[i:], "verif"):
			return 0
		case c|0x20 == 's' && (hasFold(s[i:], "smtp;") || hasFold(s[i:], "said: ")) && (i == 0 || !isAlnum(s[i-1])):
			if code, _ := findCode(s[i+5:]); code != 0 {
				return i + 5
			}
		case (c == '4' || c == '5') && codeAt(s, i) && i+3 < len(s):
			if lineStart(s, i) && i < 8 {
				return 0
			}
			if s[i+3] == '-' || s[i+3] == ' ' && (i+4 < len(s) && enhancedAt(s, i+4) > 0 || introduced(s[:i])) {
				return i
			}
		}
	}
	return 0
}

// introduced tells whether the text before a number announces a reply: a colon, a quote, or the beginning of a line.
func introduced(before string) bool {
	before = strings.TrimRight(before, " \t")
	if before == "" {
		return true
	}
	switch before[len(before)-1] {
	case ':', ';', '"', '\'', '\n', '\r', '<', '>', '(', '[':
		return true
	}
	return strings.HasSuffix(before, "error") || strings.HasSuffix(before, "code") || strings.HasSuffix(before, "said")
}

// findEnhanced looks for an enhanced status code in s, from the offset behind the reply code on and then before it; one that says
// something (not x.0.0) is preferred, since gateways put x.0.0 in front of the remote host's own.
func findEnhanced(s string, from int) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	first := ""
	for _, part := range [2]string{s[min(from, len(s)):], s[:min(from, len(s))]} {
		for i := 0; i < len(part); i++ {
			if c := part[i]; c != '2' && c != '4' && c != '5' {
				continue
			}
			n := enhancedAt(part, i)
			if n == 0 {
				continue
			}
			if e := part[i : i+n]; !strings.HasSuffix(e, ".0.0") {
				return e
			} else if first == "" {
				first = e
			}
			i += n
		}
	}
	return first
}

func atoi3(s string) int {
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
}

// status is an enhanced status code taken apart; the zero value is none.
type status struct{ class, subject, detail uint16 }

func parseStatus(s string) (status, bool) {
	if n := enhancedAt(s, 0); n == 0 || n != len(s) {
		return status{}, false
	}
	var p [3]uint16
	k := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			k++
			continue
		}
		p[k] = p[k]*10 + uint16(s[i]-'0')
	}
	return status{p[0], p[1], p[2]}, true
}
