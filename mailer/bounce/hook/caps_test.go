package hook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What stands where a text should: numbers and truth values read as their letters, anything else as nothing.
func TestText(t *testing.T) {
	for in, want := range map[string]string{
		`"a"`: "a", `1795507200.5`: "1795507200.5", `true`: "true", `null`: "", `{"a":1}`: "", `["a"]`: "", `"\u0061\n"`: "a\n", "\"\xff\"": "\ufffd", `""`: "",
	} {
		var got text
		if err := json.Unmarshal([]byte(in), &got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for in, want := range map[text]string{
		"2026-11-24T02:30:00.1234567-05:00": "2026-11-24T07:30:00.1234567Z", "1795507200": "2026-11-24T08:00:00Z", "1795507200.25": "2026-11-24T08:00:00.25Z",
		"": "", "yesterday": "", "NaN": "", "-1": "", "1e300": "", "0": "", "9999999999999": "", "1899-01-01T00:00:00Z": "", "2026-13-01T00:00:00Z": "",
	} {
		got := in.time()
		if s := got.Format(time.RFC3339Nano); want == "" && !got.IsZero() || want != "" && s != want {
			t.Errorf("%q: %s, want %q", in, s, want)
		}
	}
	for in, want := range map[text]int{"550": 550, " 250 ": 250, "": 0, "-5": 0, "1000": 0, "5.5": 0, "x": 0} {
		if got := in.int(); got != want {
			t.Errorf("%q: %d", in, got)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"jo@mail.example": "jo@mail.example", " <Jo@MAIL.Example> ": "Jo@mail.example", `"Jo, Kim" <jo@mail.example>`: "jo@mail.example",
		`"a b"@mail.example`: `"a b"@mail.example`, "jö@mäil.example": "jö@mäil.example",
		"": "", "jo": "", "@mail.example": "", "jo@": "", "a@x.example, b@y.example": "", "jo\n@mail.example": "", "jo@mail.example\x1b[2J": "",
		"jo@\u202email.example": "", "\xff@mail.example": "", strings.Repeat("a", 400) + "@mail.example": "",
	} {
		if got := address(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What is kept of a host's words holds no secret of a link and acts on nothing.
func TestDiagnostic(t *testing.T) {
	long := strings.Repeat("ä", maxDiagnostic)
	for in, want := range map[string]string{
		"550 5.1.1 no such user":                                                      "550 5.1.1 no such user",
		"a\r\nb\x1b[31m\u202ec\xff":                                                   "a  b [31m c?",
		"see https://reset.example/r/AAAAbbbb22223333xyz":                             "see https://reset.example/r/[redacted]",
		"see https://other.example/reset?token=" + strings.Repeat("aB3", 12) + " now": "see https://other.example/reset?token=[redacted] now",
		"see https://support.google.com/mail/?p=NoSuchUser 41be03b00d2f7-7c64f8b":     "see https://support.google.com/mail/?p=NoSuchUser 41be03b00d2f7-7c64f8b",
		long: strings.Repeat("ä", maxDiagnostic/2),
	} {
		if got := diagnostic(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCodes(t *testing.T) {
	for in, want := range map[text]string{"5.1.1": "5.1.1", " 4.7.1 ": "4.7.1", "2.0.0": "2.0.0", "5.7.509": "5.7.509", "": "", "5": "", "3.1.1": "", "5..1": "", "5.1.": "", "5.1.1 x": "", "5.1.x": "", "55.1.1": ""} {
		if got := enhanced(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	for in, want := range map[text]int{"550": 550, "605": 0, "99": 0, "250": 250} {
		if got := smtp(in); got != want {
			t.Errorf("%q: %d", in, got)
		}
	}
}

func TestShallow(t *testing.T) {
	for in, want := range map[string]bool{
		strings.Repeat("[", maxDepth): true, strings.Repeat("[", maxDepth+1): false, `"` + strings.Repeat("[", 100) + `"`: true,
		`"\"` + strings.Repeat("{", 100) + `"`: true, `"\\"` + strings.Repeat("{", 100): false, strings.Repeat("[]", 100): true,
	} {
		if shallow([]byte(in)) != want {
			t.Errorf("%q", in)
		}
	}
}
