package diag

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testdata/packets holds whole texts: with all that can be known, with part of it, and with next to nothing.
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
		facts, us, _ := strings.Cut(story, "-- us --\n")
		s := readScenario(t, facts)
		got := Packet(s.in, readUs(t, us))
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

// readUs: FROM lines "from ADDR [configured] [ptr=] [spf=]", "dkim NAME WHAT", and "WORD VALUE" for the rest.
func readUs(t *testing.T, text string) Us {
	us := Us{DKIM: map[string]string{}}
	for line := range strings.Lines(text) {
		w := words(strings.TrimSpace(line))
		if len(w) == 0 {
			continue
		}
		a := readArgs(w)
		switch word := a.take(); word {
		case "from":
			us.From = append(us.From, From{Configured: a.flag("configured"), Addr: netip.MustParseAddr(a.take()), PTR: a.pair["ptr"], SPF: a.pair["spf"]})
		case "helo":
			us.HELO = a.take()
		case "sender":
			us.Sender = a.take()
		case "bounces":
			us.Bounces = a.take()
		case "spf":
			us.SPF = w[1]
		case "dkim":
			us.DKIM[w[1]] = w[2]
		case "dmarc":
			us.DMARC = w[1]
		case "verified":
			us.Verified = mustMoment(a.take())
		default:
			t.Fatalf("nothing of us is called %q", word)
		}
	}
	return us
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
