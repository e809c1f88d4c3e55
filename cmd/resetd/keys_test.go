package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/config"
)

// Rotation: each new key comes first, the old ones stay.
func TestKeysToken(t *testing.T) {
	out, code, _ := runCLI(t, keysCmd(), "token")
	if keys, faults := config.ParseTokenKeys(out); code != 0 || len(keys) != 1 || len(faults) != 0 || strings.Count(out, "\n") != 1 {
		t.Fatalf("%d %v", code, faults)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "token.key")
	var first string
	for n := 1; n <= 3; n++ {
		out, code, msg := runCLI(t, keysCmd(), "token", "-out", file)
		if code != 0 {
			t.Fatal(msg)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		keys, faults := config.ParseTokenKeys(string(b))
		if len(keys) != n || len(faults) != 0 {
			t.Fatalf("after %d: %d keys, %v", n, len(keys), faults)
		}
		if first != "" && !strings.HasSuffix(string(b), first) {
			t.Error("the old keys were changed")
		}
		if strings.Contains(out, strings.Fields(string(b))[1]) {
			t.Error("a secret in a file is printed as well")
		}
		if !strings.Contains(out, "token key "+keys[0].ID+" is the first of "+strconv.Itoa(n)) {
			t.Errorf("it says %s", out)
		}
		first = string(b)
		wantPrivate(t, file)
	}
	if got := filesIn(t, dir); len(got) != 1 {
		t.Errorf("files: %v", got)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, code, msg := runCLI(t, keysCmd(), "token", "-out", file); code != 0 {
		t.Fatal(msg)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("the group that the daemon may be in lost the file: %v %v", st.Mode(), err)
	}
	writeText(t, file, "k1 nonsense\n")
	if _, code, msg := runCLI(t, keysCmd(), "token", "-out", file); code != exitCould || strings.Contains(msg, "nonsense") || !strings.Contains(msg, "token.key:1: ") {
		t.Errorf("a broken file: %d %s", code, msg)
	}
	if _, code, _ := runCLI(t, keysCmd(), "token", "-out", filepath.Join(dir, "no-such", "token.key")); code != exitCould {
		t.Errorf("no folder: %d", code)
	}
}

// What is printed goes into a zone file and into the configuration; the record must be the private key's other half.
func TestKeysDKIMNew(t *testing.T) {
	t.Chdir(t.TempDir())
	out, code, msg := runCLI(t, keysCmd(), "dkim", "new", "-selector", "r2026", "-domain", "example.org", "-out", "keys")
	if code != 0 {
		t.Fatal(msg)
	}
	wantPrivate(t, "keys/r2026-rsa.pem", "keys/r2026-ed.pem")
	records := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)(r2026-\w+)\._domainkey\.example\.org\. 3600 IN TXT (\([^)]*\)|"[^"]*")`).FindAllStringSubmatch(out, -1) {
		for _, s := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if len(s[1]) > 255 {
				t.Errorf("a string of %d bytes", len(s[1]))
			}
			records[m[1]] += s[1]
		}
	}
	for selector, prefix := range map[string]string{"r2026-rsa": "v=DKIM1; k=rsa; p=", "r2026-ed": "v=DKIM1; k=ed25519; p="} {
		b, err := os.ReadFile("keys/" + selector + ".pem")
		if err != nil {
			t.Fatal(err)
		}
		key, err := config.ParseDKIMKey(b)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := strings.CutPrefix(records[selector], prefix)
		raw, err := base64.StdEncoding.DecodeString(p)
		if !ok || err != nil {
			t.Fatalf("%s: %q %v", selector, records[selector], err)
		}
		want, _ := key.Public().(ed25519.PublicKey)
		if selector == "r2026-rsa" {
			want, err = x509.MarshalPKIXPublicKey(key.Public())
		}
		if err != nil || string(raw) != string(want) {
			t.Errorf("%s: the record is another key's", selector)
		}
		if !strings.Contains(out, "[[domain.dkim]]\nselector = \""+selector+"\"\nkey_file = \"keys/"+selector+".pem\"\n") {
			t.Errorf("no configuration for %s:\n%s", selector, out)
		}
	}
	if strings.Contains(out, "PRIVATE") {
		t.Error("a private key is printed")
	}

	before := filesIn(t, "keys")
	if err := os.Remove("keys/r2026-rsa.pem"); err != nil {
		t.Fatal(err)
	}
	if _, code, msg := runCLI(t, keysCmd(), "dkim", "new", "-selector", "r2026", "-domain", "example.org", "-out", "keys"); code != exitCould || !strings.Contains(msg, "never overwritten") {
		t.Errorf("again: %d %s", code, msg)
	}
	if after := filesIn(t, "keys"); len(after) != len(before)-1 {
		t.Errorf("half a pair was left: %v", after)
	}
}

func TestKeysAPI(t *testing.T) {
	out, code, msg := runCLI(t, keysCmd(), "api", "-name", "shop", "-role", "app", "-realm", "community", "-realm=control,staff")
	if code != 0 {
		t.Fatal(msg)
	}
	lines := strings.Split(out, "\n")
	sum := sha256.Sum256([]byte(lines[1]))
	want := "[[api_key]]\nname = \"shop\"\nrole = \"app\"\nrealms = [\"community\",\"control\",\"staff\"]\nsecret_sha256 = \"" + hex.EncodeToString(sum[:]) + "\"\n"
	if !strings.HasSuffix(out, want) || len(lines[1]) < 40 {
		t.Errorf("got %s", out)
	}
	out, _, _ = runCLI(t, keysCmd(), "api", "-name", "desk", "-role", "support", "-json")
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil || v["role"] != "support" {
		t.Errorf("%v %s", err, out)
	}
	if again, _, _ := runCLI(t, keysCmd(), "api", "-name", "desk", "-role", "support", "-json"); again == out {
		t.Error("the same secret twice")
	}
}
