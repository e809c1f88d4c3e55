package diag

import (
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// rank is how much a finding explains; doc.go says why they stand in this order.
type rank int

const (
	closed rank = iota
	seen
	door
	link
	mail
	page
	lookup
	trace
	note
)

// finding is what a rule has found.
type finding struct {
	cause string
	conf  Confidence
	rank  rank
	vars  vars          // for the wording, over those of the view
	says  string        // template; "" = the catalogue's
	facts []ledger.Fact // evidence
	notes []Evidence    // more of it, that no fact says by itself
	rests string        // the sensor that it rests upon: blind in the window, it is one step less sure; "" = none

	notBefore time.Time
	helps     Helps  // "" = the catalogue's word
	because   string // template; "" = the catalogue's
}

// helpsNow marks an obstacle that is gone: the cause stays what it was, and another mail helps.
func (f finding) helpsNow(because string) finding {
	f.helps, f.because, f.notBefore = HelpsYes, because, time.Time{}
	if f.conf == Certain {
		f.conf = Likely
	}
	return f
}

// weaker gives the next lower step.
func (c Confidence) weaker() Confidence {
	if c == Certain {
		return Likely
	}
	return Possible
}

func (c Confidence) order() int {
	switch c {
	case Certain:
		return 0
	case Likely:
		return 1
	}
	return 2
}

func one(f finding) []finding { return []finding{f} }
