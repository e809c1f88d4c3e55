package diag

// Heard is what is known of a refusal outside of any case: a mail or a reply that somebody holds in their hand.
type Heard struct {
	Host    string // who refused; "" = not stated
	Address string // whom it was about; "" = not stated
	Text    string // the host's words; "" = none
}

// Meaning is a row of the catalogue in the words of one refusal: what happened, whose fault it is, whether another mail helps, and what
// to do. Unlike a Verdict it rests on the refusal alone.
type Meaning struct {
	Says    string   `json:"says"`
	Blame   Blame    `json:"blame"`
	Resend  Resend   `json:"resend"`
	Actions []Action `json:"actions"` // never nil
}

// MeaningOf words a cause; false = the catalogue has none of that name.
func MeaningOf(cause string, h Heard) (Meaning, bool) {
	row, ok := CauseOf(cause)
	if !ok {
		return Meaning{}, false
	}
	w := vars{"host": quote(h.Host), "address": quote(h.Address), "domain": quote(domainOf(h.Address)), "text": quote(h.Text), "span": "its time"}
	m := Meaning{Says: w.fill(row.Says), Blame: row.Blame, Resend: Resend{Helps: row.Resend, Because: w.fill(row.Because)}, Actions: []Action{}}
	for _, a := range row.Actions {
		if do := w.fill(a.Do); do != "" {
			call, ok := w.group(a.Call) // one that names a reset or a domain of ours is no use here
			if !ok {
				call = ""
			}
			m.Actions = append(m.Actions, Action{Who: a.Who, Do: do, Call: call})
		}
	}
	return m, true
}
