package bounce

import (
	"slices"
	"strings"
)

// letterhead is what the header of a mail tells about who wrote it and why.
type letterhead struct {
	from, subject     string // decoded
	fromTags, subTags tag
	null              bool // empty return path: nobody wants an answer
	answers           bool // a return path that is somebody's address: programs that report failures leave it empty
	daemon            bool
	personal          bool   // a reply or forward by its subject
	failed            string // X-Failed-Recipients
	failedOff         int
	autoSubmitted     string
	report            bool // multipart/report; report-type=delivery-status, whatever its parts are
}

func (w *walk) letterhead(level int) letterhead {
	hdr := w.parts[level].hdr
	t := table()
	h := letterhead{
		from:          decodeWords(get(hdr, "from")),
		subject:       decodeWords(get(hdr, "subject")),
		autoSubmitted: lower(firstWord(get(hdr, "auto-submitted"))),
	}
	h.fromTags = t.any.tagsOf(fold(h.from))
	h.subTags = t.any.tagsOf(fold(h.subject))
	if f, ok := find(hdr, "return-path"); ok {
		v := strings.TrimSpace(f.value)
		h.null = v == "<>" || v == "" || strings.Contains(lower(v), "mailer-daemon") || strings.Contains(v, "double-bounce@")
		h.answers = !h.null && t.any.tagsOf(fold(v))&tagDaemon == 0
	}
	h.daemon = h.fromTags&tagDaemon != 0 || strings.Trim(h.from, "<> ") == "" && h.null
	if f, ok := find(hdr, "x-failed-recipients"); ok {
		h.failed, h.failedOff = unfold(f.value), f.off
	}
	h.personal = isPersonal(h.subject)
	ct := w.parts[level]
	h.report = ct.ctype == "multipart/report" && strings.HasSuffix(lower(param(ct.params, "report-type")), "-status")
	return h
}

// isPersonal reports whether a subject begins with the marks that mail programs set when a person answers or forwards.
func isPersonal(s string) bool {
	i := strings.IndexAny(s, ":：")
	if i < 0 || i > 6 {
		return false
	}
	switch lower(strings.TrimSpace(s[:i])) {
	case "re", "aw", "fw", "fwd", "wg", "sv", "vs", "antw", "tr", "rv", "res", "enc", "r", "i", "odp", "doorst", "ynt", "回复", "转发", "答复":
		return true
	}
	return false
}

// isFailure decides from words whether a mail without a machine-readable part is a failure notice.
func (w *walk) isFailure(h letterhead, n *notice, cands []candidate, level int) bool {
	subject := h.subTags&(tagSubject|tagDelay) != 0
	tags := n.tags
	if h.personal {
		// Who answers or forwards a notice quotes it; only words of the writer count.
		tags = 0
		for i := range n.lines {
			if n.lines[i].said {
				tags |= n.lines[i].tags
			}
		}
		cands = slices.DeleteFunc(slices.Clone(cands), func(c candidate) bool { return !n.lines[c.line].said })
	}
	strong := tags&(tagFailed|tagDelayed) != 0
	words := strong || tags&tagReason != 0
	attached := w.hasReturned(level) || n.marked
	best := bestRank(cands)
	switch {
	case h.failed != "" && strings.Contains(h.failed, "@"):
		return true
	case h.report && (words || subject || len(cands) > 0):
		return true
	case h.daemon && !attached && w.aboutReader(h, n, cands, level):
		return false
	case h.daemon && !h.personal && subject:
		return attached || best >= rankTranscript || best >= rankSentence && strong || h.subTags&tagFailed != 0 && (best > rankNone || !h.answers) || words && (h.null || h.autoSubmitted != "")
	case h.daemon && !h.personal:
		return strong && (best >= rankTranscript || attached) || words && best >= rankTranscript && (attached || h.null)
	case h.daemon:
		return words && (best >= rankTranscript || attached)
	case h.personal:
		return false
	case h.null:
		return subject && words && (best > rankNone || attached) || words && best >= rankTranscript && attached
	}
	list := has(w.parts[level].hdr, "list-id") // people on lists talk about bounces
	return subject && words && (attached && (strong || !list) || !list && strong && (best == rankListed || best == rankLabel && isRobot(h.from)))
}

// aboutReader reports whether a mail that calls its sender a mail system, and whose address is none, names nobody but whom it was sent to,
// and quotes no host: "mail to you could not be delivered, log in to release it" tells of mail to the reader, if of any.
func (w *walk) aboutReader(h letterhead, n *notice, cands []candidate, level int) bool {
	local, _, _ := strings.Cut(addressIn(h.from), "@")
	if h.null || len(cands) == 0 || table().any.tagsOf(fold(local))&tagDaemon != 0 {
		return false
	}
	to := addressesIn(decodeWords(get(w.parts[level].hdr, "to")))
	return !slices.ContainsFunc(cands, func(c candidate) bool { return !isOneOf(c.addr, to) }) &&
		!slices.ContainsFunc(n.lines, func(l line) bool { return hasCode(l.text) })
}

// refuses reports whether a mail that wants no answer says by its subject and its words that ours failed, and nothing of an absence in its
// subject: who writes "has left the company" below "Undeliverable mail" refuses the mail.
func (h letterhead) refuses(n *notice) bool {
	return h.null && h.subTags&tagSubject != 0 && h.subTags&(tagVacation|tagAuto|tagChallenge) == 0 && n.tags&tagFailed != 0 &&
		(h.autoSubmitted == "" || h.autoSubmitted == "no")
}

// isRobot recognises addresses that nobody reads.
func isRobot(from string) bool {
	a := addressIn(from)
	local, _, _ := strings.Cut(lower(a), "@")
	switch local {
	case "no-reply", "noreply", "no_reply", "donotreply", "do-not-reply", "admin", "administrator", "system", "root", "mailer", "bounce", "bounces":
		return true
	}
	return false
}

// hasReturned reports whether another mail, or the header of one, is attached.
func (w *walk) hasReturned(level int) bool {
	for i := range w.parts {
		p := &w.parts[i]
		if i != level && p.mail == level && (isMessage(p.ctype) || isHeaders(p.ctype)) {
			return true
		}
	}
	return false
}

// senders are the addresses that a failure notice about our mail must not be about: whom it was sent to, and who sent
// the returned mail.
func (w *walk) senders(m *Mail, level int) []string {
	return append(addressesIn(decodeWords(get(w.parts[level].hdr, "to"))), addressesIn(m.Returned.From)...)
}

// addressesIn takes the first addresses out of a field.
func addressesIn(s string) []string {
	var out []string
	for pos := 0; len(out) < 20; {
		a, ok := nextAddress(s, pos)
		if !ok {
			break
		}
		out = append(out, a.text)
		pos = a.end
	}
	return out
}
