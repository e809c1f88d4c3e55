package mailer

import (
	"errors"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

func testKey(id string, fill byte) Key {
	k := Key{ID: id}
	for i := range k.Secret {
		k.Secret[i] = fill
	}
	return k
}

func testPaths(t testing.TB, keys ...Key) *Paths {
	t.Helper()
	if len(keys) == 0 {
		keys = []Key{testKey("k1", 1)}
	}
	p, err := NewPaths("Bounces.Example", keys)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testID(fill byte) ledger.MessageID {
	var s ledger.Seed
	for i := range s {
		s[i] = fill
	}
	return ledger.NewMessageID(int(fill)%ledger.Partitions, s)
}

func TestReturnPath(t *testing.T) {
	p := testPaths(t)
	id := testID(7)
	path := p.ReturnPath(id)
	// The format is public: mails out in the world carry it after an update too.
	if want := "b-a4dqobyha4dqobyha4dqobyha4dq-frknhdl44zr3q3tf@bounces.example"; path != want {
		t.Errorf("the return path is %s, and was %s", path, want)
	}
	if _, err := ParseAddress(path); err != nil {
		t.Errorf("no envelope can carry it: %v", err)
	}
	other := testPaths(t, testKey("k2", 2))
	rotated := testPaths(t, testKey("k2", 2), testKey("k1", 1))
	for _, c := range []struct {
		name string
		p    *Paths
		in   string
		err  error
	}{
		{"as made", p, path, nil},
		{"upper case", p, strings.ToUpper(path), nil},
		{"old key kept", rotated, path, nil},
		{"key gone", other, path, ErrForged},
		{"another domain", p, strings.Replace(path, "bounces.", "other.", 1), ErrForeign},
		{"cut", p, strings.Replace(path, "@", "", 1), ErrForeign},
		{"postmaster", p, "postmaster@bounces.example", ErrForged},
		{"another id", p, strings.Replace(path, "a4dq", "a4da", 1), ErrForged},
		{"mac altered", p, strings.Replace(path, "q3tf@", "q3tg@", 1), ErrForged},
		{"a made-up mac", p, "b-" + string(id)[4:] + "-aaaaaaaaaaaaaaaa@bounces.example", ErrForged},
		{"a Kelvin sign for a k", p, strings.Replace(path, "k", "\u212a", 1), ErrForged},
		{"empty", p, "", ErrForeign},
		{"endless", p, strings.Repeat("b", 1<<20) + "@bounces.example", ErrForeign},
	} {
		got, err := c.p.ParseReturnPath(c.in)
		if !errors.Is(err, c.err) || c.err == nil && got != id || c.err != nil && got != "" {
			t.Errorf("%s: got %q, %v; want %v", c.name, got, err, c.err)
		}
	}
	if got := p.ReturnPath("msg_forged"); got != "" {
		t.Errorf("a text that is no id gave %q", got)
	}
}

// A canary's address is read back, and is no return path; a return path is no canary.
func TestCanaryAddress(t *testing.T) {
	p, id := testPaths(t), testID(7)
	addr := p.Canary(id)
	if _, err := ParseAddress(addr); err != nil {
		t.Errorf("no envelope can carry it: %v", err)
	}
	for _, c := range []struct {
		name, in string
		err      error
	}{
		{"as made", addr, nil},
		{"upper case", strings.ToUpper(addr), nil},
		{"a return path", p.ReturnPath(id), ErrForged},
		{"a return path, renamed", strings.Replace(p.ReturnPath(id), "b-", "c-", 1), ErrForged},
		{"elsewhere", strings.Replace(addr, "bounces.", "else.", 1), ErrForeign},
	} {
		if got, err := p.ParseCanary(c.in); !errors.Is(err, c.err) || err == nil && got != id {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
	if _, err := p.ParseReturnPath(addr); !errors.Is(err, ErrForged) {
		t.Errorf("it passes for a return path: %v", err)
	}
	if got := p.Canary("msg_forged"); got != "" {
		t.Errorf("a forged id has the address %s", got)
	}
}

func TestMessageIDHeader(t *testing.T) {
	p := testPaths(t)
	id := testID(9)
	h := p.MessageIDHeader(id, "shop.example")
	if !strings.HasPrefix(h, "<") || !strings.HasSuffix(h, "@shop.example>") {
		t.Fatal(h)
	}
	for _, c := range []struct {
		name, in string
		err      error
	}{
		{"as made", h, nil},
		{"without brackets", strings.Trim(h, "<>"), nil},
		{"folded before", " \r\n " + h, nil},
		{"upper case", strings.ToUpper(h), nil},
		{"domain rewritten", strings.Replace(h, "shop.example", "relay.example", 1), nil},
		{"somebody's", "<20261124.1234@shop.example>", ErrForeign},
		{"no domain", strings.Split(h, "@")[0], ErrForeign},
		{"another key's", testPaths(t, testKey("k2", 2)).MessageIDHeader(id, "shop.example"), ErrForged},
		{"of another message", p.MessageIDHeader(testID(1), "x.example")[:29] + h[29:], ErrForged},
	} {
		got, err := p.ParseMessageIDHeader(c.in)
		if !errors.Is(err, c.err) || c.err == nil && got != id {
			t.Errorf("%s: got %q, %v; want %v", c.name, got, err, c.err)
		}
	}
}

func TestNewPathsRefuses(t *testing.T) {
	if _, err := NewPaths("bounces.example", nil); err == nil {
		t.Error("no keys were taken")
	}
	if _, err := NewPaths("bounces example", []Key{testKey("k", 1)}); !errors.Is(err, ErrBadAddress) {
		t.Error(err)
	}
}

func FuzzParseReturnPath(f *testing.F) {
	p := testPaths(f)
	f.Add(p.ReturnPath(testID(3)))
	f.Add("b-" + strings.Repeat("a", 28) + "-" + strings.Repeat("a", 16) + "@bounces.example")
	f.Add("postmaster@bounces.example")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := p.ParseReturnPath(s)
		if err == nil && p.ReturnPath(id) != asciiLower(s) {
			t.Fatalf("%q was taken for %s", s, id)
		}
		if err != nil && (id != "" || !errors.Is(err, ErrForeign) && !errors.Is(err, ErrForged)) {
			t.Fatalf("%q: %q, %v", s, id, err)
		}
	})
}

func FuzzParseMessageIDHeader(f *testing.F) {
	p := testPaths(f)
	f.Add(p.MessageIDHeader(testID(3), "shop.example"))
	f.Add("<" + strings.Repeat("a", 28) + "." + strings.Repeat("a", 13) + "@shop.example>")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := p.ParseMessageIDHeader(s)
		if err == nil {
			if back, err := p.ParseMessageIDHeader(p.MessageIDHeader(id, "shop.example")); err != nil || back != id {
				t.Fatalf("%q was taken for %s, which does not come back", s, id)
			}
		}
	})
}

func BenchmarkParseReturnPath(b *testing.B) {
	p := testPaths(b)
	path := p.ReturnPath(testID(3))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.ParseReturnPath(path); err != nil {
			b.Fatal(err)
		}
	}
}
