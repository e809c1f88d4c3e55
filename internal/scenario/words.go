package scenario

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// words splits a line. A part in single quotes is one word, also behind key=; a doubled quote in it is one quote. A word that begins with #
// ends the line. \u200b is the character of that number, for those that nobody can see.
func words(line string) ([]string, error) {
	var out []string
	var b strings.Builder
	quoted, have := false, false
	rs := []rune(line)
line:
	for i := 0; i < len(rs); i++ {
		r := rs[i]
		switch {
		case r == '\'' && quoted && i+1 < len(rs) && rs[i+1] == '\'':
			b.WriteRune('\'')
			i++
		case r == '\'':
			quoted, have = !quoted, true
		case !quoted && r == '#' && !have:
			break line
		case !quoted && (r == ' ' || r == '\t'):
			if have {
				out = append(out, b.String())
			}
			b.Reset()
			have = false
		default:
			b.WriteRune(r)
			have = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if have {
		out = append(out, b.String())
	}
	for i, w := range out {
		if !strings.Contains(w, `\u`) {
			continue
		}
		plain, err := strconv.Unquote(`"` + strings.ReplaceAll(w, `"`, `\"`) + `"`)
		if err != nil {
			return nil, err
		}
		out[i] = plain
	}
	return out, nil
}

// args are a line's plain words in order, and its pairs. What is taken is gone: what is left at the end was not understood.
type args struct {
	plain []string
	pair  map[string]string
}

func readArgs(ws []string) *args {
	a := &args{pair: map[string]string{}}
	for _, w := range ws {
		k, v, ok := strings.Cut(w, "=")
		if ok && k != "" && !strings.ContainsAny(k, " :/?@.'") {
			a.pair[k] = v
		} else {
			a.plain = append(a.plain, w)
		}
	}
	return a
}

// clone is a copy that can be taken from while the line's own args stay whole.
func (a *args) clone() *args {
	return &args{plain: slices.Clone(a.plain), pair: maps.Clone(a.pair)}
}

// next takes the next plain word; "" when none is left.
func (a *args) next() string {
	if len(a.plain) == 0 {
		return ""
	}
	w := a.plain[0]
	a.plain = a.plain[1:]
	return w
}

// is takes the next plain word if it is one of these.
func (a *args) is(choice ...string) (string, bool) {
	if len(a.plain) > 0 && slices.Contains(choice, a.plain[0]) {
		return a.next(), true
	}
	return "", false
}

// flag takes a plain word wherever it stands.
func (a *args) flag(w string) bool {
	if i := slices.Index(a.plain, w); i >= 0 {
		a.plain = slices.Delete(slices.Clone(a.plain), i, i+1)
		return true
	}
	return false
}

// after takes the word behind a plain word: after("in") of "in shop" is shop; other when it does not stand there.
func (a *args) after(w, other string) string {
	if i := slices.Index(a.plain, w); i >= 0 && i+1 < len(a.plain) {
		v := a.plain[i+1]
		a.plain = slices.Delete(slices.Clone(a.plain), i, i+2)
		return v
	}
	return other
}

// get takes a pair; other when it is not given.
func (a *args) get(key, other string) string {
	v, ok := a.pair[key]
	if !ok {
		return other
	}
	delete(a.pair, key)
	return v
}

func (a *args) list(key string) []string {
	if v := a.get(key, ""); v != "" {
		return strings.Split(v, ",")
	}
	return nil
}

func (a *args) number(key string) (int, error) {
	v := a.get(key, "")
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%s: not a number from 1", key, v)
	}
	return n, nil
}

// end says what was not understood.
func (a *args) end() error {
	left := slices.Clone(a.plain)
	for k, v := range a.pair {
		left = append(left, k+"="+v)
	}
	if len(left) > 0 {
		slices.Sort(left)
		return fmt.Errorf("not understood: %s", strings.Join(left, " "))
	}
	return nil
}

// duration reads 90s, 4m, 25h and also 3d.
func duration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}
