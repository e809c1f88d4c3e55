package hook

import (
	"encoding/json"
	"errors"
)

// Unit is what is kept, sealed, of events from their arrival until a worker has made facts of them: what they say, never the request
// itself, which may hold the live link (a provider tells which URL was clicked).
type Unit struct {
	Source string // the provider; "log" for a mail host's log; "imap" for a Mail; "smtp", "imap" or "file" for a Report
	Events []Event
	// Mail is a report in a bounce mailbox that could not be matched with any mail of ours: in place of Events. It may hold a live link.
	Mail []byte
	// Report is a mail or a file with reports about our mail in bulk: in place of Events. Name is the file's.
	Report []byte `json:",omitempty"`
	Name   string `json:",omitempty"`
}

// Encode writes a unit for DecodeUnit.
func (u Unit) Encode() ([]byte, error) { return json.Marshal(u) }

// DecodeUnit reads what Encode wrote.
func DecodeUnit(b []byte) (Unit, error) {
	var u Unit
	if err := json.Unmarshal(b, &u); err != nil || u.Source == "" {
		return Unit{}, errors.New("not a unit of events; was it written by a newer version?")
	}
	return u, nil
}

// Telling leaves out the events that prove nothing and that nobody wants to read about; they are counted by kind.
func (b Batch) Telling() (events []Event, silent map[Kind]int) {
	silent = map[Kind]int{}
	for _, e := range b.Events {
		switch e.Kind {
		case Processed, Listed, Unlisted:
			silent[e.Kind]++
		default:
			events = append(events, e)
		}
	}
	return events, silent
}
