package mailer

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		in   string
		want string // "" = refused
		utf8 bool
	}{
		{"jo@shop.example", "jo@shop.example", false},
		{"Jo.Doe+tag@SHOP.Example", "Jo.Doe+tag@shop.example", false},
		{"o'brien!#$%&*/=?^_`{|}~@shop.example", "o'brien!#$%&*/=?^_`{|}~@shop.example", false},
		{"jo@müller.example", "jo@xn--mller-kva.example", false},
		{"jo@xn--mller-kva.example", "jo@xn--mller-kva.example", false},
		{"jörg@müller.example", "jörg@xn--mller-kva.example", true},
		{`"a@b"@shop.example`, `"a@b"@shop.example`, false},
		{`"a..b"@shop.example`, `"a..b"@shop.example`, false},
		{long + "@shop.example", long + "@shop.example", false},
		{"jo@localhost", "jo@localhost", false},

		{"", "", false},
		{"jo", "", false},
		{"@shop.example", "", false},
		{"jo@", "", false},
		{long + "a@shop.example", "", false},
		{"jo@" + strings.Repeat("a.", 130) + "example", "", false},
		{"jo@" + long + ".example", "", false},
		{"jo@shop.example>", "", false},
		{"<jo@shop.example>", "", false},
		{"jo> SIZE=1@shop.example", "", false},
		{"jo doe@shop.example", "", false},
		{`"jo doe"@shop.example`, "", false},
		{`"jo\"doe"@shop.example`, "", false},
		{`""@shop.example`, "", false},
		{`"@shop.example`, "", false},
		{"jo\r\nRCPT TO:<x@shop.example>@shop.example", "", false},
		{"jo@shop.example\n", "", false},
		{"jo\x00@shop.example", "", false},
		{"jo,al@shop.example", "", false},
		{"@relay.example:jo@shop.example", "", false},
		{"jo@[192.0.2.1]", "", false},
		{"jo@192.0.2.1", "", false},
		{"jo@shop..example", "", false},
		{"jo@shop.example.", "", false},
		{"jo@-shop.example", "", false},
		{"jo@sh_op.example", "", false},
		{".jo@shop.example", "", false},
		{"jo.@shop.example", "", false},
		{"j..o@shop.example", "", false},
		{"jo(comment)@shop.example", "", false},
		{"jo\u00a0x@shop.example", "", false},
		{"jo\u202ex@shop.example", "", false},
		{"jo\xff@shop.example", "", false},
		{"jo@shop\uff20evil.example", "", false},
	} {
		a, err := ParseAddress(c.in)
		if c.want == "" {
			if !errors.Is(err, ErrBadAddress) {
				t.Errorf("%q: got %q, %v; want it refused", c.in, a, err)
			} else if c.in != "" && strings.Contains(err.Error(), c.in) {
				t.Errorf("%q: the error repeats the address: %v", c.in, err)
			}
			continue
		}
		if err != nil || a.String() != c.want || a.NeedsUTF8 != c.utf8 {
			t.Errorf("%q: got %q, utf8 %v, %v; want %q, %v", c.in, a, a.NeedsUTF8, err, c.want, c.utf8)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"jo@shop.example", `"a@b"@shop.example`, "jörg@müller.example", "jo> x@shop.example", "jo@[::1]", "a@b\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		out := a.String()
		if strings.ContainsAny(out, "<> ,\r\n\t\x00\\") {
			t.Fatalf("%q became %q", s, out)
		}
		b, err := ParseAddress(out)
		if err != nil || b != a {
			t.Fatalf("%q became %q, which became %q, %v", s, out, b, err)
		}
		if len(a.Local) > 64 || len(a.Domain) > 253 {
			t.Fatalf("%q is too long", out)
		}
	})
}
