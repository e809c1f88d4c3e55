package bounce

import "strings"

// proseReports reads a notice without a machine-readable part.
func (w *walk) proseReports(m *Mail, h letterhead, n *notice, cands []candidate, level int) {
	senders := w.senders(m, level)
	chosen := n.choose(cands, senders)
	if len(chosen) == 1 && chosen[0].rank < rankTranscript && isOneOf(chosen[0].addr, senders) && w.returnedRecipient(m) != "" {
		chosen = nil // "Hello shop@…, your mail could not be delivered": the returned mail says to whom it went
	}
	chosen = w.mergeFailed(h, chosen)
	action := proseAction(h, n)
	if len(chosen) == 0 {
		f := finding{action: action, around: n.around(-1, len(n.lines), h), because: w.firstWords(n, h, level)}
		f.recipient = w.returnedRecipient(m)
		f.diagnostic, f.because = n.replyLine(f.because, "")
		m.Reports = append(m.Reports, w.report(f, m.Date))
		return
	}
	m.Reports = make([]Report, 0, len(chosen))
	for k, c := range chosen {
		if k > 0 && w.late() {
			break
		}
		f := finding{recipient: c.addr, action: action}
		if c.line >= 0 {
			f.alias = n.origin(c.line)
			until := len(n.lines)
			if k+1 < len(chosen) && chosen[k+1].line > c.line {
				until = chosen[k+1].line
			}
			n.fill(&f, c, until, h, len(chosen) == 1)
		} else {
			f.around = n.around(-1, len(n.lines), h)
			f.diagnostic, f.because = n.replyLine(w.headerEvidence(h.failedOff), "")
		}
		m.Reports = append(m.Reports, w.report(f, m.Date))
	}
}

// mergeFailed prefers the addresses that the notice lists; X-Failed-Recipients fills in where it hides them.
func (w *walk) mergeFailed(h letterhead, chosen []candidate) []candidate {
	if h.failed == "" {
		return chosen
	}
	var out []candidate
	for pos := 0; len(out) < maxReports; {
		a, ok := nextAddress(h.failed, pos)
		if !ok {
			break
		}
		pos = a.end
		c := candidate{addr: a.text, line: -1, rank: rankListed, diag: -1}
		for _, x := range chosen {
			if strings.EqualFold(x.addr, a.text) {
				c = x
			}
		}
		out = append(out, c)
	}
	if len(chosen) >= len(out) && len(chosen) > 0 && chosen[0].rank == rankListed {
		return chosen
	}
	return out
}

// proseAction tells a warning from a final failure.
func proseAction(h letterhead, n *notice) Action {
	if n.tags&tagDelivered != 0 && n.tags&(tagFailed|tagReason|tagDelayed) == 0 {
		return ActionDelivered
	}
	if n.tags&tagDelayed != 0 && n.tags&tagFinal == 0 || h.subTags&tagDelay != 0 && n.tags&tagFinal == 0 {
		return ActionDelayed
	}
	return ActionFailed
}

// fill gathers the words for one recipient: the rest of its line and the lines below it, up to line until. A paragraph
// with a code is the host's reply; without one, a paragraph that says "the error was", then whatever stands there. If the
// recipient stands alone, a reply elsewhere in the notice is its own too.
func (n *notice) fill(f *finding, c candidate, until int, h letterhead, alone bool) {
	at := c.line
	f.around = n.around(c.line, until, h)
	f.because = n.evidence(at)
	if c.diag >= 0 {
		at = c.diag
		f.diagnostic = n.multiline(at)
		if c.rank <= rankSentence && !smtpCode(f.diagnostic) && enhancedCode(f.diagnostic) == "" {
			f.diagnostic, f.because = n.replyLine(n.evidence(at), n.lines[at].text)
			return
		}
		f.because = n.evidence(at)
		if !alone && smtpCode(f.diagnostic) {
			f.around = nil // the words around are about others
		}
		return
	}
	own := c.rest
	if hasCode(own) || hasWords(own) && (c.whole || len(own) < 50 || strings.HasSuffix(own, ".")) { // a longer one may go on below
		f.diagnostic = n.continued(own, at, until)
		if !alone && smtpCode(own) {
			f.around = nil
		}
		return
	}
	best, bestAt, bestScore := own, at, boolInt(len(own) > 3)
	seen := 0
	for i := at + 1; i < until && i < len(n.lines) && seen < 6; {
		if n.lines[i].blank() {
			i++
			continue
		}
		text, end := n.paragraph(i, until)
		first := i == at+1
		score := 0
		switch tags := n.tagsIn(i, end); {
		case hasCode(text):
			score = 4
		case tags&tagSaid != 0:
			score = 3
		case first || tags&(tagDelayed|tagList|tagContact) == 0:
			score = 1
		}
		if score == 3 && strings.HasSuffix(text, ":") { // "because:", and the reason in a paragraph of its own
			next := end
			for next < until && next < len(n.lines) && n.lines[next].blank() {
				next++
			}
			more, z := n.paragraph(next, until)
			text, end = text+" "+more, max(z, end)
			if hasCode(more) {
				score = 4
			}
		}
		if first && own != "" {
			text = own + " " + text
			score = max(score, boolInt(score > 0)*2)
		}
		if score > bestScore {
			best, bestAt, bestScore = text, i, score
			if score == 4 {
				bestAt = n.codeAt(i, end)
				break
			}
		}
		i = end
		seen++
	}
	if bestScore < 3 && (c.rank == rankLabel || alone) {
		if text, e := n.replyLine(n.evidence(bestAt), ""); text != "" {
			f.diagnostic, f.because = text, e
			return
		}
	}
	if best == "" { // "they do not accept mail from you:", and then the address
		best, bestAt = n.above(at)
	}
	f.diagnostic = best
	if best != own {
		f.because = n.evidence(bestAt)
	}
}

// firstWords returns the first line that says that something failed, else the subject.
func (w *walk) firstWords(n *notice, h letterhead, level int) evidence {
	for i := range n.lines {
		if l := &n.lines[i]; l.tags&(tagFailed|tagDelayed) != 0 {
			return evidence{part: l.part, off: l.off, text: l.text}
		}
	}
	if f, ok := find(w.parts[level].hdr, "subject"); ok {
		return w.headerEvidence(f.off)
	}
	if f, ok := find(w.parts[level].hdr, "from"); ok {
		return w.headerEvidence(f.off)
	}
	return evidence{part: -1}
}

// returnedRecipient names whom the returned mail was sent to, if that was one address.
func (w *walk) returnedRecipient(m *Mail) string {
	a, ok := nextAddress(m.Returned.To, 0)
	if !ok {
		return ""
	}
	if _, more := nextAddress(m.Returned.To, a.end); more {
		return ""
	}
	return a.text
}
