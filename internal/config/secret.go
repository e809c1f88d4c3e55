package config

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// secret reads a secret that may stand in the configuration or in a file of its own, and says whether it has one. The file's last line end is not part of it.
func (k *checker) secret(value *Secret, file *string, path string) bool {
	filePath := path + "_file"
	if *file == "" {
		return *value != ""
	}
	if *value != "" && k.has(path) {
		k.bad(filePath, last(filePath)+" and "+last(path)+" are both given", "keep one of them")
		return false
	}
	text, ok := k.secretFile(file, filePath)
	if !ok {
		return false
	}
	*value = Secret(strings.TrimRight(text, "\r\n"))
	if *value == "" {
		k.bad(filePath, "the file is empty", "")
		return false
	}
	return true
}

// secretFile makes *file absolute and reads it.
func (k *checker) secretFile(file *string, path string) (string, bool) {
	*file = k.abs(*file)
	text, err := readCapped(*file)
	if err != nil {
		try := ""
		if os.IsNotExist(err) {
			try = "relative paths count from the folder of " + filepath.Base(k.file)
		}
		k.bad(path, "the file cannot be read: "+reason(err), try)
		return "", false
	}
	if st, err := os.Stat(*file); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0 {
		k.warn(path, "the file holds a secret, and others than its owner may read or change it (mode "+strconv.FormatUint(uint64(st.Mode().Perm()), 8)+")", "chmod 600 "+filepath.Base(*file))
	}
	return text, true
}

func (k *checker) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	p, err := filepath.Abs(filepath.Join(k.dir, path))
	if err != nil {
		return path
	}
	return p
}

var kidShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,16}$`)

// ParseTokenKeys reads token keys, one a line: KID BASE64 of 32 bytes. Empty lines and lines that begin with # are skipped. Every fault names its
// line and quotes nothing: the line is a secret.
func ParseTokenKeys(text string) ([]Key, []Problem) {
	var keys []Key
	var faults []Problem
	kids := map[string]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		bad := func(what, try string) { faults = append(faults, Problem{Line: n, What: what, Try: try}) }
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 2 {
			bad("a token key line is KID BASE64, two words", "`resetd keys token` makes one")
			continue
		}
		raw, err := decodeBase64(f[1])
		switch {
		case !kidShape.MatchString(f[0]):
			bad("a KID is 1 to 16 letters, digits, - or _", "")
		case kids[f[0]] != 0:
			bad("the KID stands in line "+strconv.Itoa(kids[f[0]])+" already", "a new key needs a new KID: links name the key that made them")
		case err != nil:
			bad("the key is not base64", "`resetd keys token` makes one")
		case len(raw) != 32:
			bad("the key is "+strconv.Itoa(len(raw))+" bytes long, not 32", "`resetd keys token` makes one")
		case [32]byte(raw) == [32]byte{}:
			bad("the key is all zeros", "`resetd keys token` makes one")
		default:
			keys = append(keys, Key{ID: f[0], Secret: [32]byte(raw)})
		}
		if kids[f[0]] == 0 {
			kids[f[0]] = n
		}
	}
	if len(keys) == 0 && len(faults) == 0 {
		faults = append(faults, Problem{What: "there is no token key", Try: "`resetd keys token -out FILE` makes one"})
	}
	return keys, faults
}

func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

func (k *checker) tokenKeys() {
	c := &k.c.Keys
	text, path := string(c.Token), "keys.token"
	file, line := k.file, 0
	switch {
	case c.TokenFile == "" && text == "":
		k.bad("keys.token_file", "no token keys: [keys] token_file is required", "`resetd keys token -out token.key`, then token_file = \"token.key\"")
		return
	case c.TokenFile != "" && text != "":
		k.bad("keys.token_file", "token_file and token are both given", "keep one of them")
		return
	case c.TokenFile != "":
		path = "keys.token_file"
		var ok bool
		if text, ok = k.secretFile(&c.TokenFile, path); !ok {
			return
		}
		file = c.TokenFile
	}
	keys, faults := ParseTokenKeys(text)
	for _, f := range faults {
		if c.TokenFile == "" {
			k.bad(path, f.What, f.Try)
			continue
		}
		line = f.Line
		k.problems = append(k.problems, Problem{File: file, Line: line, What: f.What, Try: f.Try})
	}
	k.c.tokenKeys = keys
}
