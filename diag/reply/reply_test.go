package reply

import (
	"strings"
	"testing"
)

// Every rule's sample is decided by that rule.
func TestSamples(t *testing.T) {
	for _, r := range builtin().rules {
		in := ParseLine(r.sample)
		if len(r.providers) > 0 {
			in.Provider = r.providers[0]
		}
		got := Read(in)
		if got.Rule != r.id {
			t.Errorf("%s (%s): sample is decided by %q (%s): %s", r.id, r.file, got.Rule, got.Because.Text, r.sample)
		}
	}
}

// Who speaks is known from the host, else the greeting, else the words.
func TestProvider(t *testing.T) {
	for _, c := range []struct{ host, banner, text, want string }{
		{host: "gmail-smtp-in.l.google.com.", want: "google"},
		{host: "ASPMX.L.GOOGLE.COM", want: "google"},
		{host: "corp-example.mail.protection.outlook.com", want: "microsoft"},
		{host: "mta7.am0.yahoodns.net", want: "yahoo"},
		{host: "mx01.mail.icloud.com", want: "apple"},
		{host: "mx0a-00000000.pphosted.com", want: "proofpoint"},
		{host: "mx.corp.example", want: ""},
		{host: "notgoogle.com", want: ""},
		{banner: "220 mx.google.com ESMTP a1 - gsmtp", want: "google"},
		{banner: "AM0.eop.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready", want: "microsoft"},
		{text: "550 5.7.1 refused z2si1584129pfn.61 - gsmtp", want: "google"},
		{text: "550 5.1.10 RESOLVER.ADR.RecipientNotFound", want: "microsoft"},
		{text: "550 5.1.1 <jo@gmail.com> user unknown", want: ""},
		{host: "mx.corp.example", text: "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", want: "proofpoint"},
	} {
		if got := Provider(c.host, c.banner, c.text); got != c.want {
			t.Errorf("Provider(%q, %q, %q) = %q, want %q", c.host, c.banner, c.text, got, c.want)
		}
		if got := Read(Reply{Host: c.host, Banner: c.banner, Text: c.text}).Provider; got != c.want {
			t.Errorf("Read: provider of %q, %q, %q is %q, want %q", c.host, c.banner, c.text, got, c.want)
		}
	}
}

// A pasted reply is taken apart: provider, code, status.
func TestParseLine(t *testing.T) {
	for in, want := range map[string]Reply{
		"google\t550-5.1.1 no\r\n550 5.1.1 user": {Provider: "google", Code: 550, Enhanced: "5.1.1", Text: "550-5.1.1 no\r\n550 5.1.1 user"},
		"-\t421 busy":                            {Code: 421, Text: "421 busy"},
		"550\ttab":                               {Code: 550, Text: "550\ttab"},
		"host mx.example[192.0.2.1] said: 550 5.1.1 <jo@x.example>: unknown": {Code: 550, Enhanced: "5.1.1", Text: "host mx.example[192.0.2.1] said: 550 5.1.1 <jo@x.example>: unknown"},
		"5.1.0 - Unknown address error 550-'5.7.1 denied'":                   {Code: 550, Enhanced: "5.7.1", Text: "5.1.0 - Unknown address error 550-'5.7.1 denied'"},
		"smtp; 452 4.3.1 full":                                                 {Code: 452, Enhanced: "4.3.1", Text: "smtp; 452 4.3.1 full"},
		"more than 500 messages":                                               {Text: "more than 500 messages"},
		"connect to mx.example[192.0.2.1]:25: Connection refused":              {Text: "connect to mx.example[192.0.2.1]:25: Connection refused"},
		"554 5.0.0 Service unavailable: remote said 550 5.2.2 mailbox is full": {Code: 554, Enhanced: "5.2.2", Text: "554 5.0.0 Service unavailable: remote said 550 5.2.2 mailbox is full"},
	} {
		if got := ParseLine(in); got != want {
			t.Errorf("ParseLine(%q) = %+v, want %+v", in, got, want)
		}
	}
}

// The same words mean another thing at another stage, and codes given apart from the text count.
func TestContext(t *testing.T) {
	for _, c := range []struct {
		in    Reply
		cause string
	}{
		{Reply{Stage: "auth", Code: 535, Text: "no"}, "relay.auth_failed"},
		{Reply{Stage: "auth", Code: 550, Text: "Access denied"}, "relay.auth_failed"},
		{Reply{Stage: "auth", Code: 454, Enhanced: "4.7.0", Text: "Temporary authentication failure"}, "relay.auth_failed"},
		{Reply{Stage: "mail", Code: 530, Text: "5.7.0 Authentication required"}, "relay.auth_failed"},
		{Reply{Stage: "mail", Code: 530, Enhanced: "5.7.0", Text: "Must issue a STARTTLS command first"}, "tls.required"},
		{Reply{Stage: "mail", Code: 550, Enhanced: "5.7.60", Text: "SMTP; Client does not have permissions to send as this sender"}, "relay.sender_refused"},
		{Reply{Stage: "banner", Code: 554, Text: "mx.corp.example"}, "sender.low_reputation"},
		{Reply{Stage: "mail", Code: 550, Text: "5.1.1 <news@shop.example>: User unknown"}, "relay.sender_refused"},
		{Reply{Stage: "starttls", Code: 454, Text: "not today"}, "tls.policy_failed"},
		{Reply{Stage: "rcpt", Code: 550, Enhanced: "5.1.1", Text: ""}, "recipient.unknown_mailbox"},
		{Reply{Stage: "rcpt", Code: 550, Text: "no"}, "recipient.refused_other"},
		{Reply{Stage: "rcpt", Code: 450, Text: "no"}, "deferred.other"},
		{Reply{Enhanced: "5.2.2"}, "recipient.mailbox_full"},
		{Reply{Enhanced: "4.4.7"}, "deferred.expired"},
		{Reply{}, "unknown.unreadable_bounce"},
	} {
		if got := Read(c.in); got.Cause != c.cause {
			t.Errorf("%+v: %s by rule %q, want %s", c.in, got.Cause, got.Rule, c.cause)
		}
	}
}

