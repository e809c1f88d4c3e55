package diag

import (
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// stateWords say what a DNS record of ours says, by kind and state: as it was, and as it is.
var stateWords = [...]struct{ kind, state, was, is string }{
	{"dkim", "match", "it held our key", "it holds our key"},
	{"dkim", "absent", "there was none", "there is none"},
	{"dkim", "revoked", "it revoked the key", "it revokes the key"},
	{"dkim", "other_key", "it held another key than ours", "it holds another key than ours"},
	{"dkim", "too_short", "it held a key of ours that is too short", "it holds a key of ours that is too short"},
	{"dkim", "wrong_type", "it named another algorithm than that of our key", "it names another algorithm than that of our key"},
	{"dkim", "several", "there were several", "there are several"},
	{"dkim", "cut", "it held a part of our key only", "it holds a part of our key only"},
	{"dkim", "unusable", "it forbade our key for mail", "it forbids our key for mail"},
	{"dkim", "unreadable", "nobody could read it", "nobody can read it"},
	{"spf", "pass", "it listed all addresses that we send from", "it lists all addresses that we send from"},
	{"spf", "found", "there was one", "there is one"},
	{"spf", "none", "there was none", "there is none"},
	{"spf", "several", "there were several, of which none counts", "there are several, of which none counts"},
	{"spf", "permerror", "it could not be evaluated", "it cannot be evaluated"},
	{"spf", "fail", "it forbade {about}", "it forbids {about}"},
	{"spf", "softfail", "it left out {about}", "it leaves out {about}"},
	{"spf", "neutral", "it said nothing about {about}", "it says nothing about {about}"},
	{"dmarc", "missing", "there was none", "there is none"},
	{"dmarc", "none", "it asked for nothing (none)", "it asks for nothing (none)"},
	{"dmarc", "quarantine", "it asked for junk (quarantine)", "it asks for junk (quarantine)"},
	{"dmarc", "reject", "it asked hosts to refuse (reject)", "it asks hosts to refuse (reject)"},
}

// recordOf is what a changed record is now.
func recordOf(c ledger.RecordChange) dnscheck.Record {
	return dnscheck.Record{Kind: dnscheck.RecordKind(c.Kind), Name: c.Name, State: c.Now.State, Text: c.Now.Text, About: c.Now.About}
}

// recordState words a state: as it was, and as it is.
func recordState(kind string, s ledger.RecordState) (was, is string) {
	for _, w := range stateWords {
		if w.kind == kind && w.state == s.State {
			about := vars{"about": or(quote(s.About), "addresses that we send from")}
			return about.fill(w.was), about.fill(w.is)
		}
	}
	return "it could not be read", "it cannot be read"
}

// recordName names a record for people.
func recordName(kind, name string) string {
	switch kind {
	case "dkim":
		return "the DKIM record " + quote(name)
	case "spf":
		return "the SPF record of " + quote(name)
	case "dmarc":
		return "the DMARC record of " + quote(name)
	}
	return "the record " + quote(name)
}

// recordThen says what a record was, as a clause: "there was no DKIM record x", "the SPF record of y left out 192.0.2.1".
func recordThen(kind, name string, s ledger.RecordState) string {
	was, _ := recordState(kind, s)
	what := recordName(kind, name)
	switch {
	case was == "there was none":
		return "there was no " + strings.TrimPrefix(what, "the ")
	case strings.HasPrefix(was, "it "):
		return what + strings.TrimPrefix(was, "it")
	}
	return "of " + what + " " + was
}

// saysChange tells that a record became another one.
func saysChange(c ledger.RecordChange, at time.Time) string {
	was, _ := recordState(c.Kind, c.Was)
	_, is := recordState(c.Kind, c.Now)
	s := upperFirst(recordName(c.Kind, c.Name)) + " changed"
	if !c.Seen.IsZero() && at.Sub(c.Seen) > Slice {
		s += ", some time after " + clock(c.Seen, at)
	}
	if was+" now" == is || c.Was.State == c.Now.State && c.Was.About == c.Now.About {
		s += "; still, " + is
		if c.Was.Text == c.Now.Text {
			return s + "."
		}
		return s + led(" (was: ", quote(c.Was.Text), ")") + led(" (is: ", quote(c.Now.Text), ")") + "."
	}
	return s + ": " + was + ", now " + is + "."
}

// saysChanges tells all changes of a Checked fact.
func saysChanges(f ledger.Fact) string {
	var all []string
	for _, c := range f.Check.Changes {
		all = append(all, saysChange(c, f.At))
	}
	return strings.Join(all, " ")
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
