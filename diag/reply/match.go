package reply

import "math/bits"

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
		n := b.phrases.roots[t[i]]
		for j := i; n != 0; {
			if k := b.phrases.nodes[n].out; k != 0 {
				for _, o := range b.phrases.outs[k] {
					b.found(s, o, i, j+1)
				}
			}
			if j++; j == len(t) {
				break
			}
			n = b.phrases.step(n, t[j])
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
	for _, k := range q.statusKeys() {
		s.mark(b.byStatus[k])
	}
	if q.code != 0 {
		s.mark(b.byCode[q.code])
	}
	if q.class != 0 {
		s.mark(b.byCode[q.class])
	}
	if q.stage != "" {
		s.mark(b.byStage[q.stage])
	}
}

// mark notes rules that no phrase has brought up.
func (s *scratch) mark(rules []uint16) {
	for _, n := range rules {
		if w, bit := n/64, uint64(1)<<(n%64); s.hit[w]&bit == 0 {
			s.hit[w] |= bit
			s.where[n] = span{}
		}
	}
}

// agrees tells whether the status code alone would mean the same reason: words and code then confirm each other.
func (b *Book) agrees(q *query, reason Reason) bool {
	for _, k := range q.statusKeys() {
		for _, n := range b.byStatus[k] {
			if r := &b.rules[n]; r.reason == reason && among(r.providers, q.provider) {
				return true
			}
		}
	}
	return false
}

// query is what conditions are checked against.
type query struct {
	provider string
	stage    string
	code     uint16 // 0 = none was said
	class    uint16 // first digit of the code, else of the status; 0 = neither was said
	status   status
}

// statusKeys are the keys under which rules for q's status code stand: with its class or any, with its detail or any.
func (q *query) statusKeys() [4]status {
	e := q.status
	if e.class == 0 {
		return [4]status{}
	}
	return [4]status{{e.class, e.subject, e.detail}, {e.class, e.subject, anyDetail}, {0, e.subject, e.detail}, {0, e.subject, anyDetail}}
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
	return among(r.providers, q.provider) && among(r.stages, q.stage) && r.fitsCode(q) && r.fitsStatus(q.status)
}

func among(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return len(list) == 0
}

func (r *rule) fitsCode(q *query) bool {
	for _, c := range r.codes {
		if c == q.code || c == q.class {
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
