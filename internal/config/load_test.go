package config_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/realm"
)

var update = flag.Bool("update", false, "write what is said now to testdata and docs")

// world copies testdata to a folder of its own with the modes that secrets should have (git keeps none), and goes there.
func world(t testing.TB) (origin string) {
	t.Helper()
	origin, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(dir, "files"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return origin
}

// said is what check prints.
func said(t testing.TB, problems, warnings []config.Problem) string {
	t.Helper()
	var b bytes.Buffer
	for _, p := range problems {
		p.Print(&b)
	}
	for _, p := range warnings {
		b.WriteString("warning: ")
		p.Print(&b)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), dir+"/", "")
}

// Each file in testdata/bad is refused, with what stands in the .want beside it; go test -update writes those.
func TestBad(t *testing.T) {
	origin := world(t)
	files, err := filepath.Glob("bad/*.toml")
	if err != nil || len(files) < 24 {
		t.Fatalf("%d bad files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			c, problems := config.Check(file, nil)
			if _, err := config.Load(file, nil); err == nil || len(problems) == 0 {
				t.Fatal("it was taken")
			}
			for _, p := range problems {
				if p.What == "" || p.File == "" || strings.Contains(p.What, "\n") {
					t.Errorf("a problem without words: %+v", p)
				}
			}
			got := said(t, problems, c.Warnings)
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is printed:\n%s", got)
			}
			compare(t, strings.TrimSuffix(filepath.Join(origin, file), ".toml")+".want", got)
		})
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestGood(t *testing.T) {
	origin := world(t)
	files, err := filepath.Glob("good/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			c, err := config.Load(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(filepath.Join(origin, file), ".toml")+".want", said(t, nil, c.Warnings))
		})
	}
}

func TestEverything(t *testing.T) {
	world(t)
	c, err := config.Load("good/everything.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := os.Getwd()
	for _, v := range []struct {
		what      string
		got, want any
	}{
		{"public_url has no slash at its end", c.HTTP.PublicURL, "http://localhost:8025/reset"},
		{"ops_listen", c.HTTP.OpsListen, "[::1]:0"},
		{"redis", string(c.Store.Redis), "redis+sentinel://resetd:pw@h1.example:26379,h2.example/master/0"},
		{"redis does not print itself", c.Store.Redis.String(), "[secret]"},
		{"retention's default", c.Store.Retention.Std(), 720 * time.Hour},
		{"account throttle", c.Throttle.Account.Off(), true},
		{"source throttle", c.Throttle.Source, config.Rate{N: 10, Per: 30 * time.Minute}},
		{"merge", c.Throttle.Merge.Std(), time.Duration(0)},
		{"retry", c.Delivery.Retry, []config.Duration{config.Duration(time.Second), config.Duration(2 * time.Minute)}},
		{"private", c.SMTP.AllowPrivateAddresses, true},
		{"password from its file", string(c.Routes[0].Password), "s3cret"},
		{"its path", c.Routes[0].PasswordFile, filepath.Join(dir, "files/password")},
		{"tls for mx", c.Routes[1].TLS, "opportunistic"},
		{"port for mx", c.Routes[1].Port, 25},
		{"roles", c.APIKeys[1].Role, "support"},
		{"mailbox", string(c.BounceMailbox.Password), "s3cret"},
	} {
		if !reflect.DeepEqual(v.got, v.want) {
			t.Errorf("%s: %v; want %v", v.what, v.got, v.want)
		}
	}
	keys := c.TokenKeys()
	if len(keys) != 2 || keys[0].ID != "k2" || keys[0].Secret[0] != 1 || keys[1].Secret[31] != 0x3f {
		t.Errorf("token keys: %d", len(keys))
	}
	realms := c.Realms()
	if len(realms) != 2 || realms[0].Login != realm.LoginPassword || realms[0].TokenTTL != 5*time.Minute || realms[1].Provider.Name != "Example ID" {
		t.Errorf("realms: %+v", realms)
	}
	if _, ok := realms[0].Directory.(*realm.HTTP); !ok || realms[1].Directory != (realm.None{}) {
		t.Errorf("directories: %T %T", realms[0].Directory, realms[1].Directory)
	}
	if again := c.Realms(); again[0].Directory != realms[0].Directory {
		t.Error("each call makes new directories")
	}
	if name, _ := realm.Owner(realms, "https://community.example.org/staff/login"); name != "staff" {
		t.Errorf("owner: %s", name)
	}
	if r, ok := c.Route("direct"); !ok || !r.MX {
		t.Error("route direct")
	}
	if _, ok := c.Route("nowhere"); ok {
		t.Error("route nowhere")
	}
	own, parent := c.DKIM("EXAMPLE.org"), c.DKIM("news.example.net")
	if len(own) != 1 || own[0].Selector != "rsa" || len(parent) != 2 || parent[0].Domain != "example.net" || c.DKIM("example.com") != nil {
		t.Fatalf("signers: %d %d", len(own), len(parent))
	}
	if _, ok := own[0].Key.(*rsa.PrivateKey); !ok {
		t.Errorf("%T", own[0].Key)
	}
	if _, ok := parent[0].Key.(ed25519.PrivateKey); !ok {
		t.Errorf("%T", parent[0].Key)
	}
}

// A secret that anybody may read works, and is frowned at.
func TestModes(t *testing.T) {
	world(t)
	for _, f := range []string{"files/token.key", "files/rsa2048.pem"} {
		if err := os.Chmod(f, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load("good/small.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0].What, "mode 644") || c.Warnings[0].Try != "chmod 600 token.key" {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestNoFile(t *testing.T) {
	for _, path := range []string{"no-such.toml", "."} {
		_, err := config.Load(path, nil)
		if err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Whatever stands in a file: no panic, and a problem always says where it is, inside the file.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.toml")
	if err != nil || len(seeds) == 0 {
		f.Fatal(err)
	}
	for _, s := range seeds {
		b, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(config.Example())
	path := filepath.Join(f.TempDir(), "resetd.toml")
	f.Fuzz(func(t *testing.T, doc string) {
		if strings.Contains(doc, "/") { // such a document could have files outside read
			doc = strings.ReplaceAll(doc, "/", "")
		}
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Check(path, nil)
		lines := strings.Count(doc, "\n") + 1
		var b bytes.Buffer
		for _, p := range append(problems, c.Warnings...) {
			p.Print(&b)
			if p.File == path && p.Line > lines {
				t.Errorf("line %d of %d", p.Line, lines)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	world(b)
	for b.Loop() {
		if _, err := config.Load("good/everything.toml", nil); err != nil {
			b.Fatal(err)
		}
	}
}
