package bounce

import "strings"

// How sure we are that an address is a recipient that the notice is about.
type rank int

const (
	rankNone       rank = iota
	rankProse           // in some sentence
	rankSentence        // in a sentence about the failure
	rankTranscript      // in the dialogue that the notice quotes
	rankLine            // a line of its own, or at the beginning of one
	rankLabel           // after "Recipient:" and the like
	rankListed          // after "the following addresses failed", or "<address>:" as qmail and Postfix write it
)

// candidate is an address that may be a recipient.
type candidate struct {
	addr  string
	line  int // index into notice.lines
	rest  string
	rank  rank
	whole bool // rest is all that is said: sendmail's "<a@b>... why"
	diag  int  // index of the line with the host's words for it, -1 = what follows
}

// candidates finds the addresses that a notice may be about; domain completes bare names in a list.
func (n *notice) candidates(domain string) []candidate {
	var out []candidate
	add := func(c candidate) {
		if len(out) < maxReports {
			out = append(out, c)
		}
	}
	listed, since := false, 0 // a list is open; lines with words since the last address in it
	var d dialogue
	for i := range n.lines {
		l := &n.lines[i]
		if i > 0 && l.part != n.lines[i-1].part {
			listed = false
		}
		if l.blank() {
			if listed && since > 0 {
				listed = false
			}
			continue
		}
		if l.tags&tagList != 0 {
			listed, since = true, 0
		}
		s := l.text
		if d.line(s, i, add) {
			continue
		}
		if strings.IndexByte(s, '@') < 0 {
			if listed && l.tags&tagList == 0 && domain != "" && since == 0 {
				if name, rest := bareName(s); name != "" && (rest != "" || l.tags&(tagFailed|tagReason|tagSaid) == 0) {
					add(candidate{addr: name + "@" + domain, line: i, rest: rest, rank: rankListed, diag: -1})
					continue
				}
			}
			if l.tags&tagList == 0 {
				since++
			}
			continue
		}
		first, ok := nextAddress(s, 0)
		if !ok {
			continue
		}
		lead := strings.TrimLeft(s[:first.start], "<\"'*-•·>([ \t")
		lead = strings.TrimPrefix(lead, "mailto:")
		lead = strings.TrimPrefix(lead, "SMTP=")
		rest := strings.TrimLeft(s[first.end:], ">\"')] \t")
		switch {
		case lead == "":
			// The line begins with the address.
			r := rankLine
			angle := first.start > 0 && s[first.start-1] == '<'
			if i > 0 && fromBefore(n.lines[i-1].text) {
				continue
			}
			if listed || angle && (rest == ":" || strings.HasPrefix(rest, ": ") || strings.HasPrefix(rest, ":\t")) {
				r = rankListed
			} else if rest != "" && strings.IndexByte(":.[(;,-", rest[0]) < 0 && !hasFold(rest, "on ") {
				r = rankProse
			}
			c := candidate{addr: first.text, line: i, rank: r, diag: -1}
			// A name may be an address itself: "a@b <a@b>".
			if again, ok := nextAddress(rest, 0); ok && again.start <= len("<mailto:") && strings.EqualFold(again.text, first.text) {
				rest = strings.TrimLeft(rest[again.end:], ">\"')] \t")
			}
			c.rest = strings.TrimLeft(rest, ":;,.- \t")
			c.whole = strings.HasPrefix(rest, "...")
			add(c)
			since = 0
			if hasComma(rest) {
				n.addRest(&out, i, s, first.end, r)
			}
			continue
		case isStatusLine(s):
			c := candidate{addr: first.text, line: i, rank: rankTranscript, diag: i}
			if side(s) == server {
				d.refusal = i
			} else if d.refusal > 0 {
				c.diag, d.refusal = d.refusal, 0 // sendmail repeats in its own words what the host said
			}
			add(c)
			since++
			continue
		}
		from := fromBefore(s[:first.start])
		switch {
		case strings.HasPrefix(s, "(") && hasOrigin(s[:first.start]):
			add(candidate{addr: first.text, line: i, rank: rankProse, diag: -1})
		case l.tags&tagList != 0 && !from:
			add(candidate{addr: first.text, line: i, rank: rankListed, rest: strings.TrimLeft(rest, ":;,. \t"), diag: -1})
			n.addRest(&out, i, s, first.end, rankListed)
		case listed && since == 0 && l.tags&(tagContact|tagSaid) == 0 && !from:
			add(candidate{addr: first.text, line: i, rank: rankListed, rest: strings.TrimLeft(rest, ":;,. \t"), diag: -1})
		case l.tags&tagLabel != 0 && l.tags&tagContact == 0 && !from && labelled(s[:first.start]):
			c := candidate{addr: first.text, line: i, rank: rankLabel, rest: strings.TrimLeft(rest, ":;,. \t"), diag: -1}
			if c.rest == "" && l.tags&(tagFailed|tagReason) != 0 {
				c.diag = i // "Unknown user: a@b"
			}
			add(c)
			n.addRest(&out, i, s, first.end, rankLabel)
		case l.tags&tagFailed != 0 && !from && endsInTo(lead):
			add(candidate{addr: first.text, line: i, rank: rankLabel, diag: i})
		case rest == "" && strings.HasSuffix(strings.TrimRight(lead, " <\"'"), ":") && !hasFold(lead, "to:") && l.tags&tagContact == 0 && !from && l.tags&tagSaid == 0:
			add(candidate{addr: first.text, line: i, rank: rankLabel, diag: i})
		case !from && (l.tags&tagContact == 0 || l.tags&(tagFailed|tagReason) != 0):
			r := rankProse
			if l.tags&(tagFailed|tagReason|tagDelayed) != 0 {
				r = rankSentence
			}
			add(candidate{addr: first.text, line: i, rank: r, diag: i})
		}
		if !strings.HasSuffix(s, ":") {
			since++
		}
	}
	return out
}

