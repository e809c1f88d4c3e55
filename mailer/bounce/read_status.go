package bounce

import "strings"

// statusRecord is one recipient's group of a message/delivery-status part, RFC 3464 section 2.3.
type statusRecord struct {
	final, original, actual string
	action, status, comment string
	diagnostic, remote      string
	lastAttempt, retryUntil string
	part, off, diagOff      int // where the group and its diagnostic stand in the decoded part
	diagRaw                 string
}

// statusReport is a whole delivery-status part.
type statusReport struct {
	reportingMTA, envelopeID, arrival string
	records                           []statusRecord
}

// maxReports bounds the reports of one mail; the largest lists that mail programs send at once hold 1,000.
const maxReports = 2000

// readStatus reads a delivery-status part. Blank lines divide its groups, but programs forget and double them: a group
// also begins where a recipient is named again, and a group that names none continues the one before.
func (w *walk) readStatus(i int) statusReport { return w.readStatusText(w.content(i), i) }

func (w *walk) readStatusText(text string, i int) statusReport {
	var rep statusReport
	var rec statusRecord
	named, fresh := false, true // the current group has a recipient; nothing of it was read yet
	flush := func() {
		if named && (rec.action != "" || rec.status != "" || rec.diagnostic != "" || rec.final != "" || rec.original != "") {
			if len(rep.records) < maxReports {
				rep.records = append(rep.records, rec)
			} else {
				w.unread("more than 2,000 recipients; the others were not read")
			}
		}
		rec, named, fresh = statusRecord{part: i}, false, true
	}
	rec.part = i
	for pos := 0; pos < len(text); {
		end := lineEnd(text, pos)
		line := text[pos:end]
		if isBlank(line) {
			fresh = true
			pos = end
			continue
		}
		n := nameLen(line)
		if n == 0 {
			pos = end
			continue
		}
		lines := 1
		off := pos
		for end < len(text) && (text[end] == ' ' || text[end] == '\t') {
			e := lineEnd(text, end)
			if isBlank(text[end:e]) {
				break
			}
			end = e
			lines++
		}
		pos = end
		if lines > maxFieldLines {
			w.unread("a header field of more than 100 lines was left out")
			continue
		}
		raw := strings.TrimSpace(text[off+n+1+colonGap(text[off+n:]) : end])
		val := func() string { return decodeWords(unfold(raw)) }
		name := text[off : off+n]
		key := statusField(name)
		switch key {
		case fFinal, fOriginal, fActual:
			again := key == fFinal && rec.final != "" || key == fOriginal && rec.original != ""
			if named && (again || fresh) {
				flush()
			}
			if !named {
				named = true
				rec.off = off
			}
		case fAction, fStatus:
			again := key == fAction && rec.action != "" || key == fStatus && rec.status != ""
			if named && fresh && again {
				flush()
				named = true
				rec.off = off
			} else if !named {
				named = true
				rec.off = off
			}
		}
		fresh = false
		switch key {
		case fReporting:
			rep.reportingMTA = typedValue(val())
		case fEnvelope:
			rep.envelopeID = xtext(val())
		case fArrival:
			rep.arrival = val()
		case fFinal:
			rec.final = statusAddress(unfold(raw)) // as stated: encoded words have no place in an address (RFC 2047 section 5)
		case fOriginal:
			rec.original = statusAddress(val())
		case fActual:
			rec.actual = statusAddress(val())
		case fAction:
			rec.action = lower(firstWord(val()))
		case fStatus:
			rec.status = val()
			if _, comment, ok := strings.Cut(rec.status, "("); ok { // "5.4.4 (Illegal host/domain name found)"
				rec.comment = strings.TrimSuffix(comment, ")")
			}
		case fDiagnostic:
			if rec.diagnostic == "" {
				rec.diagnostic, rec.diagOff, rec.diagRaw = typedValue(val()), off, raw
			}
		case fRemote:
			rec.remote = typedValue(val())
		case fRetryUntil:
			rec.retryUntil = val()
		case fLastAttempt:
			rec.lastAttempt = val()
		}
	}
	flush()
	return rep
}

type statusKey int

const (
	fOther statusKey = iota
	fReporting
	fEnvelope
	fArrival
	fFinal
	fOriginal
	fActual
	fAction
	fStatus
	fDiagnostic
	fRemote
	fRetryUntil
	fLastAttempt
)

func statusField(name string) statusKey {
	switch len(name) {
	case 6:
		if strings.EqualFold(name, "action") {
			return fAction
		}
		if strings.EqualFold(name, "status") {
			return fStatus
		}
	case 10:
		if strings.EqualFold(name, "remote-mta") {
			return fRemote
		}
	case 12:
		if strings.EqualFold(name, "arrival-date") {
			return fArrival
		}
	case 13:
		if strings.EqualFold(name, "reporting-mta") {
			return fReporting
		}
	case 15:
		if strings.EqualFold(name, "final-recipient") {
			return fFinal
		}
		if strings.EqualFold(name, "diagnostic-code") {
			return fDiagnostic
		}
	case 16:
		if strings.EqualFold(name, "will-retry-until") {
			return fRetryUntil
		}
	case 17:
		if strings.EqualFold(name, "last-attempt-date") {
			return fLastAttempt
		}
	case 18:
		if strings.EqualFold(name, "original-recipient") {
			return fOriginal
		}
		if strings.EqualFold(name, "x-actual-recipient") {
			return fActual
		}
	case 20:
		if strings.EqualFold(name, "original-envelope-id") {
			return fEnvelope
		}
	}
	return fOther
}

// typedValue strips the type of "dns; host" or "smtp; 550 text" (RFC 3464 section 2.1.2) if one is there.
func typedValue(s string) string {
	i := strings.IndexByte(s, ';')
	if i < 0 || i > 24 || strings.ContainsAny(s[:i], " <>@:.0123456789") && !strings.HasPrefix(lower(s), "rfc822") && !strings.HasPrefix(lower(s), "x400") {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(s[i+1:])
}

// statusAddress reads "rfc822; a@b", "utf-8; ä@b", "LOCAL;<a@b>" and the like.
func statusAddress(s string) string {
	s = typedValue(s)
	if strings.Contains(s, `\x{`) {
		s = utf8Addr(s)
	} else if strings.IndexByte(s, '+') >= 0 && strings.Contains(s, "+3D") {
		s = xtext(s)
	}
	if a := addressIn(s); a != "" {
		return a
	}
	return strings.Trim(s, "<> \t")
}

// xtext undoes the encoding of RFC 3461 section 4.
func xtext(s string) string {
	if strings.IndexByte(s, '+') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if h, l := unhex(s[i+1]), unhex(s[i+2]); h >= 0 && l >= 0 {
				b = append(b, byte(h<<4|l))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return strings.ToValidUTF8(string(b), "")
}

// utf8Addr undoes the "\x{221A}" form of RFC 6533 section 3.
func utf8Addr(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, `\x{`)
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i+3:]
		z := strings.IndexByte(s, '}')
		if z < 1 || z > 6 {
			b.WriteString(`\x{`)
			continue
		}
		r := rune(0)
		for _, c := range []byte(s[:z]) {
			h := unhex(c)
			if h < 0 {
				r = -1
				break
			}
			r = r<<4 | rune(h)
		}
		if r > 0 {
			b.WriteRune(r)
		}
		s = s[z+1:]
	}
	b.WriteString(s)
	return b.String()
}

func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t(;,"); i >= 0 {
		return s[:i]
	}
	return s
}
