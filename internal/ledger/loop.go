package ledger

// Loop is what a loop check saw. In the ledger of its own canary it is one step, as Step says; among the facts of the house it is the
// outcome of a whole run, written when it was another than that of the run before.
type Loop struct {
	Route  string   `json:"rt,omitempty"`
	Run    ResetID  `json:"run,omitempty"` // an outcome: the canary's reset
	Failed []string `json:"f,omitempty"`   // an outcome: the links of the chain that failed; empty = none did

	Step    LoopStep `json:"st,omitempty"`
	OK      bool     `json:"ok,omitempty"` // the step did what it should
	Blind   bool     `json:"bl,omitempty"` // it could not be made, which proves nothing
	Code    int      `json:"c,omitempty"`  // page: of HTTP; return_sent: of SMTP; 0 = no answer
	Why     string   `json:"w,omitempty"`  // why it did not, or what was seen
	Millis  int64    `json:"ms,omitempty"`
	Arrival *Arrival `json:"ar,omitempty"` // arrived
}

// LoopStep is a step of a loop check that is no fact of a reset already.
type LoopStep string

const (
	LoopArrived    LoopStep = "arrived"     // the canary came to our receiver; carries Arrival
	LoopPage       LoopStep = "page"        // its link was fetched
	LoopRedeem     LoopStep = "redeem"      // its token was not redeemed; one that was is a Redeemed fact
	LoopReturnSent LoopStep = "return_sent" // a mail of the null sender to the canary's return path was offered
)

// Arrival is a mail as our own receiver saw it.
type Arrival struct {
	IP       string   `json:"ip,omitempty"` // of the host that brought it
	HELO     string   `json:"helo,omitempty"`
	From     string   `json:"f,omitempty"`  // the envelope sender's domain
	SPF      Judged   `json:"spf"`          // for that domain and IP
	DKIM     Judged   `json:"dkim"`         // of our own signatures
	DMARC    Judged   `json:"dmarc"`        // of the From field's domain
	SentOK   bool     `json:"so,omitempty"` // the mail as it was sent verifies: what fails was changed on the way
	Signed   []string `json:"sg,omitempty"` // domains whose signatures are good, the hops' own too
	Private  bool     `json:"pv,omitempty"` // the IP is none of the Internet's: a host of our own stands before the receiver
	Changes  []string `json:"ch,omitempty"` // what is not as it was sent, a sentence each
	BodyOK   bool     `json:"bo,omitempty"` // the body is as it was sent
	Link     string   `json:"l,omitempty"`  // same, rewritten, missing; "" = not known
	LinkHost string   `json:"lh,omitempty"` // rewritten: the host that it leads to now
	Hops     []string `json:"hp,omitempty"` // the hosts that passed it on, the first one first
	Claims   []string `json:"cl,omitempty"` // what hosts on the way say of its authentication (RFC 8601): evidence, never proof
}

// Judged is a result in the words of RFC 8601 section 2.7, and why.
type Judged struct {
	Result string `json:"r,omitempty"` // "" = not judged
	Why    string `json:"w,omitempty"`
}
