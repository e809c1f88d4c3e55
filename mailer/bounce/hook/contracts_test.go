package hook

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contracts finds the folder of other people's payloads beside the checkout.
func contracts(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if c := filepath.Join(filepath.Dir(dir), "shared", "contracts"); isDir(c) {
			return c
		}
	}
	t.Skip("no ../shared/contracts here")
	return ""
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// TestContracts reads the sample payloads of a widely used library's tests: each says what its file's name says.
func TestContracts(t *testing.T) {
	root := contracts(t)
	for _, c := range []struct {
		file  string
		kinds []Kind
		want  string // in what render writes of the events
	}{
		{"amazon_ses/test_bounce_event.raw_ses_event1.json", []Kind{Bounced}, "reason: user_unknown"},
		{"amazon_ses/test_multiple_bounce_event.raw_ses_event1.json", []Kind{Bounced, Bounced}, "to: richard@example.com"},
		{"amazon_ses/test_complaint_event.raw_ses_event1.json", []Kind{Complained}, "to: richard@example.com"},
		{"amazon_ses/test_delivery_event.raw_ses_event1.json", []Kind{Delivered}, "host: 127.0.2.0"},
		{"amazon_ses/test_open_event.raw_ses_event1.json", []Kind{Opened}, "ip: 192.0.2.1"},
		{"amazon_ses/test_click_event.raw_ses_event1.json", []Kind{Clicked}, "ip: 192.0.2.1"},
		{"amazon_ses/test_reject_event.raw_ses_event1.json", []Kind{Rejected}, "virus_detected"},
		{"amazon_ses/test_rendering_failure_event.raw_ses_event1.json", []Kind{Rejected}, "compose.template_error"},
		{"amazon_ses/test_send_event.raw_ses_event1.json", []Kind{Processed}, "to: recipient@example.com"},
		{"sendgrid/test_bounce_event.raw_events1.json", []Kind{Bounced}, "recipient.unknown_mailbox"},
		{"sendgrid/test_click_event.raw_events1.json", []Kind{Clicked}, "ip: 24.130.34.103"},
		{"sendgrid/test_compatibility_message_id_from_smtp_id.raw_events1.json", []Kind{Delivered}, "152712433591.85282.8340115595767222398@example.com"},
		{"sendgrid/test_deferred_event.raw_events1.json", []Kind{Deferred}, "rate_limited"},
		{"sendgrid/test_delivered_event.raw_events1.json", []Kind{Delivered}, "code: 250"},
		{"sendgrid/test_dropped_bounced.raw_events1.json", []Kind{Dropped}, "suppressed.by_provider"},
		{"sendgrid/test_dropped_invalid_event.raw_events1.json", []Kind{Dropped}, "bad_address"},
		{"sendgrid/test_dropped_unsubscribed_event.raw_events1.json", []Kind{Dropped}, "suppressed.by_provider"},
		{"sendgrid/test_open_event.raw_events1.json", []Kind{Opened}, "ip: 66.102.6.229"},
		{"sendgrid/test_processed_event.raw_events1.json", []Kind{Processed}, ""},
		{"mailgun/test_clicked_event.raw_event1.json", []Kind{Clicked}, "to: recipient@example.com"},
		{"mailgun/test_complained_event.raw_event1.json", []Kind{Complained}, "20130718032413.263EE2E0926@example.org"},
		{"mailgun/test_defaults_webhook_signing_to_api_key.payload1.json", []Kind{Delivered}, ""},
		{"mailgun/test_delivered_event.raw_event1.json", []Kind{Delivered}, "host: smtp-in.example.com"},
		{"mailgun/test_delivery_status_is_none_event.raw_event1.json", []Kind{Processed}, ""},
		{"mailgun/test_failed_greylisted_event.raw_event1.json", []Kind{Deferred}, "deferred.greylisted"},
		{"mailgun/test_failed_permanent_event.raw_event1.json", []Kind{Bounced}, "recipient.unknown_mailbox"},
		{"mailgun/test_failed_temporary_event.raw_event1.json", []Kind{Deferred}, "recipient.no_"},
		{"mailgun/test_opened_event.raw_event1.json", []Kind{Opened}, "agent:"},
		{"mailgun/test_rejected_event.raw_event1.json", []Kind{Rejected}, "to: recipient@example.org"},
		{"mailgun/test_unsubscribed_event.raw_event1.json", []Kind{Unsubscribed}, ""},
		{"postmark/test_bounce_event.raw_event1.json", []Kind{Bounced}, "recipient.unknown_mailbox"},
		{"postmark/test_bounce_unsubscribe_variant.raw_event1.json", []Kind{Unsubscribed}, "5555555-5555555-5555-5555555"},
		{"postmark/test_click_event.raw_event1.json", []Kind{Clicked}, "ip: 8.8.8.8"},
		{"postmark/test_delivered_event.raw_event1.json", []Kind{Delivered}, "at: 2014-08-01T17:28:10.273Z"},
		{"postmark/test_open_event.raw_event1.json", []Kind{Opened}, "agent:"},
		{"postmark/test_resubscribe.raw_event1.json", []Kind{Unlisted}, ""},
		{"postmark/test_spam_event.raw_event1.json", []Kind{Complained}, "from now: listed"},
		{"postmark/test_subscription_change_bounce.raw_event1.json", []Kind{Listed}, "HardBounce"},
		{"postmark/test_unsubscribe.raw_event1.json", []Kind{Unsubscribed}, "from now: listed"},
	} {
		raw, err := os.ReadFile(filepath.Join(root, c.file))
		if err != nil {
			t.Error(err)
			continue
		}
		provider := map[string]string{"amazon_ses": "ses"}[filepath.Dir(c.file)]
		if provider == "" {
			provider = filepath.Dir(c.file)
		}
		b, err := proven(t, provider, raw, nil)
		var kinds []Kind
		for _, e := range b.Events {
			kinds = append(kinds, e.Kind)
		}
		if got := render(b, err); !slices.Equal(kinds, c.kinds) || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v, want %v and %q in\n%s", c.file, kinds, c.kinds, c.want, got)
		}
		checkBatch(t, b)
	}
}

// The sample envelopes are not signed for us: whatever else they say, nothing comes of them.
func TestContractEnvelopes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(contracts(t), "amazon_ses", "*sns_message*.json"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil || !json.Valid(raw) {
			t.Fatal(file, err)
		}
		h, p := snsWorld(t, nil)
		if b, err := h.Read(t.Context(), nil, raw); err == nil || len(b.Events) > 0 || len(p.asked) > 0 {
			t.Errorf("%s: %+v, %v", file, b, err)
		}
	}
}
