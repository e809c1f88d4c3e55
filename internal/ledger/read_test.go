package ledger

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fill gives every field a value of its own, as far as a fact carries details that are read by hand.
func fill(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString("é" + strings.Repeat("x", int(*n)))
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.ValueOf([]string{"one", "two"}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 24, 8, 0, int(*n), 7e6, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	}
}

// The frequent details are read by hand, with every field that they have: one that is added and forgotten here fails.
func TestReadsFrequentFactsByHand(t *testing.T) {
	for _, detail := range []string{"Ask", "Refusal", "Issue", "Composition", "Attempt", "Visit", "Redemption"} {
		f := Fact{}
		n := int64(0)
		v := reflect.ValueOf(&f).Elem()
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).Kind() != reflect.Pointer || name == detail {
				fill(v.Field(i), &n)
			}
		}
		row, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var got Fact
		if p := (plain{rest: string(row)}); !p.fact(&got) || p.rest != "" {
			t.Errorf("%s is left to encoding/json, at %.40q of %s", detail, p.rest, row)
		} else if !reflect.DeepEqual(got, f) {
			t.Errorf("%s: %+v, want %+v", detail, got, f)
		}
	}
}

// Whatever a row is, it is read as encoding/json reads it.
func FuzzRead(f *testing.F) {
	for _, row := range []string{
		`{"i":"evt_1","t":"2026-11-24T08:00:00.007Z","e":"requested","ask":{"rl":"shop","l":"jo@a.example"}}`,
		`{"i":"evt_1","t":"2026-11-24T08:00:00+01:00","e":"attempted","att":{"n":2,"rt":"mx","sm":true,"sec":{"ce":"verified"},"c":250,"ms":-1}}`,
		`{"i":"a\u0026b","ask":null,"ret":{"src":"smtp"}}`,
		`{"ask":{"l":"a"},"ask":{"rl":"b"}}`,
		`{"att":{"n":007}}`, `{"att":{"n":-0}}`, `{"att":{"n":+1}}`, `{"att":{"n":1e3}}`, `{"att":{"n":1 }}`, `{"att":{"sm":falsey}}`,
		`{"com":{"sel":["a","b"],"s":1}}`, `{"com":{"sel":[]}}`, `{"com":{"sel":["a",]}}`, `{"com":{"sel":["a"],"sel":["b"]}}`,
		`{"I":"case","i":"x"}`, `{"i":"` + "\xff" + `"}`, `{"t":"2026-11-24"}`, `{} `, `{}`, `{}{}`, `null`, ``, `{"i":"a",}`, `{"red":{"g":1,"a":"u"}}`,
	} {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row string) {
		got, err := Read(row)
		var want Fact
		wantErr := json.Unmarshal([]byte(row), &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", row, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %+v, want %+v", row, got, want)
		}
	})
}
