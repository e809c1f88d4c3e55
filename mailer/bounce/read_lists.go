package bounce

import (
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

// listWords reads what list software answers to a mail that it does not take: a failure, and never the answer of a mailbox that lives,
// though most of them mark it as an automatic reply. A mail that waits for a moderator has not failed yet and is none of both.
func (w *walk) listWords(m *Mail, h letterhead, n *notice, level int) bool {
	if h.personal || h.daemon || !w.listServer(h, level) {
		return false
	}
	switch tags := h.subTags | n.opening(); {
	case tags&tagHeld != 0:
		return h.subTags&tagSubject == 0 // a failure notice may quote what list software had said
	case tags&tagRefused == 0:
		return false
	}
	w.matching(m, level)
	w.returnedBelow(m, n)
	f := finding{action: ActionFailed, recipient: w.returnedRecipient(m), diagnostic: h.subject}
	if f.recipient == "" {
		f.recipient = listAddress(addressIn(h.from))
	}
	if s, ok := find(w.parts[level].hdr, "subject"); ok {
		f.because = w.headerEvidence(s.off)
	}
	for i := range n.lines {
		if n.lines[i].tags&tagRefused == 0 {
			continue
		}
		start := i
		for start > 0 && !n.lines[start-1].blank() {
			start--
		}
		f.diagnostic, _ = n.paragraph(start, len(n.lines))
		f.because = n.evidence(i)
		f.around = n.around(i, len(n.lines), h)
		break
	}
	r := w.report(f, m.Date)
	switch r.Reason {
	case reply.ReasonUnknown, reply.ReasonPolicyRejected, reply.ReasonSenderRejected, reply.ReasonSenderBlocked:
		r.Reason, r.Cause = reply.ReasonRecipientRestricted, "recipient.restricted" // who refuses is the list, and what it refuses is that we write to it
	}
	m.Reports = []Report{r}
	m.Kind = kindOf(m.Reports)
	return true
}

// listServer recognises list software by whom it writes as, and Mailman by the mark on what is its own and not a member's.
func (w *walk) listServer(h letterhead, level int) bool {
	local, _, _ := strings.Cut(lower(addressIn(h.from)), "@")
	for _, name := range []string{"listserv", "majordomo", "sympa", "mailman", "listmaster", "ecartis", "listproc", "owner-"} {
		if strings.HasPrefix(local, name) {
			return true
		}
	}
	return listAddress(local+"@") != local+"@" || lower(get(w.parts[level].hdr, "x-list-administrivia")) == "yes"
}

// listAddress makes the address of a list out of the one that its software writes from.
func listAddress(a string) string {
	i := strings.LastIndexByte(a, '@')
	if i < 0 {
		return a
	}
	for _, suffix := range []string{"-bounces", "-owner", "-request", "-admin", "+bounces", "+owner"} {
		if local, ok := strings.CutSuffix(lower(a[:i]), suffix); ok && local != "" {
			return a[:len(local)] + a[i:]
		}
	}
	return a
}
