package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/config"
)

// keysCmd is `resetd keys`: it makes keys and rotates them, and prints what has to be published. It talks to no daemon; what it says of published keys it asks of DNS.
func keysCmd() *cobra.Command {
	return group("keys", "make and rotate keys",
		keysTokenCmd(),
		group("dkim", "keys that sign mail", dkimNewCmd(), dkimListCmd(), dkimRotateCmd(), dkimRetireCmd()),
		keysAPICmd(),
	)
}

func keysTokenCmd() *cobra.Command {
	var out string
	cmd := ours(&cobra.Command{
		Use: "token", Short: "make a key for the links in mails", Args: cobra.NoArgs,
		Long: "Prints a line KID BASE64 for [keys] token_file. With -out it is put first in FILE, which is made with mode 0600 where there is none: the first key makes\n" +
			"links, all of them verify, so that links already sent go on working.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				line, _ := newTokenKey(nil, time.Now())
				_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
				return err
			}
			return addTokenKey(cmd, out, time.Now())
		},
	})
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to put the key into, first")
	return cmd
}

// newTokenKey is a line with 32 random bytes. Its KID is the day, and a letter when there are several on one day.
func newTokenKey(have []config.Key, now time.Time) (line, kid string) {
	taken := func(id string) bool {
		return slices.ContainsFunc(have, func(k config.Key) bool { return k.ID == id })
	}
	day := now.UTC().Format("20060102")
	kid = day
	for n := 1; taken(kid); n++ {
		kid = fmt.Sprintf("%s-%d", day, n+1)
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	return kid + " " + base64.StdEncoding.EncodeToString(secret[:]), kid
}

// addTokenKey puts a new key before those that a file has. The file is replaced whole, so that a daemon that starts meanwhile reads the old or the new one.
func addTokenKey(cmd *cobra.Command, file string, now time.Time) error {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	old, err := os.ReadFile(file)
	var have []config.Key
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return couldNot("the key file cannot be read: %v", err)
	default:
		var faults []config.Problem
		if have, faults = config.ParseTokenKeys(string(old)); len(faults) > 0 && len(strings.TrimSpace(string(old))) > 0 {
			return couldNot("%s:%d: %s; nothing was changed", file, faults[0].Line, faults[0].What)
		}
	}
	line, kid := newTokenKey(have, now)
	if err := replaceFile(file, append([]byte(line+"\n"), old...)); err != nil {
		return couldNot("the key was not written: %v", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "token key %s is the first of %d in %s\n", kid, len(have)+1, file)
	if len(have) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "Restart resetd on every host. Links made with the older keys work while these stay in the file: keep them for 24 h, the longest life of a link.\n")
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "\n[keys]\ntoken_file = %q\n", file)
	}
	return nil
}

// replaceFile writes a file that only its owner may read, in one step. Where there was one before, the new one belongs to the same owner and group, and
// they may read what they could: root rotates the key, and the daemon's user has to start with it.
func replaceFile(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".resetd-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // after the rename there is none
	if st, serr := os.Stat(file); serr == nil {
		err = tmp.Chmod(st.Mode().Perm() & 0o660)
		if own, ok := st.Sys().(*syscall.Stat_t); ok && err == nil {
			err = tmp.Chown(int(own.Uid), int(own.Gid))
		}
	}
	if err == nil {
		_, err = tmp.Write(data)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

var callerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func keysAPICmd() *cobra.Command {
	var name, role string
	var realms []string
	var asJSON bool
	cmd := ours(&cobra.Command{
		Use: "api", Short: "make the secret of an API caller", Args: cobra.NoArgs,
		Long: "Prints a fresh secret, once, and the [[api_key]] table for the configuration, which holds only its SHA-256.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !callerName.MatchString(name):
				return wrongUsage(cmd, "-name is needed: 1 to 64 letters, digits, - , _ or .")
			case !slices.Contains([]string{"app", "support", "admin", "ops"}, role):
				return wrongUsage(cmd, "-role is needed: app, support, admin or ops")
			}
			for _, r := range realms {
				if !callerName.MatchString(r) {
					return wrongUsage(cmd, "-realm is the name of a realm")
				}
			}
			return printAPIKey(cmd, name, role, realms, asJSON)
		},
	})
	cmd.Flags().StringVar(&name, "name", "", "`NAME` that the audit trail shows")
	cmd.Flags().StringVar(&role, "role", "", "what the caller may do: app, support, admin or ops")
	cmd.Flags().StringSliceVar(&realms, "realm", nil, "a `REALM` that the caller may act in; may be given several times; none means all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func printAPIKey(cmd *cobra.Command, name, role string, realms []string, asJSON bool) error {
	var raw [32]byte
	rand.Read(raw[:])
	// The prefix lets secret scanners, and people, see what has leaked.
	secret := "resetd_" + base64.RawURLEncoding.EncodeToString(raw[:])
	sum := sha256.Sum256([]byte(secret))
	digest := hex.EncodeToString(sum[:])
	if realms == nil {
		realms = []string{}
	}
	list, err := json.Marshal(realms) // a list of plain names is the same in TOML
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return json.NewEncoder(out).Encode(struct {
			Secret string   `json:"secret"`
			Name   string   `json:"name"`
			Role   string   `json:"role"`
			Realms []string `json:"realms"`
			Digest string   `json:"secret_sha256"`
		}{secret, name, role, realms, digest})
	}
	_, err = fmt.Fprintf(out, "# For the caller, shown this once. It is sent as: Authorization: Bearer SECRET\n%s\n\n# For the configuration:\n[[api_key]]\nname = %q\nrole = %q\nrealms = %s\nsecret_sha256 = %q\n",
		secret, name, role, list, digest)
	return err
}
