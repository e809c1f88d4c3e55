package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/config"
)

var (
	dnsLabel  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,57}[A-Za-z0-9])?$`) // with -rsa behind it, still a label
	dnsDomain = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

// newKey is one half of what `keys dkim new` makes.
type newKey struct {
	selector, file string // file as it is written in the configuration
	record         string // the TXT record's text
	pem            []byte
	public         crypto.PublicKey
}

func (k newKey) asSelector() dnscheck.Selector {
	return dnscheck.Selector{Name: k.selector, Public: k.public}
}

func dkimNewCmd() *cobra.Command {
	var selector, domain, dir string
	cmd := ours(&cobra.Command{
		Use: "new", Short: "make an RSA-2048 and an Ed25519 key, and print what to publish", Args: cobra.NoArgs,
		Long: "Every receiver verifies RSA; Ed25519 (RFC 8463) is shorter and for those who know it. Both sign side by side, so each has a selector: S-rsa and S-ed.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !dnsLabel.MatchString(selector):
				return wrongUsage(cmd, "-selector is needed: letters, digits and -, such as r2026")
			case !dnsDomain.MatchString(domain):
				return wrongUsage(cmd, "-domain is needed, such as example.org; an internationalised one in its xn-- form")
			case dir == "":
				return wrongUsage(cmd, "-out is needed: the folder for the two private keys")
			}
			return makeDKIM(cmd.OutOrStdout(), selector, domain, dir)
		},
	})
	cmd.Flags().StringVar(&selector, "selector", "", "`S`, the first part of both selectors; a new one for each rotation")
	cmd.Flags().StringVar(&domain, "domain", "", "`DOMAIN` of the From addresses")
	cmd.Flags().StringVar(&dir, "out", "", "`DIR` for the private keys")
	return cmd
}

func makeDKIM(out io.Writer, selector, domain, dir string) error {
	keys, err := makePair(selector, dir)
	if err != nil {
		return err
	}
	if err := writePair(keys, dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "; Publish in the zone of %s, and wait until they are visible before resetd signs with them:\n", domain)
	printRecords(out, keys, domain)
	fmt.Fprintln(out)
	printTables(out, keys, domain)
	return nil
}

// keyKinds are the two kinds of a pair, and what they add to its selector.
func keyKinds() []string { return []string{"rsa", "ed"} }

// makePair makes two keys; nothing is written yet.
func makePair(selector, dir string) ([]newKey, error) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, config.GoodRSA)
	if err != nil {
		return nil, couldNot("no RSA key could be made: %v", err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, couldNot("no Ed25519 key could be made: %v", err)
	}
	var keys []newKey
	for i, key := range []crypto.Signer{rsaKey, edKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, couldNot("a key could not be written: %v", err)
		}
		record, err := dkimRecord(key.Public())
		if err != nil {
			return nil, couldNot("a record could not be written: %v", err)
		}
		s := selector + "-" + keyKinds()[i]
		keys = append(keys, newKey{s, filepath.Join(dir, s+".pem"), record, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), key.Public()})
	}
	return keys, nil
}

// readPair reads the pair that makePair made and writePair wrote; fs.ErrNotExist if there is none.
func readPair(selector, dir string) ([]newKey, error) {
	var keys []newKey
	for _, kind := range keyKinds() {
		s := selector + "-" + kind
		file := filepath.Join(dir, s+".pem")
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		key, err := config.ParseDKIMKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		record, err := dkimRecord(key.Public())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		keys = append(keys, newKey{s, file, record, text, key.Public()})
	}
	return keys, nil
}

func writePair(keys []newKey, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return couldNot("the folder cannot be made: %v", err)
	}
	for i, k := range keys {
		if err := writeNew(k.file, k.pem); err != nil {
			for _, done := range keys[:i] { // half a pair is of no use, and would be in the way of the next try
				err = errors.Join(err, os.Remove(done.file))
			}
			if errors.Is(err, fs.ErrExist) {
				return couldNot("%s exists already; a key in use is never overwritten: take a new selector", k.file)
			}
			return couldNot("the key was not written: %v", err)
		}
	}
	return nil
}

// printRecords prints what to publish, in zone-file form.
func printRecords(out io.Writer, keys []newKey, domain string) {
	for _, k := range keys {
		fmt.Fprintf(out, "%s._domainkey.%s. 3600 IN TXT %s\n", k.selector, strings.TrimSuffix(domain, "."), txtStrings(k.record))
	}
}

// printTables prints the lines for the configuration.
func printTables(out io.Writer, keys []newKey, domain string) {
	fmt.Fprintf(out, "# For the configuration:\n[[domain]]\nname = %q\n", domain)
	for _, k := range keys {
		fmt.Fprintf(out, "[[domain.dkim]]\nselector = %q\nkey_file = %q\n", k.selector, k.file)
	}
}

// dkimRecord is the TXT of RFC 6376 section 3.6.1: an RSA key as SubjectPublicKeyInfo, as everybody publishes it; an Ed25519 key as its 32 bytes (RFC 8463 section 4).
func dkimRecord(public crypto.PublicKey) (string, error) {
	if ed, ok := public.(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(ed), nil
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
}

// txtStrings splits a text into strings of at most 255 bytes, which is all that one string of a TXT record holds (RFC 1035 section 3.3.14); receivers join them
// without a space. The form is BIND's.
func txtStrings(s string) string {
	const limit = 255
	if len(s) <= limit {
		return `"` + s + `"`
	}
	var b strings.Builder
	b.WriteString("(")
	for len(s) > 0 {
		n := min(limit, len(s))
		b.WriteString("\n\t\"" + s[:n] + `"`)
		s = s[n:]
	}
	b.WriteString(" )")
	return b.String()
}

// writeNew writes a private key where there is no file yet.
func writeNew(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(file)
	}
	return err
}
