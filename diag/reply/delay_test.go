package reply

import (
	"testing"
	"time"
)

// Hosts say in many ways when to come back; a number that is no delay is none.
func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"450 4.2.0 Greylisted, please try again in 300 seconds":         300 * time.Second,
		"451 Greylisted for 5 minutes":                                  5 * time.Minute,
		"451 4.7.1 Greylisting in action, please come back in 00:04:59": 4*time.Minute + 59*time.Second,
		"451 retry in 5m":                                                  5 * time.Minute,
		"450 try again in 1h30m":                                           90 * time.Minute,
		"450 Please retry after 2 minutes 30 seconds":                      150 * time.Second,
		"451 wait 1 hour":                                                  time.Hour,
		"451 You must wait at least 60 secs before you retry":              time.Minute,
		"451 10 minutes before trying again":                               10 * time.Minute,
		"450 Bitte versuchen Sie es in 5 Minuten erneut":                   5 * time.Minute,
		"450 Bitte erneut in 10 Minuten":                                   10 * time.Minute,
		"450 veuillez patienter 120 secondes":                              2 * time.Minute,
		"450 intente de nuevo en 15 minutos":                               15 * time.Minute,
		"450 повторите через 5 минут":                                      5 * time.Minute,
		"450 try again in 999 hours":                                       MaxRetryAfter,
		"450 You sent 500 messages in 60 minutes":                          0,
		"450 limit is 100 per 1 hour. Try again later":                     0,
		"450 4.7.1 Try again later, see http://192.0.2.1/5":                0,
		"451 Greylisted":                                                   0,
		"552 5.2.2 Mailbox full, try again in 5 minutes":                   0, // refused for good
		"450 4.7.1 greylisted, retry after 2026-11-24 08:31:42 +0000":      0,
		"450-4.2.0 Greylisted\r\n450 4.2.0 please try again in 60 seconds": time.Minute,
	} {
		if got := Read(Reply{Text: text}).RetryAfter; got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
