package arrival

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/resetd/resetd/mailer/bounce"
)

const link = "https://reset.acme.example/r/k1.abcdefgh"

// sent is a mail as it leaves us.
const sent = "DKIM-Signature: v=1; d=acme.example; s=r1\r\n" +
	"From: Acme <no-reply@acme.example>\r\nTo: c-1@bounces.example\r\nSubject: Set a new password\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n" +
	"Message-ID: <1@acme.example>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\nX-Resetd-Message: msg_1\r\n" +
	"Content-Type: multipart/alternative; boundary=b1\r\n\r\n" +
	"--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Hello,\r\n\r\nhttps://reset.acme.example/r/k1.abcdefgh\r\n" +
	"--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"<p><a href=3D\"https://reset.acme.example/r/k1.abc=\r\ndefgh\">Set it</a></p>\r\n" +
	"--b1--\r\n"

// What was done to a mail on its way is named, in words that hold no link.
func TestCompare(t *testing.T) {
	replace := func(pairs ...string) string {
		s := sent
		for i := 0; i+1 < len(pairs); i += 2 {
			if !strings.Contains(s, pairs[i]) {
				t.Fatalf("%q is not in the mail", pairs[i])
			}
			s = strings.Replace(s, pairs[i], pairs[i+1], 1)
		}
		return s
	}
	for _, c := range []struct {
		name, raw string
		bodyOK    bool
		link      string
		host      string
		changes   []string
	}{
		{"as it was sent", sent, true, "same", "", nil},
		{"with trace lines, folded anew, and a line end more", "Received: from a by relay.example with ESMTP id 1;\r\n\tTue, 24 Nov 2026 08:00:01 +0000\r\n" + replace("Subject: Set a", "Subject: Set\r\n a") + "\r\n", true, "same", "", nil},
		{"bare line feeds", strings.ReplaceAll(sent, "\r\n", "\n"), true, "same", "", nil},
		{"a footer", replace("abcdefgh\r\n--b1", "abcdefgh\r\n-- \r\nThis mail was scanned by https://scan.example/x?y=1\r\n--b1"), false, "same", "",
			[]string{`At the end of the plain text this was added: "-- This mail was scanned by https://scan.example/…".`}},
		{"a banner", replace("Hello,", "CAUTION: external mail.\r\nHello,"), false, "same", "",
			[]string{`At the beginning of the plain text this was added: "CAUTION: external mail.".`}},
		{"click tracking in both parts", replace(link+"\r\n", "https://click.relay.example/c/1\r\n", `3D"https://reset.acme.example/r/k1.abc=`+"\r\n"+`defgh"`, `3D"https://click.relay.example/c/2"`), false, "rewritten", "click.relay.example",
			[]string{`The plain text was changed, from here on: "click.relay.example/c/1".`, `The HTML was changed, from here on: "click.relay.example/c/2\">Set it</a></p>".`}},
		{"click tracking in the HTML alone", replace(`3D"https://reset.acme.example/r/k1.abc=`+"\r\n"+`defgh"`, `3D"http://click.relay.example/c/2"`), false, "rewritten", "click.relay.example",
			[]string{`The HTML was changed, from here on: "://click.relay.example/c/2\">Set it</a></p>".`}},
		{"the link cut", replace(link+"\r\n", "https://reset.acme.example/r/\r\n"), false, "rewritten", "reset.acme.example",
			[]string{`The plain text was changed, from here on: "".`}},
		{"the link taken out", replace(link+"\r\n", "(link removed)\r\n"), false, "missing", "",
			[]string{`The plain text was changed, from here on: "(link removed)".`}},
		{"the HTML taken out", replace("text/html", "application/octet-stream"), false, "missing", "",
			[]string{"The HTML part is gone."}},
		{"encoded anew", replace(`abc=`+"\r\n"+`defgh`, `abcdefgh`), false, "same", "", []string{"The body was encoded anew; its texts are the same."}},
		{"fields changed, gone and added", replace("Subject: Set", "Subject: [EXTERNAL] Set", "Auto-Submitted: auto-generated\r\n", "", "MIME-Version", "List-Unsubscribe: <https://u.example>\r\nMIME-Version"), true, "same", "",
			[]string{"The field Subject was changed.", "The field Auto-Submitted is gone.", "The field list-unsubscribe was added."}},
	} {
		a := Judge(context.Background(), Mail{Raw: []byte(c.raw), Sent: []byte(sent), Link: link}, nil)
		if a.BodyOK != c.bodyOK || a.Link != c.link || a.LinkHost != c.host {
			t.Errorf("%s: body as sent %v, link %q to %q", c.name, a.BodyOK, a.Link, a.LinkHost)
		}
		if !slices.Equal(a.Changes, c.changes) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, a.Changes, c.changes)
		}
		if strings.Contains(strings.Join(a.Changes, ""), "abcdefgh") {
			t.Errorf("%s: the words hold the link", c.name)
		}
	}
}

// Without the mail as it was sent nothing is compared, and nothing is claimed of it.
func TestNothingToCompare(t *testing.T) {
	a := Judge(context.Background(), Mail{Raw: []byte(sent), Link: link, Came: bounce.Came{IP: netip.MustParseAddr("10.0.0.9"), From: "b-1@bounces.example"}}, nil)
	if a.BodyOK || a.Link != "" || a.Changes != nil || !a.Private || a.From != "bounces.example" {
		t.Errorf("%+v", a)
	}
}

// The hosts on the way are told from the first to the last, with what they say.
func TestTrace(t *testing.T) {
	raw := "Authentication-Results: mx.acme.example; spf=pass smtp.mailfrom=a@b.example;\r\n\tdkim=fail (body hash) reason=\"bad body\" header.d=acme.example\r\n" +
		"Received: from relay.example (relay.example [192.0.2.1])\r\n\tby mx.acme.example (Postfix) with ESMTPS id 2;\r\n\tTue, 24 Nov 2026 08:00:02 +0000\r\n" +
		"Received: from reset.acme.example by relay.example with ESMTP id 1; Tue, 24 Nov 2026 08:00:01 +0000\r\n" + sent
	a := Judge(context.Background(), Mail{Raw: []byte(raw), Sent: []byte(sent), Link: link}, nil)
	if want := []string{"relay.example", "mx.acme.example"}; !slices.Equal(a.Hops, want) {
		t.Errorf("hops %q, want %q", a.Hops, want)
	}
	if want := []string{"mx.acme.example says spf=pass, dkim=fail (bad body)"}; !slices.Equal(a.Claims, want) {
		t.Errorf("claims %q, want %q", a.Claims, want)
	}
}

// FuzzJudge gives a receiver any mail: it must end, and repeat no token.
func FuzzJudge(f *testing.F) {
	f.Add(sent)
	f.Add("Received: by\r\n\r\n")
	f.Add("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n--a--")
	f.Add("Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGEgaHJlZj0iaHR0cHM6Ly9hLmV4YW1wbGUvIj4=")
	f.Fuzz(func(t *testing.T, raw string) {
		a := Judge(context.Background(), Mail{Raw: []byte(raw), Sent: []byte(sent), Link: link}, nil)
		if len(a.Hops) > maxHops || len(a.Claims) > maxClaims || len(a.Changes) > maxChanges {
			t.Fatalf("too much is kept: %+v", a)
		}
		for _, c := range a.Changes {
			if len(c) > 5*maxQuote {
				t.Fatalf("a change of %d bytes", len(c))
			}
		}
	})
}