// addRest adds further addresses on a line that lists several.
func (n *notice) addRest(out *[]candidate, i int, s string, from int, r rank) {
	for len(*out) < maxReports {
		a, ok := nextAddress(s, from)
		if !ok {
			return
		}
		gap := strings.TrimSpace(s[from:a.start])
		if strings.Trim(gap, "<>,;\"' ()[]&") != "" && gap != "and" && gap != "und" {
			return
		}
		*out = append(*out, candidate{addr: a.text, line: i, rank: r, diag: -1})
		from = a.end
	}
}

func hasComma(s string) bool { return s != "" && (s[0] == ',' || s[0] == ';') }

// tail is the end of a line that matters for what stands behind it.
func tail(s string) string { return s[max(0, len(s)-64):] }

// labelled reports whether the text before an address ends as a label does.
func labelled(s string) bool {
	s = strings.TrimRight(tail(s), " \t<\"'([")
	if s == "" {
		return false
	}
	s = strings.TrimSuffix(lower(s), "rfc822;")
	s = strings.TrimRight(s, " \t")
	switch {
	case strings.HasSuffix(s, ":"), strings.HasSuffix(s, "："), strings.HasSuffix(s, ";"), strings.HasSuffix(s, "="):
		return true
	}
	return false
}

// endsInTo recognises "unable to deliver your message to <a@b>".
func endsInTo(lead string) bool {
	s := lower(strings.TrimRight(tail(lead), " \t<\"'("))
	return strings.HasSuffix(s, " to") || strings.HasSuffix(s, " an") || strings.HasSuffix(s, " à")
}

// fromBefore reports whether the word before an address says that it is a sender.
func fromBefore(s string) bool {
	s = lower(strings.TrimRight(tail(s), " \t<\"':("))
	if hasOrigin(s) {
		return false
	}
	for _, w := range []string{"from", "von", "by", "sender", "contact", "mailto", "mail from", "reply to", "reply-to", "cc"} {
		if strings.HasSuffix(s, w) && (len(s) == len(w) || !isLetter(s[len(s)-len(w)-1])) {
			return true
		}
	}
	return false
}

// hasOrigin reports whether text ends as Exim and sendmail introduce the address that the mail was sent to before
// aliases changed it.
func hasOrigin(s string) bool {
	s = lower(strings.TrimRight(tail(s), " \t<\"':("))
	return strings.HasSuffix(s, "generated from") || strings.HasSuffix(s, "expanded from")
}

// bareName reads a line that is one bare name, as AOL and others list their own users, maybe with the reason behind it:
// "joe (user unknown)", "joe    No such mailbox".
func bareName(s string) (name, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		i = len(s)
	}
	name, rest = s[:i], s[i:]
	if !isLocalPart(name) || rest != "" && !strings.HasPrefix(rest, "  ") && rest[0] != '\t' && !(strings.HasPrefix(rest, " (") && strings.HasSuffix(rest, ")")) {
		return "", ""
	}
	return name, strings.Trim(rest, " \t()")
}

// isLocalPart reports whether s can be a local part and is not a word with punctuation.
func isLocalPart(s string) bool {
	if len(s) < 2 || len(s) > 64 || strings.HasSuffix(s, ".") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(isLetter(c) || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// choose keeps the candidates of the best rank, each address once. Addresses of the sender and helpers count only where
// a list names them and nobody else.
func (n *notice) choose(all []candidate, senders []string) []candidate {
	var best, other rank
	for _, c := range all {
		best = max(best, c.rank)
		if !isOneOf(c.addr, senders) && !isHelper(c) {
			other = max(other, c.rank)
		}
	}
	own := other == rankNone || best >= rankLine && other <= rankTranscript
	if !own {
		best = other
	}
	low := best
	if best == rankListed {
		low = rankLabel
	}
	var out []candidate
	seen := make(map[string]int, 8)
	for _, c := range all {
		if c.rank < low || c.rank == rankNone || !own && (isOneOf(c.addr, senders) || isHelper(c)) {
			continue
		}
		key := strings.ToLower(c.addr)
		if k, ok := seen[key]; ok {
			if k < len(out) && !n.speaks(out[k]) && c.rest != "" {
				out[k].line, out[k].rest, out[k].whole = c.line, c.rest, c.whole // first only named, then "<a@b>... Deferred: why"
			}
			continue
		}
		seen[key] = len(out)
		out = append(out, c)
		if best <= rankSentence {
			break // a sentence names others too; the first is meant
		}
	}
	return out
}

// speaks reports whether words for the address stand on its line, on the next, or on one that was found for it.
func (n *notice) speaks(c candidate) bool {
	return c.rest != "" || c.diag >= 0 || c.line+1 < len(n.lines) && !n.lines[c.line+1].blank()
}

func isOneOf(addr string, list []string) bool {
	for _, s := range list {
		if strings.EqualFold(addr, s) {
			return true
		}
	}
	return false
}

// isHelper reports whether a weakly ranked address is a role that helps, not one that failed.
func isHelper(c candidate) bool {
	if c.rank >= rankListed {
		return false
	}
	local := lower(c.addr[:strings.LastIndexByte(c.addr, '@')])
	switch local {
	case "postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "hostmaster", "webmaster", "admin", "administrator", "root":
		return true
	}
	return false
}
