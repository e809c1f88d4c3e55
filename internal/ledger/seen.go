package ledger

import "time"

// Seen is what receivers reported about a domain's mail in bulk. They say so; nobody can check it.
type Seen struct {
	Kind     string    `json:"k"`            // dmarc: how our own mail fared; tls: how mail to the domain fared
	From     time.Time `json:"f"`            // the first day counted, UTC
	To       time.Time `json:"t"`            // the last
	By       []string  `json:"by,omitempty"` // who says so, those that count most first, at most three
	Signed   bool      `json:"sg,omitempty"` // they signed their reports, or a person handed them in; else anybody may have sent them
	Mails    int64     `json:"n"`            // mails of our own, or attempts at TLS
	DKIM     int64     `json:"dk,omitempty"` // of these failed DKIM
	SPF      int64     `json:"sp,omitempty"` // failed SPF
	Both     int64     `json:"bo,omitempty"` // failed both, and so DMARC
	Junk     int64     `json:"ju,omitempty"` // were put into quarantine
	Refused  int64     `json:"re,omitempty"` // were rejected
	Selector string    `json:"sl,omitempty"` // that most of the broken signatures were made with
	Failed   int64     `json:"fa,omitempty"` // tls: could not be sent as the policy demands
	Why      string    `json:"wh,omitempty"` // tls: the result named most
	Returns  bool      `json:"rt,omitempty"` // tls: the domain is that of our return paths
}
