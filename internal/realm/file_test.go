package realm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/realm"
)

func ids(as []realm.Account) string {
	var out []string
	for _, a := range as {
		out = append(out, a.ID)
	}
	return strings.Join(out, " ")
}

func TestFileLookup(t *testing.T) {
	dir := realm.NewFile("testdata/accounts.jsonl")
	if err := dir.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ story, realm, login, want, near string }{
		{"by login", "community", "jo@example.org", "u1", ""},
		{"the same login in another realm is another account", "control", "jo@example.org", "c1", ""},
		{"by username", "community", "JO", "u1", ""},
		{"compared folded", "community", " ANA@EXAMPLE.ORG ", "u2", ""},
		{"by another address", "community", "ana.b@gmail.com", "u2", ""},
		{"without a realm: of every realm", "control", "everywhere@example.org", "u4", ""},
		{"Gmail's dots", "community", "anab@gmail.com", "", "u2"},
		{"a mistyped host", "community", "max.muster@hotnail.com", "", "u3"},
		{"one letter away", "community", "joe@example.org", "", "u1"},
		{"nobody", "community", "somebody@else.example", "", ""},
		{"look-alikes of another realm are not shown", "control", "anab@gmail.com", "", ""},
	} {
		t.Run(c.story, func(t *testing.T) {
			got, err := dir.Lookup(context.Background(), c.realm, c.login)
			if err != nil || ids(got.Accounts) != c.want || ids(got.Near) != c.near {
				t.Errorf("got %q near %q, %v; want %q near %q", ids(got.Accounts), ids(got.Near), err, c.want, c.near)
			}
			for _, a := range got.Accounts {
				if a.Realm != c.realm {
					t.Errorf("account's realm is %q", a.Realm)
				}
			}
		})
	}
}

// An operator edits the file while resetd runs, badly and then well.
func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.json")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	jo := `{"id":"u1","realm":"r","login":"jo@a.example","address":"jo@a.example","state":"active"}` + "\n"
	dir := realm.NewFile(path)
	look := func(login string) (string, *realm.Unavailable) {
		f, err := dir.Lookup(context.Background(), "r", login)
		var u *realm.Unavailable
		if err != nil && !errors.As(err, &u) {
			t.Fatalf("error of a strange type: %v", err)
		}
		return ids(f.Accounts), u
	}
	if _, u := look("jo@a.example"); u == nil || u.Kind != realm.KindUnreadable || strings.Contains(u.Error(), path) {
		t.Errorf("missing file: %v", u)
	}
	write(jo)
	if got, u := look("jo@a.example"); got != "u1" || u != nil {
		t.Errorf("after it was written: %q %v", got, u)
	}
	write(strings.Replace(jo, `"u1"`, `"u2"`, 1)) // same size, most likely within the clock's tick
	if got, _ := look("jo@a.example"); got != "u2" {
		t.Errorf("after a change of the same size: %q", got)
	}
	write(jo + "{oops\n")
	if got, u := look("jo@a.example"); got != "u1" || u != nil {
		t.Errorf("an account in a good line is found: %q %v", got, u)
	}
	_, u := look("ana@a.example")
	if u == nil || u.Kind != realm.KindNonsense || !strings.Contains(u.Error(), "line 2") {
		t.Errorf("with a bad line nobody can be said to be unknown: %v", u)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, u := look("jo@a.example"); u == nil {
		t.Error("a removed file still answers")
	}
}