// A permanent refusal is told from a deferral.
func TestPermanent(t *testing.T) {
	for in, want := range map[string]bool{
		"550 5.1.1 User unknown": true, "450 4.1.1 User unknown": false, "550 greylisted, try later": false, "552 5.2.2 mailbox full": true,
		"452 4.2.2 mailbox full": false, "User unknown": true, "Connection refused": false, "mailbox full": false, "5.1.1 no": true,
	} {
		if got := Read(Reply{Text: in}); got.Permanent != want {
			t.Errorf("%q: permanent %v, want %v (rule %s)", in, got.Permanent, want, got.Rule)
		}
	}
}

// What a reading rests on is shown with its line.
func TestBecause(t *testing.T) {
	g := Read(Reply{Text: "550-5.1.1 Sorry,\r\n550-5.1.1 the mailbox <jo@corp.example>\r\n550 5.1.1 Does  Not Exist here"})
	if g.Reason != ReasonUserUnknown || g.Because.Line != 2 || !strings.Contains(g.Because.Text, "jo@corp.example") {
		t.Errorf("%+v", g)
	}
	g = Read(Reply{Code: 550, Enhanced: "5.1.1"})
	if g.Because != (Because{0, "5.1.1"}) {
		t.Errorf("%+v", g.Because)
	}
}

// An operator's own rules come first; a wrong one is told with its line.
func TestWith(t *testing.T) {
	b, err := With("rule our.gateway\n  says quota of the blue team\n  reason rate_limited\n  cause relay.quota\n  proves our own gateway\n  source us\n  sample 550 quota of the blue team\n")
	if err != nil {
		t.Fatal(err)
	}
	if g := b.Read(Reply{Text: "550 5.2.2 Quota of the blue team is used up"}); g.Rule != "our.gateway" || g.Cause != "relay.quota" {
		t.Errorf("%+v", g)
	}
	for _, bad := range []string{
		"says x", "rule a\n  reason nonsense", "rule a\n  says b", "rule a\n  code 5yy", "rule a\n  status 5.1", "rule a\n  shouts b",
		"rule a\n  says {b\n  reason unknown\n  proves p\n  source s\n  sample t", "rule a\n  says the\n  reason unknown\n  proves p\n  source s\n  sample t",
		"rule a\n  says b*c\n  reason unknown\n  proves p\n  source s\n  sample t", "rule a\n  for nobody\n  says bc\n  reason unknown\n  proves p\n  source s\n  sample t",
		"rule a\n  reason unknown\n  proves p\n  source s\n  sample t", "rule a\n  sure very", "rule a\n  lasts long", "rule a\n  cause none.such",
	} {
		if _, err := With(bad); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}

// Words and status code that agree make a reading surer; what was taken is not explained.
func TestConfidence(t *testing.T) {
	for in, want := range map[string]Confidence{
		"550 5.1.1 Recipient rejected": Likely, "550 Recipient rejected": Possible, "550 5.1.1 User unknown": Certain, "550 5.1.1 Sorry": Likely,
	} {
		if got := Read(Reply{Text: in}); got.Confidence != want {
			t.Errorf("%q: %s by %s, want %s", in, got.Confidence, got.Rule, want)
		}
	}
	if g := Read(Reply{Text: "250 2.1.5 user unknown, will forward"}); g.Reason != ReasonUnknown || g.Rule != "" {
		t.Errorf("%+v", g)
	}
}

// A status class is no reply code: "5.0.0" says that it failed, not that the host answered 500.
func TestStatusIsNoCode(t *testing.T) {
	for _, c := range []struct {
		in        Reply
		reason    Reason
		cause     string
		permanent bool
	}{
		{Reply{Enhanced: "5.0.0", Text: "the weather is bad"}, ReasonUnknown, "recipient.refused_other", true},
		{Reply{Enhanced: "5.3.0"}, ReasonUnknown, "recipient.refused_other", true},
		{Reply{Enhanced: "4.0.0"}, ReasonUnknown, "deferred.other", false},
		{Reply{Enhanced: "5.0.0", Text: "mailbox is full"}, ReasonMailboxFull, "recipient.mailbox_full", true},
		{Reply{Text: "500 the weather is bad"}, ReasonProtocolError, "recipient.refused_other", true},
		{Reply{Enhanced: "2.0.0", Text: "user unknown, will forward"}, ReasonUnknown, "unknown.unreadable_bounce", false},
		{Reply{Text: "the weather is bad"}, ReasonUnknown, "unknown.unreadable_bounce", false},
	} {
		if g := Read(c.in); g.Reason != c.reason || g.Cause != c.cause || g.Permanent != c.permanent {
			t.Errorf("%+v: %s, %s, permanent %v", c.in, g.Reason, g.Cause, g.Permanent)
		}
	}
}
