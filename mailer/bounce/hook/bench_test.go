package hook

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

func benchRead(b *testing.B, h *Hook, header http.Header, body []byte, events int) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := h.Read(b.Context(), header, body)
		if err != nil || len(got.Events) != events {
			b.Fatal(len(got.Events), err)
		}
	}
}

func payloadOf(b *testing.B, file string) []byte {
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		b.Fatal(err)
	}
	_, payload, _ := split(b, string(raw))
	return []byte(strings.TrimSpace(payload))
}

// BenchmarkRead proves and reads one request of each provider; SendGrid's also as a batch of 1,000.
func BenchmarkRead(b *testing.B) {
	b.Run("ses", func(b *testing.B) {
		h, _ := snsWorld(b, nil)
		benchRead(b, h, nil, envelope("Notification", string(payloadOf(b, "ses/bounce-no-mailbox.txt")), "2", nil), 1)
	})
	one := payloadOf(b, "sendgrid/bounce.txt")
	many := []byte("[" + strings.Repeat(strings.Trim(string(one), "[]")+",", 999) + string(one[1:]))
	sg := newHook(b, Config{Provider: "sendgrid", Secret: spki(theTwilio().ec.Public()), Now: now})
	for n, body := range map[int][]byte{1: one, 1000: many} {
		b.Run(fmt.Sprintf("sendgrid/%d", n), func(b *testing.B) { benchRead(b, sg, sendgridHeader(theTwilio().ec, now(), body), body, n) })
	}
	b.Run("mailgun", func(b *testing.B) {
		h := newHook(b, Config{Provider: "mailgun", Secret: mailgunKey, Now: now})
		benchRead(b, h, nil, mailgunRequest(mailgunKey, now(), "token", payloadOf(b, "mailgun/failed-no-mailbox.txt")), 1)
	})
	b.Run("postmark", func(b *testing.B) {
		h := newHook(b, Config{Provider: "postmark", Secret: postmarkSecret, Now: now})
		benchRead(b, h, http.Header{SecretHeader: {postmarkSecret}}, payloadOf(b, "postmark/bounce-hardbounce.txt"), 1)
	})
	b.Run("standard", func(b *testing.B) {
		h := newHook(b, Config{Provider: "standard", Secret: whsec, Now: now})
		body := payloadOf(b, "standard/bounced.txt")
		benchRead(b, h, standardHeader(whsec, "evt-1", now(), body), body, 1)
	})
}

// BenchmarkHostile reads 1 MiB of what costs parsers most; it should stay within some tens of milliseconds.
func BenchmarkHostile(b *testing.B) {
	sg := newHook(b, Config{Provider: "sendgrid", Secret: spki(theTwilio().ec.Public()), Now: now})
	fill := func(unit string) string { return strings.Repeat(unit, (MaxBody-200)/len(unit)) }
	for name, body := range map[string]string{
		"fields":  `[{"event":"bounce"` + fill(`,"k":"msg_"`) + `}]`,
		"reason":  `[{"event":"bounce","reason":"` + fill(`/r/a `) + `"}]`,
		"escapes": `[{"event":"bounce","reason":"` + fill(`\u202e`) + `"}]`,
		"deep":    `[{"event":"bounce","x":` + fill(`[`),
		"empty":   `[{}` + strings.Repeat(`,{}`, maxEvents-1) + fill(` `)[:MaxBody/2] + `]`,
	} {
		b.Run(name, func(b *testing.B) {
			header := sendgridHeader(theTwilio().ec, now(), []byte(body))
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := sg.Read(b.Context(), header, []byte(body)); err != nil && name != "deep" {
					b.Fatal(err)
				}
			}
		})
	}
}