func TestReadAccounts(t *testing.T) {
	ok := `{"id":"u1","realm":"r","login":"jo@a.example","address":"jo@a.example","state":"active"}`
	for _, c := range []struct{ story, line, want string }{
		{"good", ok, ""},
		{"keys of the owner's own are left alone", strings.Replace(ok, "{", `{"shoe_size":44,`, 1), ""},
		{"not JSON", "jo@a.example", "not JSON"},
		{"cut", ok[:40], "not JSON"},
		{"two values", ok + ok, "not JSON"},
		{"an array", "[" + ok + "]", "not the JSON"},
		{"null", "null", "no id"},
		{"no id", strings.Replace(ok, `"u1"`, `""`, 1), "no id"},
		{"a number for the id", strings.Replace(ok, `"u1"`, `7`, 1), "wrong type at id"},
		{"no state", strings.Replace(ok, `,"state":"active"`, ``, 1), "no state"},
		{"unknown state", strings.Replace(ok, `active`, `alive`, 1), "state is none that we know"},
		{"unknown method", strings.Replace(ok, `{`, `{"login_method":"magic",`, 1), "login_method"},
		{"the same key twice", strings.Replace(ok, `{`, `{"ID":"u9",`, 1), "twice"},
		{"a header in the address", strings.Replace(ok, `"address":"`, `"address":"x\r\nBcc: `, 1), "control character"},
		{"an endless login", strings.Replace(ok, `"login":"`, `"login":"`+strings.Repeat("a", 2000), 1), "over 1024"},
		{"not UTF-8", strings.Replace(ok, `jo@`, "\xff@", 1), "UTF-8"},
		{"nested", strings.Repeat("[", 40) + strings.Repeat("]", 40), "nested"},
		{"an endless line", strings.Repeat(" ", 70<<10) + ok, "over 64 KiB"},
	} {
		t.Run(c.story, func(t *testing.T) {
			good, bad, err := realm.ReadAccounts(strings.NewReader("\n" + c.line + "\n"))
			switch {
			case err != nil:
				t.Fatal(err)
			case c.want == "" && (len(good) != 1 || len(bad) != 0):
				t.Errorf("good %d, bad %v", len(good), bad)
			case c.want != "" && (len(bad) != 1 || bad[0].Line != 2 || !strings.Contains(bad[0].What, c.want)):
				t.Errorf("bad %v; want line 2: …%s…", bad, c.want)
			case c.want != "" && strings.Contains(bad[0].Error(), "a.example"):
				t.Errorf("the error holds an address: %v", bad[0])
			}
		})
	}
	if _, bad, _ := realm.ReadAccounts(strings.NewReader("\ufeff" + ok + "\n\n" + ok)); len(bad) != 1 || bad[0].Line != 3 || !strings.Contains(bad[0].What, "line 1 already") {
		t.Errorf("the same id twice: %v", bad)
	}
}

func FuzzReadAccounts(f *testing.F) {
	seed, err := os.ReadFile("testdata/accounts.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(seed))
	f.Add("{}\n\n#\n{\"id\":\"\\u0000\"}")
	f.Fuzz(func(t *testing.T, s string) {
		good, bad, err := realm.ReadAccounts(strings.NewReader(s))
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(s, "\n") + 1
		if len(good)+len(bad) > n {
			t.Errorf("%d good and %d bad of %d lines", len(good), len(bad), n)
		}
		for _, a := range good {
			if a.ID == "" || a.State == "" {
				t.Errorf("accepted %+v", a)
			}
		}
	})
}

func BenchmarkFileLookup(b *testing.B) {
	dir := realm.NewFile("testdata/accounts.jsonl")
	for b.Loop() {
		if _, err := dir.Lookup(context.Background(), "community", "jo@example.org"); err != nil {
			b.Fatal(err)
		}
	}
}

// The price of an unknown login in a directory of 100,000 people.
func BenchmarkFileNear(b *testing.B) {
	path := filepath.Join(b.TempDir(), "accounts")
	var w strings.Builder
	for i := range 100_000 {
		s := strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i%5)
		n := s + "-" + strings.Repeat("z", i%3) + strconv.Itoa(i)
		w.WriteString(`{"id":"` + strconv.Itoa(i) + `","login":"` + n + `@a.example","address":"` + n + `@a.example","state":"active"}` + "\n")
	}
	if err := os.WriteFile(path, []byte(w.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	if old := time.Now().Add(-time.Hour); os.Chtimes(path, old, old) != nil {
		b.Fatal("the file's time cannot be set")
	}
	dir := realm.NewFile(path)
	if err := dir.Check(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := dir.Lookup(context.Background(), "r", "nobody-knows-me@a.example"); err != nil {
			b.Fatal(err)
		}
	}
}
