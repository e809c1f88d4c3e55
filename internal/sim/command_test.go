package sim

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, c := range []struct{ in, address, params string }{
		{"<jo@x.example>", "jo@x.example", ""},
		{"<>", "", ""},
		{"<jo@x.example> SIZE=10 body=8BITMIME", "jo@x.example", "SIZE=10 BODY=8BITMIME"},
		{`<"a > b"@x.example>`, `"a > b"@x.example`, ""},
		{`<"a\" b"@x.example> RET=HDRS`, `"a\" b"@x.example`, "RET=HDRS"},
		{"<jö@x.example> SMTPUTF8", "jö@x.example", "SMTPUTF8="},
		{"jo@x.example", "error", ""},
		{" <jo@x.example>", "error", ""},
		{"<jo@x.example", "error", ""},
		{"<jo@x.example>SIZE=1", "error", ""},
		{"<jo @x.example>", "error", ""},
		{"<jo@x.example\x00>", "error", ""},
		{"<<jo@x.example>>", "error", ""},
	} {
		address, params, err := parsePath(c.in)
		if err != nil {
			address = "error"
		}
		var got []string
		for _, p := range params {
			got = append(got, p.key+"="+p.value)
		}
		if address != c.address || strings.Join(got, " ") != c.params {
			t.Errorf("%q: %q %q, want %q %q", c.in, address, got, c.address, c.params)
		}
	}
}

func TestXtext(t *testing.T) {
	for in, want := range map[string]string{"abc": "abc", "a+2Bb": "a+b", "+3D": "=", "a+": "error", "a+2": "error", "+GG": "error", "": ""} {
		got, err := xtext(in)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever a client says, what is taken for an address has no angle bracket, space or control character outside quotes.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<jo@x.example> SIZE=1", "<>", `<"a > \" b"@x.example> RET=FULL`, "<a@b", "<a b@c>", "<jö@x.example>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		address, params, err := parsePath(in)
		if err != nil {
			return
		}
		if !strings.ContainsRune(address, '"') && strings.ContainsAny(address, "<> \r\n\x00") {
			t.Errorf("%q gave %q", in, address)
		}
		for _, p := range params {
			if p.key != strings.ToUpper(p.key) || strings.ContainsAny(p.value, " \t") {
				t.Errorf("%q gave %q", in, p)
			}
		}
		mailParams(Behaviour{}, &Mail{}, params)
		rcptParams(Behaviour{}, &Recipient{}, params)
	})
}

func TestOneApart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"jo", "joe", true}, {"joe", "jo", true}, {"jo", "ja", true}, {"jo", "oj", true}, {"jo", "jo", false},
		{"jo", "joes", false}, {"john", "jhno", false}, {"", "a", true}, {"abc", "xbz", false},
	} {
		if got := oneApart(c.a, c.b); got != c.want {
			t.Errorf("%q %q: %v", c.a, c.b, got)
		}
	}
}
