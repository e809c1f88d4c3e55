package diag

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The packet of a mail that Exchange accepted, and of one that came back: testdata/packets holds the whole text.
func TestPacket(t *testing.T) {
	files, err := filepath.Glob("testdata/packets/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no packets", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		story, want, _ := strings.Cut(string(raw), "-- packet --\n")
		s := readScenario(t, story)
		got := Packet(s.in, Us{HELO: "mail.shop.example", IP: "192.0.2.25", PTR: "mail.shop.example", Bounces: "bounces.shop.example"})
		if *update {
			if err := os.WriteFile(file, []byte(story+"-- packet --\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got != want {
			t.Errorf("%s:\n%s", file, got)
		}
	}
}

// No scenario's packet holds a link, and what was never offered has none.
func TestPacketHoldsNoSecret(t *testing.T) {
	for _, s := range scenarios(t) {
		text := Packet(s.in, Us{})
		if strings.Contains(text, "/r/") || strings.ContainsAny(text, "\x00\x1b\r") {
			t.Errorf("%q", text)
		}
		if v := look(&s.in); (v.mail == nil || len(v.mail.Attempts) == 0) != (text == "") {
			t.Errorf("packet %q of %+v", text, v.mail)
		}
	}
}
