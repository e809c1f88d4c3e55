package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration written as "90s", "15m" or "720h". Zero is written 0.
type Duration time.Duration

// UnmarshalText reads a duration; a negative one is an error.
func (d *Duration) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if s == "" || s == "0" {
		*d = 0
		return nil
	}
	v, err := time.ParseDuration(s)
	switch {
	case err != nil && strings.ContainsAny(s, "dw"):
		return errors.New(`is not a duration: days and weeks are written in hours, as in "720h"`)
	case err != nil:
		return errors.New(`is not a duration such as "90s", "15m" or "720h"`)
	case v < 0:
		return errors.New("is a negative duration")
	}
	*d = Duration(v)
	return nil
}

// Std is the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes whole hours, minutes or seconds in the form that the file uses: "1h", not "1h0m0s".
func (d Duration) String() string {
	v := time.Duration(d)
	switch {
	case v == 0:
		return "0"
	case v%time.Hour == 0:
		return fmt.Sprintf("%dh", v/time.Hour)
	case v%time.Minute == 0:
		return fmt.Sprintf("%dm", v/time.Minute)
	case v%time.Second == 0:
		return fmt.Sprintf("%ds", v/time.Second)
	}
	return v.String()
}

// Rate is "N/DURATION": at most N within any such time. The zero value is off.
type Rate struct {
	N   int
	Per time.Duration
}

// Off says whether the rate limits nothing.
func (r Rate) Off() bool { return r.N == 0 }

// String is the form that the file uses.
func (r Rate) String() string {
	if r.Off() {
		return "0"
	}
	return fmt.Sprintf("%d/%s", r.N, Duration(r.Per))
}

// UnmarshalText reads "5/1h"; "0" and "" are off.
func (r *Rate) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if s == "" || s == "0" {
		*r = Rate{}
		return nil
	}
	n, per, ok := strings.Cut(s, "/")
	count, err := strconv.Atoi(strings.TrimSpace(n))
	if !ok || err != nil || count < 0 {
		return errors.New(`is not a rate such as "5/1h"; 0 switches it off`)
	}
	var d Duration
	if err := d.UnmarshalText([]byte(per)); err != nil {
		return fmt.Errorf("has a time that %w", err)
	}
	switch {
	case count == 0:
		*r = Rate{}
		return nil
	case d.Std() < time.Second:
		return errors.New("has a time below one second")
	case count > 1_000_000_000:
		return errors.New("has a number over a billion; 0 switches it off")
	}
	*r = Rate{N: count, Per: d.Std()}
	return nil
}

// Secret is a text that does not print itself; string(s) is the way to it.
type Secret string

// String hides the text, and says whether there is one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString is String: %#v must not tell either.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
