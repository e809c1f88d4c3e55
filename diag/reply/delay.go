package reply

import (
	"strings"
	"time"
)

// MaxRetryAfter caps what a host may ask us to wait: longer than a day no link lives.
const MaxRetryAfter = 24 * time.Hour

// delayReach is how far, in bytes, the number may stand behind the word that makes it a delay.
const delayReach = 64

// delayWords announce when to come back. A number with a unit counts only behind one of them: "500 messages in 60 minutes" is none.
var delayWords = [...]string{
	"retry", "again", "later", "wait", "greylist", "graylist", "grey-list", "gray-list", "come back", "defer", "delay", "resend", "resume",
	"erneut", "versuch", "warten", "wieder", "sekunden", "plus tard", "patient", "intente", "espere", "reintent", "tente ", "aguarde", "riprova", "attend",
	"повтор", "позже", "через",
}

// retryAfter reads when the host wants us back: "try again in 300 seconds", "greylisted for 5 minutes", "retry in 5m", "00:04:59".
// 0 = it does not say. Text behind the first 8 KiB is not read.
func retryAfter(text string) time.Duration {
	if len(text) > maxText {
		text = text[:maxText]
	}
	announced := -1 // where the reach of the last delay word ends
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !isDigit(c) {
			if c|0x20 >= 'a' && (i == 0 || !isLetter(text[i-1])) {
				if n := delayWord(text[i:]); n > 0 {
					announced = i + n + delayReach
				}
			}
			continue
		}
		j := digits(text, i)
		if i > 0 && (isAlnum(text[i-1]) || text[i-1] == '.') {
			i = j
			continue
		}
		if j+1 < len(text) && text[j] == '-' && isDigit(text[j+1]) {
			announced, i = -1, j // a date, and a time of day behind it
			continue
		}
		d, end := delayAt(text, i, j)
		if d > 0 && (i < announced || before(text[end:])) {
			return min(d, MaxRetryAfter)
		}
		i = max(j, i+1) - 1
	}
	return 0
}

// delayAt reads the delay whose first number is text[i:j]; end is where it ends.
func delayAt(text string, i, j int) (d time.Duration, end int) {
	if j-i > 6 {
		return 0, j
	}
	n := number(text[i:j])
	if j < len(text) && text[j] == ':' { // hh:mm:ss or mm:ss
		k := digits(text, j+1)
		if k-j-1 != 2 {
			return 0, j
		}
		m := number(text[j+1 : k])
		if k < len(text) && text[k] == ':' {
			if l := digits(text, k+1); l-k-1 == 2 {
				return time.Duration(n)*time.Hour + time.Duration(m)*time.Minute + time.Duration(number(text[k+1:l]))*time.Second, l
			}
		}
		return time.Duration(n)*time.Minute + time.Duration(m)*time.Second, k
	}
	k := j
	for k < len(text) && (text[k] == ' ' || text[k] == '\t' || text[k] == '-' || text[k] == '+') {
		k++
	}
	unit, end := unitAt(text, k)
	if unit == 0 {
		return 0, j
	}
	d = time.Duration(n) * unit
	// "5 minutes 30 seconds", "1h30m"
	for k = end; k < len(text) && (text[k] == ' ' || text[k] == ','); k++ {
	}
	k = skipWord(skipWord(k, text, "and "), text, "und ")
	if l := digits(text, k); l > k && l-k <= 4 {
		m := l
		for m < len(text) && text[m] == ' ' {
			m++
		}
		if u, e := unitAt(text, m); u != 0 && u < unit {
			return d + time.Duration(number(text[k:l]))*u, e
		}
	}
	return d, end
}

func skipWord(k int, text, word string) int {
	if hasFold(text[k:], word) {
		return k + len(word)
	}
	return k
}

// unitAt reads a unit of time at text[k:]; 0 = none.
func unitAt(text string, k int) (time.Duration, int) {
	end := k
	for end < len(text) && (isLetter(text[end])) {
		end++
	}
	w := text[k:end]
	for _, u := range [...]struct {
		word string
		unit time.Duration
		full bool // the whole word, not only its beginning
	}{
		{"s", time.Second, true}, {"m", time.Minute, true}, {"h", time.Hour, true}, {"d", 24 * time.Hour, true},
		{"sec", time.Second, false}, {"sek", time.Second, false}, {"seg", time.Second, false}, {"сек", time.Second, false},
		{"min", time.Minute, false}, {"мин", time.Minute, false}, {"分", time.Minute, false}, {"秒", time.Second, false},
		{"hour", time.Hour, false}, {"hr", time.Hour, false}, {"heure", time.Hour, false}, {"hora", time.Hour, false}, {"stunde", time.Hour, false},
		{"ore", time.Hour, true}, {"час", time.Hour, false}, {"day", 24 * time.Hour, false},
	} {
		if u.full && len(w) == len(u.word) && hasFold(w, u.word) || !u.full && hasFold(w, u.word) {
			return u.unit, end
		}
	}
	return 0, k
}

// before tells "… before you try again": the delay stands in front of its word.
func before(rest string) bool {
	rest = strings.TrimLeft(rest, " ")
	for _, w := range [...]string{"before", "until", "and try", "and retry", "then try", "then retry", "later", "vor ", "bevor", "avant", "antes"} {
		if hasFold(rest, w) {
			return true
		}
	}
	return false
}

func delayWord(s string) int {
	for _, w := range delayWords {
		if hasFold(s, w) {
			return len(w)
		}
	}
	return 0
}

// hasFold tells whether s begins with the lower-case word w, whatever the case of its ASCII letters.
func hasFold(s, w string) bool {
	if len(s) < len(w) {
		return false
	}
	for i := 0; i < len(w); i++ {
		if lower(s[i]) != w[i] {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80 }

// number reads at most six digits.
func number(s string) int {
	n := 0
	for i := 0; i < len(s) && i < 6; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
