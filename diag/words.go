package diag

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resetd/resetd/internal/ledger"
)

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// counted writes a count; "" for none, which is not known.
func counted(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// led gives s with something before and after it, and nothing when s is empty.
func led(before, s string, after ...string) string {
	if s == "" {
		return ""
	}
	return before + s + strings.Join(after, "")
}

func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || strings.IndexByte(s, '.') > 0 && strings.IndexByte(s, '.') < strings.IndexByte(s, ' ') {
		return s // a host name stays as it is
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// span writes a length of time in its largest fitting unit.
func span(d time.Duration) string {
	unit := func(n int, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %ss", n, one)
	}
	switch {
	case d < time.Minute:
		return unit(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return unit(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return unit(int(d.Hours()), "hour")
	}
	return unit(int(d.Hours()/24), "day")
}

// replyText is what a host or the network said, with its code in front unless the text has it already; "" for nothing.
func replyText(a *ledger.Attempt) string { return quote(replyWords(a)) }

// replyWords is replyText as it came.
func replyWords(a *ledger.Attempt) string {
	var b strings.Builder
	if a.Code > 0 && !strings.HasPrefix(a.Text, strconv.Itoa(a.Code)) {
		b.WriteString(strconv.Itoa(a.Code) + " ")
	}
	if a.Enhanced != "" && !strings.Contains(a.Text, a.Enhanced) {
		b.WriteString(a.Enhanced + " ")
	}
	b.WriteString(a.Text)
	return b.String()
}

// domainOf is the part of an address behind its last @, in lower case; "" for none.
func domainOf(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimRight(address[i+1:], ">"), "."))
}

func sensorName(s string) string {
	switch s {
	case "intake":
		return "the intake of asks"
	case "bounces":
		return "the way back for bounces"
	case "worker":
		return "the workers"
	case "directory":
		return "the directory"
	case "dns":
		return "DNS"
	case "mailbox":
		return "the bounce mailbox"
	case "log":
		return "the mail log"
	case "links":
		return "the link pages"
	case "events":
		return "the provider's events"
	}
	if provider, ok := strings.CutPrefix(s, "events:"); ok {
		return "the events of " + quote(provider)
	}
	if route, ok := strings.CutPrefix(s, returnSensor); ok {
		return "the way back for bounces of the route " + quote(route)
	}
	return or(quote(s), "a source of facts")
}
