package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// binder moves a decoded document into the struct. It goes on after a fault, so that all of them can be named.
type binder struct{ *report }

// table fills the struct v from m; path is where m stands.
func (b binder) table(v reflect.Value, m map[string]any, path string) {
	fields := keysOf(v.Type())
	for _, key := range slices.Sorted(maps.Keys(m)) {
		here := join(path, key)
		i, known := fields[key]
		if !known {
			b.unknown(here, path, key, v.Type())
			continue
		}
		b.value(v.Field(i), m[key], here)
	}
}

func (b binder) value(v reflect.Value, in any, path string) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		switch x := in.(type) {
		case string:
			if err := u.UnmarshalText([]byte(x)); err != nil {
				b.bad(path, last(path)+" "+err.Error(), "")
			}
			return
		case int64:
			if x == 0 { // "0 = off" is most naturally written without quotes
				_ = u.UnmarshalText(nil) // both types read an empty text as zero
				return
			}
		}
		b.wrongType(path, v, in)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if m, ok := in.(map[string]any); ok {
			b.table(v, m, path)
			return
		}
	case reflect.Slice:
		if n, at := items(in); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				if d, ok := v.Index(i).Addr().Interface().(defaulter); ok {
					d.SetDefaults()
				}
				b.value(v.Index(i), at(i), path+"["+strconv.Itoa(i)+"]")
			}
			return
		}
	case reflect.String:
		if s, ok := in.(string); ok {
			v.SetString(s)
			return
		}
	case reflect.Bool:
		if x, ok := in.(bool); ok {
			v.SetBool(x)
			return
		}
	case reflect.Int:
		if x, ok := in.(int64); ok {
			v.SetInt(x)
			return
		}
	}
	b.wrongType(path, v, in)
}

func items(in any) (int, func(int) any) {
	switch x := in.(type) {
	case []any:
		return len(x), func(i int) any { return x[i] }
	case []map[string]any:
		return len(x), func(i int) any { return x[i] }
	}
	return -1, nil
}

func (b binder) wrongType(path string, v reflect.Value, in any) {
	try := ""
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct {
		try = "write it as [[" + strings.Trim(last(path), "[]0123456789") + "]], once for each"
	}
	b.meant[path+"[]"] = try != ""
	b.bad(path, fmt.Sprintf("%s must be %s, and here is %s", last(path), kindName(v.Type()), tomlName(in)), try)
}

func kindName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return `a duration such as "15m"`
	case reflect.TypeFor[Rate]():
		return `a rate such as "5/1h"`
	}
	switch t.Kind() {
	case reflect.Struct:
		return "a table"
	case reflect.Slice:
		switch t.Elem().Kind() {
		case reflect.Struct:
			return "a list of tables"
		case reflect.String:
			return "a list of texts"
		}
		return "a list of durations"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	}
	return "a text in quotes"
}

func tomlName(in any) string {
	switch in.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int64:
		return "a number"
	case float64:
		return "a decimal number"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	}
	return "a date or time"
}

func (b binder) unknown(path, table, key string, t reflect.Type) {
	where := "the top level"
	if table != "" {
		where = headerOf(table)
	}
	what := fmt.Sprintf("unknown key %s in %s", key, where)
	if b.isTable(path) && table == "" {
		what = "unknown table [" + key + "]"
	}
	known := slices.Sorted(maps.Keys(keysOf(t)))
	if near := closest(key, known); near != "" {
		b.badKey(path, what, "did you mean "+near+"?")
		b.meant[join(table, near)] = true
		return
	}
	if homes := homesOf(key); len(homes) > 0 {
		b.badKey(path, what, key+" belongs in "+strings.Join(homes, " or "))
		return
	}
	b.badKey(path, what, "known here: "+strings.Join(known, ", "))
}

// headerOf turns realm[1].directory into [realm.directory], and realm[1] into [[realm]].
func headerOf(path string) string {
	var b strings.Builder
	for _, r := range path {
		if r == '[' || r == ']' || r >= '0' && r <= '9' {
			continue
		}
		b.WriteRune(r)
	}
	if strings.HasSuffix(path, "]") {
		return "[[" + b.String() + "]]"
	}
	return "[" + b.String() + "]"
}

func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// keysOf are the TOML keys of a struct type and their fields.
func keysOf(t reflect.Type) map[string]int {
	out := map[string]int{}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("toml"); key != "" && key != "-" {
			out[key] = i
		}
	}
	return out
}

// homesOf names the tables that have the key.
func homesOf(key string) []string {
	var out []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for k, i := range keysOf(t) {
			f := t.Field(i).Type
			sub := path
			if f.Kind() == reflect.Slice && f.Elem().Kind() == reflect.Struct {
				f, sub = f.Elem(), join(path, k)+"[0]"
			} else {
				sub = join(path, k)
			}
			if k == key && path != "" {
				out = append(out, headerOf(path))
			}
			if f.Kind() == reflect.Struct && f != reflect.TypeFor[Rate]() {
				walk(f, sub)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	slices.Sort(out)
	return slices.Compact(out)
}

// closest is the known word that was probably meant: at most two letters away, and fewer than half of its own.
func closest(word string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < at && d*2 < len(k) {
			best, at = k, d
		}
	}
	return best
}

// distance counts letters inserted, removed, replaced, and neighbours swapped.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
