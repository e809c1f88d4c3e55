package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/config"
)

// runCLI runs a command as the shell would, and gives what it printed and its exit status.
func runCLI(t *testing.T, cmd *cobra.Command, args ...string) (out string, code int, msg string) {
	t.Helper()
	root := &cobra.Command{Use: "resetd"}
	root.AddCommand(cmd)
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetArgs(normalizeArgs(append([]string{cmd.Name()}, args...)))
	err := root.Execute()
	var e *exitError
	switch {
	case errors.As(err, &e):
		return b.String(), e.code, e.msg
	case err != nil:
		t.Fatalf("an error of a strange type: %v", err)
	}
	return b.String(), 0, ""
}

func TestNormalizeArgs(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"why jo@a.example -json", "why jo@a.example --json"},
		{"serve -config=x.toml -only api,worker", "serve --config=x.toml --only api,worker"},
		{"keys dkim new --selector s -out -", "keys dkim new --selector s --out -"},
		{"-h -v -1 -15 - --", "-h -v -1 -15 - --"},
		{"why -- -jo@a.example -json", "why -- -jo@a.example -json"},
		{"request -jo@a.example", "request -jo@a.example"},
		{"check -dry-run", "check --dry-run"},
	} {
		if got := strings.Join(normalizeArgs(strings.Fields(c.in)), " "); got != c.want {
			t.Errorf("%s: %s", c.in, got)
		}
	}
}

// A new installation, with nothing but these commands: keys, example, check.
func TestConfigCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	if out, code, msg := runCLI(t, keysCmd(), "token", "-out", "token.key"); code != 0 {
		t.Fatal(out, msg)
	}
	if out, code, msg := runCLI(t, keysCmd(), "dkim", "new", "-selector", "r2026", "-domain", "example.org", "-out", "."); code != 0 {
		t.Fatal(out, msg)
	}
	example, code, _ := runCLI(t, configCmd(), "example")
	if code != 0 || example != config.Example() {
		t.Errorf("example: %d", code)
	}
	writeText(t, "accounts.json", "")
	writeText(t, "resetd.toml", example)
	if out, code, msg := runCLI(t, configCmd(), "check", "resetd.toml"); out != "ok\n" || code != 0 {
		t.Errorf("check of the example: %d %s %s", code, out, msg)
	}

	writeText(t, "resetd.toml", strings.Replace(example, "bounce_domain =", "bounce_domian =", 1))
	out, code, msg := runCLI(t, configCmd(), "check", "resetd.toml")
	line := strings.Count(example[:strings.Index(example, "bounce_domain =")], "\n") + 1
	for _, want := range []string{"error: resetd.toml:" + strconv.Itoa(line) + ":1: unknown key bounce_domian in [smtp]", `| bounce_domian = "bounces.example.org"`, "| ^^^^", "did you mean bounce_domain?"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if code != exitBadNews || msg != "resetd.toml: start-up would refuse it: 1 problem" {
		t.Errorf("exit %d: %s", code, msg)
	}

	out, code, _ = runCLI(t, configCmd(), "check", "-json", "resetd.toml")
	var v struct {
		OK       bool
		Problems []struct {
			File string
			Line int
			Try  string
		}
		Warnings []any
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitBadNews || v.OK || len(v.Problems) != 1 || v.Problems[0].Line != line || v.Warnings == nil {
		t.Errorf("%v %d %s", err, code, out)
	}

	writeText(t, "resetd.toml", strings.Replace(example, `durability = "fsync"`, `durability = "memory"`, 1))
	if out, code, _ := runCLI(t, configCmd(), "check", "resetd.toml"); code != 0 || !strings.HasPrefix(out, "warning: ") || !strings.HasSuffix(out, "ok, with 1 warning\n") {
		t.Errorf("warnings only: %d %s", code, out)
	}
	writeText(t, "resetd.toml", example+"\n[[hook]]\nprovider = \"sendgrid\"\nsecret = \"no public key\"\n")
	if out, code, _ := runCLI(t, configCmd(), "check", "resetd.toml"); code != exitBadNews || !strings.Contains(out, "[[hook]]: hook sendgrid: ") || strings.Contains(out, "no public key") {
		t.Errorf("a hook's secret: %d %s", code, out)
	}
	if out, code, _ := runCLI(t, configCmd(), "check", "no-such.toml"); code != exitBadNews || !strings.Contains(out, "no-such.toml: cannot be read") {
		t.Errorf("no file: %d %s", code, out)
	}
}

func writeText(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range []string{
		"config", "config chekc", "config check", "config check a b", "config check -jsno a", "config example x",
		"keys", "keys dkim", "keys dkim newest", "keys dkim new", "keys dkim new -selector s", "keys dkim new -selector a.b -domain a.example -out x", "keys dkim new -selector s -domain a_b -out x",
		"keys api", "keys api -name shop", "keys api -name shop -role root", "keys api -name shop -role app -realm 'x", "keys token x", "keys token -out",
	} {
		f := strings.Fields(args)
		cmd := configCmd()
		if f[0] == "keys" {
			cmd = keysCmd()
		}
		out, code, msg := runCLI(t, cmd, f[1:]...)
		if code != exitUsage || !strings.Contains(msg, "try: resetd "+f[0]) || out != "" {
			t.Errorf("%s: exit %d, %q, printed %q", args, code, msg, out)
		}
	}
	if out, code, _ := runCLI(t, keysCmd(), "dkim", "new", "-help"); code != 0 || !strings.Contains(out, "--selector") {
		t.Errorf("help: %d %s", code, out)
	}
}

func wantPrivate(t *testing.T, files ...string) {
	t.Helper()
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, st.Mode(), err)
		}
	}
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range append(all, hidden...) {
		all = append(all[:i], filepath.Base(f))
	}
	return slices.Sorted(slices.Values(all))
}
