package arrival

import (
	"strings"
	"testing"
)

// The first four are in the manner of RFC 8601 appendix B.
func TestReadResults(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"example.org 1; none", "example.org checked nothing"},
		{"example.org; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net", "example.org says auth=pass, spf=pass"},
		{"foo.example.net/5; dkim = pass (good signature) header.d=mail.example", "foo.example.net/5 says dkim=pass"},
		{`"foo.example"; dkim/1=fail reason="bad; really" header.i=@x.example`, "foo.example says dkim=fail (bad; really)"},
		{"mx.example; spf=PASS (a (nested) \\) comment; with dkim=fail) smtp.mailfrom=x", "mx.example says spf=pass"},
		{"mx.example", "mx.example checked nothing"},
		{"mx.example; ; =pass; spf=; dmarc=fail (p=reject)", "mx.example says dmarc=fail"},
		{"", ""},
		{"(only a comment); spf=pass", ""},
		{"spf=pass; dkim=pass", ""},
		{strings.Repeat("a", maxResultsField+1), ""},
	} {
		r, ok := ReadResults(c.in)
		if !ok != (c.want == "") || ok && r.String() != c.want {
			t.Errorf("%.60q: %v %q, want %q", c.in, ok, r, c.want)
		}
	}
}

// FuzzReadResults: whatever a host writes, what is kept is bounded and printable.
func FuzzReadResults(f *testing.F) {
	f.Add("example.org 1; none")
	f.Add(`"a\"b"; spf=pass (x(y)) reason="q\\" smtp.mailfrom=z; dkim`)
	f.Add("a;b=c;(;")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := ReadResults(s)
		if !ok && (r.By != "" || r.List != nil) {
			t.Fatalf("refused, and yet %+v", r)
		}
		if len(r.List) > maxResults || strings.ContainsAny(r.String(), "\r\n\x00") {
			t.Fatalf("%q", r.String())
		}
	})
}
