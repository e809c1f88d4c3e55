package reply

import (
	"strconv"
	"strings"
)

// Read says what r means.
func (b *Book) Read(r Reply) Reading {
	if b == nil {
		b = builtin()
	}
	return b.read(r)
}

func (b *Book) read(r Reply) Reading {
	var g Reading
	start := quoted(r.Text)
	g.Code, g.Enhanced = r.Code, r.Enhanced
	code, end := findCode(r.Text)
	if g.Code == 0 {
		g.Code = code
	}
	if g.Enhanced == "" {
		g.Enhanced = findEnhanced(r.Text, end)
	}
	s := b.scratch()
	defer b.release(s)
	s.fold.fold(r.Text, start)
	b.scan(s)
	g.Provider = b.providerOf(r, s)

	q := query{provider: g.Provider, stage: r.Stage, code: uint16(max(0, min(g.Code, 999)))}
	q.status, _ = parseStatus(g.Enhanced)
	if q.class = q.code / 100; q.code == 0 {
		q.class = q.status.class
	}
	if q.stage == "" {
		q.stage = stageIn(r.Text)
	}
	if q.class == 2 || q.class == 3 {
		g.Reason, g.Cause, g.Because = ReasonUnknown, usualCause(ReasonUnknown, false), fromCodes(r, &g)
		g.Blame = blameOf(g.Cause)
		return g // not refused: there is nothing to explain
	}
	n := b.decide(s, &q)
	if start > 0 && (n < 0 || s.where[n].to == 0) { // the quoted words tell nothing: the words around them may
		s.fold.fold(r.Text, 0)
		b.scan(s)
		n = b.decide(s, &q)
	}
	g.Permanent = q.class >= 5
	if n < 0 {
		g.Reason = ReasonUnknown
		if q.class != 0 {
			g.Cause = otherCause(g.Permanent)
		}
		g.Because = fromCodes(r, &g)
	} else {
		b.explain(&g, &b.rules[n], &q, s.where[n], r, s)
	}
	if g.Cause == "" {
		g.Cause = usualCause(g.Reason, g.Permanent)
	}
	g.Blame = blameOf(g.Cause)
	if !g.Permanent {
		g.RetryAfter = retryAfter(r.Text)
	}
	return g
}

// decide returns the rule that fits the scanned text, -1 when none does.
func (b *Book) decide(s *scratch, q *query) int {
	b.byCodes(s, q)
	return b.first(s, q)
}

// explain fills g in by the rule that decided and the words it rests on.
func (b *Book) explain(g *Reading, r *rule, q *query, at span, in Reply, s *scratch) {
	g.Rule, g.Reason, g.Cause, g.Confidence = r.id, r.reason, r.cause, r.sure
	switch {
	case r.permanent != nil:
		g.Permanent = *r.permanent
	case q.class == 0:
		g.Permanent = g.Reason.Class() != Soft
	}
	if at.to == 0 {
		g.Because = fromCodes(in, g)
		return
	}
	g.Because = s.fold.because(in.Text, at)
	if g.Confidence < Certain && b.agrees(q, g.Reason) {
		g.Confidence++
	}
}

// otherCause is the cause of a reply that names no known reason but has a code.
func otherCause(permanent bool) string {
	if permanent {
		return "recipient.refused_other"
	}
	return "deferred.other"
}

// because shows where in the text a phrase stands: its part on the line on which it begins.
func (f *folded) because(text string, at span) Because {
	from, to := int(f.from[at.from]), len(text)
	if end := int(at.to); end < len(f.from) {
		if f.text[end-1] == ' ' {
			end--
		}
		to = int(f.from[end])
	}
	if to <= from {
		to = len(text)
	}
	words := text[from:to]
	if i := strings.IndexAny(words, "\r\n"); i >= 0 {
		words = words[:i]
	}
	for to = from + len(words); to < len(text) && isAlnum(text[to-1]) && isAlnum(text[to]); to++ {
	}
	words = text[from:to]
	return Because{Line: lineOf(text, from), Text: strings.TrimRight(words, " \t<([\"'")}
}

// lineOf numbers the line of text[at]; LF, CRLF and CR end lines alike.
func lineOf(text string, at int) int {
	n := 1
	for i := 0; i < at && i < len(text); i++ {
		if text[i] == '\n' || text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			n++
		}
	}
	return n
}

// fromCodes shows the code that a reading rests on.
func fromCodes(r Reply, g *Reading) Because {
	if g.Enhanced != "" {
		if i := strings.Index(r.Text, g.Enhanced); i >= 0 {
			return Because{lineOf(r.Text, i), g.Enhanced}
		}
	}
	if code, end := findCode(r.Text); code == g.Code && code != 0 {
		return Because{lineOf(r.Text, end-3), r.Text[end-3 : end]}
	}
	switch {
	case g.Enhanced != "":
		return Because{0, g.Enhanced}
	case g.Code != 0:
		return Because{0, strconv.Itoa(g.Code)}
	}
	return Because{0, r.Stage}
}
