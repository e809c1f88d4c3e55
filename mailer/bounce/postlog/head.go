package postlog

import (
	"strconv"
	"strings"
	"time"
)

// head takes a line apart: "Nov 24 08:00:00 relay postfix/smtp[123]: rest", or the same with a time of RFC 3339, as journald and newer
// syslogs write it. With several instances the program is "postfix-out/smtp".
func (r *Reader) head(line string) (at time.Time, daemon, rest string, ok bool) {
	at, line, ok = r.when(line)
	if !ok {
		return
	}
	_, line, ok = strings.Cut(line, " ") // the machine
	if !ok {
		return
	}
	program, rest, ok := strings.Cut(line, ": ")
	if !ok || !strings.HasPrefix(program, "postfix") {
		return time.Time{}, "", "", false
	}
	program, _, _ = strings.Cut(program, "[")
	daemon = program[strings.LastIndexByte(program, '/')+1:]
	return at, daemon, rest, true
}

const classic = "Jan _2 15:04:05"

// when reads the time in front of a line. A classic one has no year: it is of the last one that does not put it into the future, with a
// day's grace for clocks and zones.
func (r *Reader) when(line string) (time.Time, string, bool) {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	if len(line) > 0 && line[0] >= '0' && line[0] <= '9' {
		stamp, rest, ok := strings.Cut(line, " ")
		if !ok {
			return time.Time{}, "", false
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
			if t, err := time.Parse(layout, stamp); err == nil {
				return t.UTC(), rest, true
			}
		}
		return time.Time{}, "", false
	}
	if len(line) <= len(classic) || line[len(classic)] != ' ' {
		return time.Time{}, "", false
	}
	zone := r.Zone
	if zone == nil {
		zone = time.Local
	}
	latest := now().Add(24 * time.Hour)
	for year := latest.In(zone).Year(); year > latest.Year()-5; year-- {
		// The year is parsed with the rest, since a leap day is in no other.
		t, err := time.ParseInLocation("2006 "+classic, strconv.Itoa(year)+" "+line[:len(classic)], zone)
		if err == nil && !t.After(latest) {
			return t.UTC(), line[len(classic)+1:], true
		}
	}
	return time.Time{}, "", false
}
