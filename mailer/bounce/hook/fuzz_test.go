package hook

import (
	"os"
	"path/filepath"
	"testing"
)

// Each target reads whatever stands behind a good proof, as a provider gone mad would write it: no panic, and whatever comes out is
// fit to be kept. Seeds are the payloads of testdata.
func fuzz(f *testing.F, provider string) {
	files, err := filepath.Glob(filepath.Join("testdata", provider, "*.txt"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, payload, _ := split(f, string(raw))
		f.Add([]byte(payload))
	}
	for _, s := range []string{``, `null`, `[]`, `{}`, `[null,[],{}]`, `{"mail":null}`, `{"data":{"to":{}}}`, "\xff", `{"event-data":{"message":{"headers":null}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := proven(t, provider, payload, func(c *Config) { c.Own = ownID })
		if err != nil && len(b.Events) > 0 {
			t.Errorf("%d events beside %v", len(b.Events), err)
		}
		checkBatch(t, b)
	})
}

// FuzzSES reads events out of the envelope, where signing each would take most of the time.
func FuzzSES(f *testing.F) {
	files, _ := filepath.Glob("testdata/ses/*.txt")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, payload, _ := split(f, string(raw))
		f.Add([]byte(payload))
	}
	h, _ := snsWorld(f, func(c *Config) { c.Own = ownID })
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b Batch
		if err := h.src.(*ses).events(payload, "mid", now(), &b); err != nil && len(b.Events) > 0 {
			t.Errorf("%d events beside %v", len(b.Events), err)
		}
		checkBatch(t, b)
	})
}

// FuzzSNS reads envelopes that nobody signed: nothing ever comes of them, and no host but SNS's is asked.
func FuzzSNS(f *testing.F) {
	for _, typ := range []string{"Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"} {
		f.Add(envelope(typ, deliveryEvent, "1", func(m map[string]string) { m["Timestamp"] = "2020-01-01T00:00:00Z" }))
	}
	f.Add([]byte(`{"Type":"Notification","TopicArn":"` + topic + `","Subject":null,"SignatureVersion":2}`))
	h, p := snsWorld(f, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := h.Read(t.Context(), nil, body); err == nil || len(b.Events) > 0 || b.Confirmed || b.Ended {
			t.Errorf("believed: %+v", b)
		}
		for url := range p.asked {
			if u, err := snsURL(url); url != issuer && (err != nil || !certPath.MatchString(u.Path)) {
				t.Errorf("asked for %q", url)
			}
		}
	})
}

func FuzzSendGrid(f *testing.F) { fuzz(f, "sendgrid") }
func FuzzMailgun(f *testing.F)  { fuzz(f, "mailgun") }
func FuzzPostmark(f *testing.F) { fuzz(f, "postmark") }
func FuzzStandard(f *testing.F) { fuzz(f, "standard") }
