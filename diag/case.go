package diag

import (
	"encoding/json"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// Case is the answer for one login in one realm. Its JSON is the Case of the public contract; `realm`, `account`, `reset` and
// `message` are null where there is none, lists are never null.
type Case struct {
	Realm      string           `json:"realm"` // "" = none of ours
	Login      string           `json:"login"`
	Account    *AccountView     `json:"account"`
	Reset      ledger.ResetID   `json:"reset"`   // the newest; "" = nobody asked
	Message    ledger.MessageID `json:"message"` // its newest; "" = none
	Verdict    Verdict          `json:"verdict"`
	Also       []Alternative    `json:"also"`
	Near       []string         `json:"near,omitempty"` // look-alikes that the directory knows, for support's eyes; none where the login is known itself
	Timeline   []Entry          `json:"timeline"`       // oldest first
	Incident   *Incident        `json:"incident"`       // attached by the caller; it never replaces the verdict
	BlindSpots []string         `json:"blind_spots"`
}

// AccountView is what a case shows of the account.
type AccountView struct {
	ID          string      `json:"id"`
	State       realm.State `json:"state"`
	LoginMethod realm.Login `json:"login_method"`
}

// Verdict is the cause that explains the case.
type Verdict struct {
	Cause      string     `json:"cause"` // id of the catalogue
	Blame      Blame      `json:"blame"`
	Confidence Confidence `json:"confidence"`
	Says       string     `json:"says"` // one sentence for support
	Resend     Resend     `json:"resend"`
	Actions    []Action   `json:"actions"` // the first is the next one
	Evidence   []Evidence `json:"evidence"`
	TellUser   string     `json:"tell_user"` // to paste, in the user's language
}

// Resend says whether another mail helps.
type Resend struct {
	Helps     Helps     `json:"helps"`
	NotBefore time.Time `json:"not_before,omitzero"` // zero = no time is known
	Because   string    `json:"because"`
}

// Action is a next step and whose it is.
type Action struct {
	Who  Who    `json:"who"`
	Do   string `json:"do"`
	Call string `json:"call,omitempty"` // the API call that does it; "" = none does
}

// Evidence is a fact that a finding rests upon.
type Evidence struct {
	At    time.Time      `json:"at"`
	Fact  ledger.Event   `json:"fact"`
	Says  string         `json:"says"`
	Event ledger.EventID `json:"event"`
}

// Alternative is a runner-up.
type Alternative struct {
	Cause      string     `json:"cause"`
	Confidence Confidence `json:"confidence"`
	Says       string     `json:"says"`
	SettledBy  string     `json:"settled_by"` // what would confirm it or rule it out
}

// Entry is one line of the timeline.
type Entry struct {
	At   time.Time    `json:"at"`
	Fact ledger.Event `json:"fact"`
	Says string       `json:"says"`
}

// Incident is a trouble that is not this user's alone.
type Incident struct {
	ID    string    `json:"id"`
	Cause string    `json:"cause"`
	Since time.Time `json:"since"`
	Says  string    `json:"says"`
}

// Confidence is how sure a finding is.
type Confidence string

// The three steps of confidence.
const (
	Certain  Confidence = "certain"  // a host, a directory, the application or our own record says so
	Likely   Confidence = "likely"   // a person or an inference says so
	Possible Confidence = "possible" // nothing speaks against it
)

// Blame is whose fault a cause is: user, account, us, relay, recipient, their_policy, network, time, nobody.
type Blame string

// Helps says whether another mail helps.
type Helps string

// The words for a resend.
const (
	HelpsYes          Helps = "helps"
	HelpsFutile       Helps = "futile"        // another mail meets the same end
	HelpsAfterFix     Helps = "after_fix"     // once the cause is mended
	HelpsWait         Helps = "wait"          // the mail goes on by itself, or would meet the same end until later
	HelpsOtherChannel Helps = "other_channel" // reach the person in another way
	HelpsOnce         Helps = "once"          // the first time only
	HelpsAsReason     Helps = "as_reason"     // as the reason why it came back; said only where that reason has no name
	HelpsAskAPerson   Helps = "ask_a_person"  // a person must read the reply first
)

// Who takes an action.
type Who string

// The people who can act.
const (
	Support     Who = "support"
	Admin       Who = "admin"
	Ops         Who = "ops"
	User        Who = "user"
	RecipientIT Who = "recipient_it"
)

// MarshalJSON writes null for what there is not.
func (c Case) MarshalJSON() ([]byte, error) {
	type plain Case
	w := struct {
		Realm *string `json:"realm"`
		plain
		Reset   *ledger.ResetID   `json:"reset"`
		Message *ledger.MessageID `json:"message"`
	}{Realm: orNull(&c.Realm), plain: plain(c), Reset: orNull(&c.Reset), Message: orNull(&c.Message)}
	w.Also, w.Timeline, w.BlindSpots = orEmpty(w.Also), orEmpty(w.Timeline), orEmpty(w.BlindSpots)
	w.Verdict.Actions, w.Verdict.Evidence = orEmpty(w.Verdict.Actions), orEmpty(w.Verdict.Evidence)
	return json.Marshal(w)
}

func orNull[T ~string](s *T) *T {
	if *s == "" {
		return nil
	}
	return s
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
