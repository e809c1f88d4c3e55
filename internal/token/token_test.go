package token

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

func ring(t testing.TB, keys ...Key) *Ring {
	t.Helper()
	r, err := NewRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTokenIsRepeatedAndNamesItsReset(t *testing.T) {
	r := ring(t, NewKey("k1"))
	id := ledger.NewResetID(7, ledger.NewSeed())
	a, err := r.Make(id, 1, "k1")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := r.Make(id, 1, "k1"); a != b {
		t.Errorf("a resend would carry another token: %q, %q", a, b)
	}
	if b, _ := r.Make(id, 2, "k1"); a == b {
		t.Error("a new generation has the token of the old one")
	}
	if len(a) != Len() || strings.ContainsAny(a, "+/=") {
		t.Errorf("token %q does not stand in a URL as it is", a)
	}
	got, gen, err := r.Parse(a)
	if got != id || gen != 1 || err != nil {
		t.Errorf("Parse = %v, %d, %v", got, gen, err)
	}
}

// A key that is rotated out of first place still verifies and still repeats its own tokens.
func TestRotation(t *testing.T) {
	old, young := NewKey("old"), NewKey("young")
	id := ledger.NewResetID(0, ledger.NewSeed())
	before, _ := ring(t, old).Make(id, 1, "old")
	r := ring(t, young, old)
	if _, _, err := r.Parse(before); err != nil {
		t.Errorf("token of the old key: %v", err)
	}
	if again, err := r.Make(id, 1, "old"); again != before || err != nil {
		t.Errorf("repeat = %q, %v", again, err)
	}
	if _, err := ring(t, young).Make(id, 1, "old"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is gone: %v", err)
	}
	if _, _, err := ring(t, young).Parse(before); !errors.Is(err, ErrMalformed) {
		t.Errorf("foreign token: %v", err)
	}
}

// Every cut, every changed character and every other spelling is refused.
func TestAlteredTokensAreMalformed(t *testing.T) {
	r := ring(t, NewKey("k"))
	tok, _ := r.Make(ledger.NewResetID(63, ledger.NewSeed()), MaxGeneration, "k")
	bad := []string{"", tok + "A", tok + "=", strings.ToLower(tok), " " + tok[1:]}
	for i := range tok {
		bad = append(bad, tok[:i])
		c := byte('A')
		if tok[i] == 'A' {
			c = 'B'
		}
		bad = append(bad, tok[:i]+string(c)+tok[i+1:])
	}
	for _, b := range bad {
		if _, _, err := r.Parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", b, err)
		}
	}
	for _, g := range []int{0, -1, 256} {
		if _, err := r.Make(ledger.NewResetID(1, ledger.NewSeed()), g, "k"); err == nil {
			t.Errorf("generation %d made", g)
		}
	}
}

func TestSealedCopyOpensOnlyWhereItBelongs(t *testing.T) {
	k1, k2 := NewKey("1"), NewKey("2")
	s1, _ := NewSealer([]Key{k1})
	s21, _ := NewSealer([]Key{k2, k1})
	c := s1.Seal([]byte("mail"), "ret_a")
	if bytes.Contains(c, []byte("mail")) {
		t.Fatal("not sealed")
	}
	if p, err := s21.Open(c, "ret_a"); string(p) != "mail" || err != nil {
		t.Errorf("after rotation: %q, %v", p, err)
	}
	if _, err := s1.Open(c, "ret_b"); !errors.Is(err, ErrSealed) {
		t.Errorf("another id: %v", err)
	}
	c[len(c)-1] ^= 1
	if _, err := s1.Open(c, "ret_a"); !errors.Is(err, ErrSealed) {
		t.Errorf("altered: %v", err)
	}
	if _, err := s1.Open(nil, "ret_a"); !errors.Is(err, ErrSealed) {
		t.Errorf("empty: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	r, _ := NewRing([]Key{{ID: "k"}})
	tok, _ := r.Make(ledger.NewResetID(3, ledger.Seed{1}), 1, "k")
	f.Add(tok)
	f.Add("")
	f.Add(strings.Repeat("A", Len()))
	f.Fuzz(func(t *testing.T, s string) {
		id, gen, err := r.Parse(s)
		if err != nil {
			return
		}
		if again, err := r.Make(id, gen, "k"); again != s || err != nil {
			t.Errorf("%q parsed, and is not what Make gives: %q, %v", s, again, err)
		}
	})
}

func BenchmarkMake(b *testing.B) {
	r := ring(b, NewKey("k"))
	id := ledger.NewResetID(7, ledger.NewSeed())
	for b.Loop() {
		r.Make(id, 1, "k")
	}
}

func TestHint(t *testing.T) {
	r := ring(t, NewKey("k"))
	id := ledger.NewResetID(5, ledger.NewSeed())
	tok, _ := r.Make(id, 1, "k")
	for n := range len(tok) + 1 {
		got, ok := Hint(tok[:n])
		if ok != (n >= 23) || ok && got != id {
			t.Errorf("of %d characters: %q, %v", n, got, ok)
		}
	}
	if _, ok := Hint(strings.Repeat("!", 51)); ok {
		t.Error("of nonsense")
	}
}
