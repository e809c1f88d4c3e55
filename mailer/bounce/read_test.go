package bounce

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expected readings in testdata/read")

// secret is what the returned mails of testdata carry in their link.
const secret = "Q2hhbmdlTWVQbGVhc2VJQW1BU2VjcmV0"

// golden is a whole reading, as testdata keeps it.
type golden struct {
	Explained
	MessageIDs []string
	EnvelopeID string
	Returned   Header
	From       string
	Subject    string
	Date       time.Time
}

// TestRead: each testdata/read/NAME.eml reads as NAME.json says; the story stands in its Comments field.
func TestRead(t *testing.T) {
	files, err := filepath.Glob("testdata/read/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Read(iotest.OneByteReader(bytes.NewReader(in)))
			if err != nil {
				t.Fatal(err)
			}
			checkMail(t, in, m)
			got, err := json.MarshalIndent(golden{
				Explain(name+".eml", m), m.MessageIDs, m.EnvelopeID, m.Returned, m.From, m.Subject, m.Date,
			}, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(got, []byte(secret)) {
				t.Error("the reading keeps the secret of the link")
			}
			want := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(want, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			expected, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytes.TrimSpace(expected), got) {
				t.Errorf("reads as\n%s\nwant\n%s", got, expected)
			}
		})
	}
}
