package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const envPrefix = "RESETD_"

// variables are the RESETD_ names of all single values, and where each goes. Lists of tables have none: which element would be meant?
func variables() map[string]string {
	out := map[string]string{}
	t := reflect.TypeFor[Config]()
	for section, i := range keysOf(t) {
		if f := t.Field(i).Type; f.Kind() == reflect.Struct {
			for key := range keysOf(f) {
				out[envPrefix+strings.ToUpper(section+"_"+key)] = section + "." + key
			}
		}
	}
	return out
}

// applyEnv overrides values. Lists are written with commas. A secret's variable takes the place of its file, and the other way round.
func applyEnv(c *Config, r *report, env []string) {
	known := variables()
	env = slices.Sorted(slices.Values(env))
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		path, ok := known[name]
		if !ok {
			warnUnknown(r, name, known)
			continue
		}
		v := field(c, path)
		r.places[path] = place{env: name}
		binder{r}.value(v, fromText(v, value), path)

		twin := path + "_file"
		if cut, isFile := strings.CutSuffix(path, "_file"); isFile {
			twin = cut
		}
		if _, exists := known[envPrefix+strings.ToUpper(strings.ReplaceAll(twin, ".", "_"))]; exists && r.places[twin].env == "" {
			field(c, twin).SetString("")
			delete(r.places, twin)
		}
	}
}

// warnUnknown speaks up only for a variable that looks like one of ours with a slip: RESETD_URL and RESETD_KEY are the client's, and others may have their own.
func warnUnknown(r *report, name string, known map[string]string) {
	if !strings.HasPrefix(name, envPrefix) {
		return
	}
	best, at := "", 3
	for k := range known {
		if d := distance(name, k); d < at || d == at && k < best {
			best, at = k, d
		}
	}
	if best != "" {
		r.warnings = append(r.warnings, Problem{File: "environment", What: "unknown variable " + inert(name), Try: "did you mean " + best + "?"})
	}
}

func field(c *Config, path string) reflect.Value {
	v := reflect.ValueOf(c).Elem()
	for part := range strings.SplitSeq(path, ".") {
		v = v.Field(keysOf(v.Type())[part])
	}
	return v
}

// fromText makes of a variable's text what TOML would have given, or leaves it a text for the binder to complain about.
func fromText(v reflect.Value, s string) any {
	switch v.Kind() {
	case reflect.Bool:
		if b, err := strconv.ParseBool(s); err == nil {
			return b
		}
	case reflect.Int:
		if _, isText := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }); isText {
			break
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case reflect.Slice:
		out := []any{}
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out
	}
	return s
}
