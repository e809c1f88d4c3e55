package diag

import (
	"strings"
	"testing"
)

// Every cause can be said of a bare refusal, without a hole in the sentence.
func TestMeaningOfEveryCause(t *testing.T) {
	for _, c := range Causes() {
		for _, h := range []Heard{{}, {Host: "mx.shop.example", Address: "jo@shop.example", Text: "550 5.1.1 {realm} [no] such user\x1b[2J"}} {
			m, ok := MeaningOf(c.ID, h)
			if !ok || m.Says == "" || m.Blame != c.Blame || m.Resend.Helps != c.Resend || m.Actions == nil {
				t.Errorf("%s: %+v", c.ID, m)
			}
			if h == (Heard{}) && strings.ContainsAny(m.Says+m.Resend.Because, "{}[]|") {
				t.Errorf("%s says %q", c.ID, m.Says)
			}
			if strings.ContainsRune(m.Says, '\x1b') {
				t.Errorf("%s lets a control character through: %q", c.ID, m.Says)
			}
			for _, a := range m.Actions {
				if strings.ContainsAny(a.Do+a.Call, "{}") {
					t.Errorf("%s: do %q, call %q", c.ID, a.Do, a.Call)
				}
			}
		}
	}
	m, _ := MeaningOf("recipient.unknown_mailbox", Heard{Host: "mx.shop.example", Address: "jo@shop.example", Text: "550 5.1.1 No such user."})
	if want := "mx.shop.example says that there is no mailbox jo@shop.example: 550 5.1.1 No such user."; m.Says != want {
		t.Errorf("%q, not %q", m.Says, want)
	}
	if _, ok := MeaningOf("recipient.nonsense", Heard{}); ok {
		t.Error("a cause that is none has a meaning")
	}
}
