package bounce

import (
	"strconv"
	"strings"
	"time"
)

// parseDate reads a date of RFC 5322 section 3.3 with the obsolete forms of section 4.3: "Mon, 2 Jan 2006 15:04:05
// +0100 (CET)". It is zero if s is none. net/mail knows the same forms, but tries them one by one.
func parseDate(s string) time.Time {
	if len(s) > 200 {
		return time.Time{}
	}
	s = unfold(s)
	if i := strings.IndexByte(s, '('); i > 0 {
		s = s[:i]
	}
	f := strings.Fields(strings.ReplaceAll(s, ",", ", "))
	if len(f) > 0 && isLetter(f[0][0]) { // day of the week
		f = f[1:]
	}
	if len(f) < 4 {
		return time.Time{}
	}
	day, err1 := strconv.Atoi(f[0])
	month := monthNamed(f[1])
	year, err2 := strconv.Atoi(f[2])
	hour, minute, second, ok := clock(f[3])
	if err1 != nil || err2 != nil || month == 0 || !ok || day < 1 || day > 31 || year < 0 || year > 9999 {
		return time.Time{}
	}
	switch {
	case len(f[2]) == 2 && year < 50:
		year += 2000
	case len(f[2]) <= 3:
		year += 1900
	}
	zone := 0
	if len(f) > 4 {
		if zone, ok = offset(f[4]); !ok {
			return time.Time{}
		}
	}
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC).Add(-time.Duration(zone) * time.Minute)
}

func monthNamed(s string) time.Month {
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	if len(s) < 3 {
		return 0
	}
	if i := strings.Index(names, lower(s[:3])); i >= 0 && i%3 == 0 {
		return time.Month(i/3 + 1)
	}
	return 0
}

// clock reads "15:04" or "15:04:05".
func clock(s string) (hour, minute, second int, ok bool) {
	h, rest, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, 0, false
	}
	m, sec, more := strings.Cut(rest, ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	var err3 error
	if more {
		second, err3 = strconv.Atoi(sec)
	}
	ok = err1 == nil && err2 == nil && err3 == nil && hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60
	return hour, minute, second, ok
}

// offset reads a zone in minutes east of UTC: "+0130", or one of the names of RFC 5322 section 4.3. Other names count as
// UTC, as that section says.
func offset(s string) (int, bool) {
	if s[0] == '+' || s[0] == '-' {
		n, err := strconv.Atoi(s[1:])
		if err != nil || len(s) != 5 || n < 0 || n%100 > 59 {
			return 0, false
		}
		n = n/100*60 + n%100
		if s[0] == '-' {
			n = -n
		}
		return n, true
	}
	switch s {
	case "EDT":
		return -4 * 60, true
	case "EST", "CDT":
		return -5 * 60, true
	case "CST", "MDT":
		return -6 * 60, true
	case "MST", "PDT":
		return -7 * 60, true
	case "PST":
		return -8 * 60, true
	}
	return 0, isLetter(s[0])
}
