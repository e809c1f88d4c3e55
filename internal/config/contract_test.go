package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/config"
)

// shared finds the folder beside the checkout where the contract is kept; elsewhere the test is skipped.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			if path := filepath.Join(dir, "..", "shared"); dirExists(path) {
				return path
			}
			t.Skip("no folder shared beside the checkout")
		}
		if dir == filepath.Dir(dir) {
			t.Skip("not in a checkout")
		}
		dir = filepath.Dir(dir)
	}
}

func dirExists(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// The configuration in CONTRACT.md is taken as it stands, but for the hash that it only describes.
func TestContract(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(shared(t), "CONTRACT.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(b), "```toml\n")
	doc, _, _ = strings.Cut(doc, "\n```")
	doc = strings.Replace(doc, "hex SHA-256 of the bytes after 'Bearer '", strings.Repeat("ab", 32), 1)
	world(t)
	for to, from := range map[string]string{"token.key": "token.key", "dkim-rsa.pem": "rsa2048.pem", "accounts.json": "accounts.json"} {
		if err := os.Rename(filepath.Join("files", from), to); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("resetd.toml", []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("resetd.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Realms()) != 1 || len(c.DKIM("example.org")) != 1 || c.Throttle.Account.N != 5 {
		t.Errorf("%+v", c)
	}
}
