package reply

import (
	"math/bits"
	"strconv"
	"strings"
)

// maxGap is how far apart, in bytes of folded text, the parts of a phrase with ".." may stand: about ten words.
const maxGap = 64

// scratch is the working memory of one reading.
type scratch struct {
	fold     folded
	hit      []uint64 // bit per rule: said, or its codes fit
	veto     []uint64 // bit per rule: its exception was said
	where    []span   // per rule: the words it rests on, offsets in the folded text; zero = codes alone
	progress []step
	provider uint16 // 1-based
}

type span struct{ from, to uint16 }

// step is how far an alternative of several parts has come.
type step struct {
	done       uint8
	from, last uint16 // where its first and its latest step begin
	to         uint16 // where its latest step ends
}

func (b *Book) newScratch() *scratch {
	words := (len(b.rules) + 63) / 64
	return &scratch{
		fold: folded{text: make([]byte, 0, 512), from: make([]uint16, 0, 512)},
		hit:  make([]uint64, words), veto: make([]uint64, words),
		where: make([]span, len(b.rules)), progress: make([]step, b.slots),
	}
}

func (b *Book) scratch() *scratch { return b.pool.Get().(*scratch) }

func (b *Book) release(s *scratch) { b.pool.Put(s) }

// scan finds the phrases of the folded text.
func (b *Book) scan(s *scratch) {
	clear(s.hit)
	clear(s.veto)
	clear(s.progress)
	s.provider = 0
	t := s.fold.text
	for i := 1; i < len(t); i++ {
		if t[i-1] != ' ' && t[i] < wideLead {
			continue
		}
		n := uint32(0)
		for j := i; j < len(t); j++ {
			n = b.phrases.step(n, t[j])
			if n == 0 {
				break
			}
			for _, o := range b.phrases.outs[b.phrases.nodes[n].out] {
				b.found(s, o, i, j+1)
			}
		}
	}
}

// found notes that step o of an alternative stands at text[i:end].
func (b *Book) found(s *scratch, o out, i, end int) {
	a := &b.alts[o.alt]
	at := span{uint16(i), uint16(end)}
	if a.steps > 1 {
		p := &s.progress[a.slot]
		if o.step == 0 {
			if p.done <= 1 || i > int(p.to)+maxGap {
				*p = step{1, uint16(i), uint16(i), uint16(end)}
			}
			return
		}
		if p.done != o.step || i <= int(p.last) || !s.reaches(int(p.to), i, a.near>>o.step&1 == 1) {
			return
		}
		p.last = uint16(i)
		p.done, p.to = o.step+1, uint16(end)
		if p.done < a.steps {
			return
		}
		at = span{p.from, p.to}
	}
	if a.provider != 0 {
		if s.provider == 0 {
			s.provider = a.provider
		}
		return
	}
	w, bit := a.rule/64, uint64(1)<<(a.rule%64)
	switch {
	case a.unless:
		s.veto[w] |= bit
	case s.hit[w]&bit == 0:
		s.hit[w] |= bit
		s.where[a.rule] = at
	}
}

// reaches tells whether a step that begins at i can follow one that ended at to: at once, or over a gap. A step may begin inside the
// one before it ("user account" and "account closed" share a word).
func (s *scratch) reaches(to, i int, near bool) bool {
	if !near {
		return i <= to+maxGap
	}
	if s.fold.text[to-1] == ' ' {
		return i <= to
	}
	for ; to < i; to++ { // the rest of a word that was named by its beginning
		if s.fold.text[to] == ' ' {
			return to+1 == i
		}
	}
	return true
}

// byCodes notes the rules that rest on codes alone.
func (b *Book) byCodes(s *scratch, q *query) {
	mark := func(rules []uint16) {
		for _, n := range rules {
			if w, bit := n/64, uint64(1)<<(n%64); s.hit[w]&bit == 0 {
				s.hit[w] |= bit
				s.where[n] = span{}
			}
		}
	}
	if e := q.status; e.class != 0 {
		for _, class := range [2]uint16{e.class, 0} {
			mark(b.byStatus[status{class, e.subject, e.detail}])
			mark(b.byStatus[status{class, e.subject, anyDetail}])
		}
	}
	if q.code != 0 {
		mark(b.byCode[q.code])
		mark(b.byCode[q.code/100])
	}
	if q.stage != "" {
		mark(b.byStage[q.stage])
	}
}

// query is what conditions are checked against.
type query struct {
	provider string
	stage    string
	code     uint16
	status   status
}

// first returns the first rule that fits, -1 when none does.
func (b *Book) first(s *scratch, q *query) int {
	for w, set := range s.hit {
		for set &^= s.veto[w]; set != 0; set &= set - 1 {
			n := w*64 + bits.TrailingZeros64(set)
			if b.rules[n].fits(q) {
				return n
			}
		}
	}
	return -1
}

func (r *rule) fits(q *query) bool {
	return among(r.providers, q.provider) && among(r.stages, q.stage) && r.fitsCode(q.code) && r.fitsStatus(q.status)
}

func among(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return len(list) == 0
}

func (r *rule) fitsCode(code uint16) bool {
	for _, c := range r.codes {
		if c == code || c == code/100 {
			return true
		}
	}
	return len(r.codes) == 0
}

func (r *rule) fitsStatus(s status) bool {
	for _, x := range r.statuses {
		if x.has(s) {
			return true
		}
	}
	return len(r.statuses) == 0
}

// Read says what r means.
func (b *Book) Read(r Reply) Reading {
	var g Reading
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
	start := quoted(r.Text)
	s.fold.fold(r.Text, start)
	b.scan(s)
	g.Provider = b.providerOf(r, s)

	q := query{provider: g.Provider, stage: r.Stage, code: uint16(max(0, min(g.Code, 999)))}
	q.status, _ = parseStatus(g.Enhanced)
	if q.code == 0 {
		q.code = q.status.class * 100 // enough for 4xx and 5xx
	}
	if q.stage == "" {
		q.stage = stageIn(r.Text)
	}
	b.byCodes(s, &q)
	n := b.first(s, &q)
	if start > 0 && (n < 0 || s.where[n].to == 0) { // the quoted words tell nothing: the words around them may
		s.fold.fold(r.Text, 0)
		b.scan(s)
		b.byCodes(s, &q)
		n = b.first(s, &q)
	}
	g.Permanent = q.code >= 500
	if n < 0 {
		g.Reason = ReasonUnknown
		if q.code != 0 {
			g.Cause = otherCause(g.Permanent)
		}
		g.Because = fromCodes(r, &g)
	} else {
		rule := &b.rules[n]
		g.Rule, g.Reason, g.Cause, g.Confidence = rule.id, rule.reason, rule.cause, rule.sure
		switch {
		case rule.permanent != nil:
			g.Permanent = *rule.permanent
		case q.code == 0:
			g.Permanent = g.Reason.Class() != Soft
		}
		if at := s.where[n]; at.to != 0 {
			g.Because = s.fold.because(r.Text, at)
		} else {
			g.Because = fromCodes(r, &g)
		}
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
