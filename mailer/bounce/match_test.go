package bounce

import (
	"errors"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

// theMessage and those who vouch for it: an address or Message-ID that begins with "ours" is of it.
var theMessage = ledger.NewMessageID(3, ledger.Seed{7})

func theMatcher() Matcher {
	own := func(s string) (ledger.MessageID, error) {
		if strings.HasPrefix(strings.Trim(s, "<>"), "ours") {
			return theMessage, nil
		}
		return "", errors.New("foreign")
	}
	return Matcher{Verify: own, Own: own}
}

// A mail finds its message by the surest sign in it.
func TestMatch(t *testing.T) {
	report := func(returned string) string {
		return "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\n" +
			"Reporting-MTA: dns; mx.there.example\n\nFinal-Recipient: rfc822; jo@there.example\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: text/rfc822-headers\n\n" + returned + "\n--b--\n"
	}
	byPath, byID := Match{Message: theMessage, Found: ledger.ByReturnPath}, Match{Message: theMessage, Found: ledger.ByMessageID}
	for _, c := range []struct {
		name, mail string
		want       Match
	}{
		{"Delivered-To", "Delivered-To: ours-1@bounces.example\nTo: someone@us.example\n\nx", byPath},
		{"X-Original-To, folded", "X-Original-To:\n ours-1@bounces.example\n\nx", byPath},
		{"To, among others", "To: Someone <someone@us.example>, <ours-1@bounces.example>\n\nx", byPath},
		{"Received", "Received: from mx.there.example by mail.us.example with ESMTP id 4X\n for <ours-1@bounces.example>; Tue, 24 Nov 2026 08:00:00 +0000\n\nx", byPath},
		{"the path wins over what the mail says", "Delivered-To: ours-1@bounces.example\n" + report("Message-ID: <other@us.example>\n"), byPath},
		{"Message-ID of the returned part", "To: bounces@us.example\n" + report("Message-ID: <ours-2@us.example>\n"), byID},
		{"our own field in the returned part", "To: bounces@us.example\n" + report("X-Resetd-Message: "+string(theMessage)+"\n"), byID},
		{"a field of ours in the outer header proves nothing", "X-Resetd-Message: " + string(theMessage) + "\nSubject: hello\n\nx", Match{Kind: KindNone}},
		{"a copy of our own mail", "Return-Path: <ours-1@bounces.example>\nTo: jo@there.example\nSubject: Reset\n\nx", Match{Kind: KindNone}},
		{"only the recipient", "To: bounces@us.example\n" + report("Message-ID: <theirs@us.example>\n"), Match{Recipient: "jo@there.example", Kind: KindBounce}},
		{"nothing", "To: bounces@us.example\nSubject: Lunch\n\nToday?", Match{Kind: KindNone}},
		{"empty", "", Match{Kind: KindNone}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := theMatcher().Match([]byte(c.mail)); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("Delivered-To: ours@bounces.example\n\nx"))
	f.Add([]byte("Received: x for <ours@bounces.example>;\nTo: \"a, b\" <x@y>, ours\n\n"))
	f.Add([]byte("Content-Type: message/rfc822\n\nMessage-ID: <ours@x>\n\n"))
	m := theMatcher()
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := m.Match(raw)
		if got.Message == "" && got.Found != "" || got.Message != "" && got.Recipient != "" {
			t.Errorf("%+v", got)
		}
	})
}
