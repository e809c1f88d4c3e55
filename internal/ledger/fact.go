// Package ledger says what can happen to a reset: the facts, their ids, and what a row of facts adds up to. It touches nothing: facts
// are made by the worker and the desk, kept by the store, and read by diag.
package ledger

import (
	"time"
)

// Event is what happened, a past participle. The set is closed: extend it when a new thing can happen.
type Event string

const (
	Requested    Event = "requested"     // an ask for a reset was recorded; carries Ask
	Refused      Event = "refused"       // decided that no mail is sent; carries Refusal
	Issued       Event = "issued"        // a generation of the token began, the account is known; carries Issue
	Composed     Event = "composed"      // the mail was built and signed; carries Composition
	Postponed    Event = "postponed"     // an attempt could not begin and is booked again; carries Delay
	Failed       Event = "failed"        // the mail could not be built, or its schedule ended; carries Failure
	Dialed       Event = "dialed"        // an attempt begins: from here on a host may have the mail; carries Attempt{Try, Route}
	Attempted    Event = "attempted"     // one dialogue of an attempt ended; carries Attempt
	Bounced      Event = "bounced"       // a report that says failed or delayed; carries Return
	Complained   Event = "complained"    // a feedback report; carries Return
	AutoReplied  Event = "auto_replied"  // an automatic answer: the mailbox lives; carries Return
	Confirmed    Event = "confirmed"     // a report or provider says delivered, relayed or expanded; carries Return
	Opened       Event = "opened"        // the link's page was fetched; carries Visit
	Proceeded    Event = "proceeded"     // its button was pressed; carries Visit
	Declined     Event = "declined"      // a dead token was presented to redeem or inspect; carries Visit{Dead}
	Redeemed     Event = "redeemed"      // the token was used, exactly once; carries Redemption
	Reported     Event = "reported"      // seen outside by the app or by support; carries Report
	Suppressed   Event = "suppressed"    // the address is not written to for a while; carries Hold
	Released     Event = "released"      // a suppression was lifted, by a person or by a proof that the mailbox works; carries Hold
	Resent       Event = "resent"        // a person asked for another mail of this reset; carries Resend
	Cancelled    Event = "cancelled"     // a person, or a resend, took a message back; By and Reason say who and why
	Expired      Event = "expired"       // the 24 h of a token ended before any host took the mail
	LinkRevealed Event = "link_revealed" // a person was shown the link; By and Reason
	Checked      Event = "checked"       // what DNS or a loop check said
	Paused       Event = "paused"        // sending was held; By, Reason, Route in Delay
	Resumed      Event = "resumed"       // sending goes on; By, Reason, Route in Delay
	SensorLost   Event = "sensor_lost"   // a source of facts went blind; carries Sensor
	SensorBack   Event = "sensor_back"   // it sees again; carries Sensor
)

// Fact is one thing that happened. Which detail it carries follows from its Event; all others are nil. A fact is never changed.
type Fact struct {
	ID      EventID   `json:"i"`
	At      time.Time `json:"t"` // UTC, kept to the millisecond
	Event   Event     `json:"e"`
	Reset   ResetID   `json:"r,omitempty"`
	Message MessageID `json:"m,omitempty"`
	By      string    `json:"by,omitempty"` // the API key's name; "" = resetd itself
	Role    string    `json:"ro,omitempty"` // that key's role
	Reason  string    `json:"why,omitempty"`

	Ask         *Ask         `json:"ask,omitempty"`
	Refusal     *Refusal     `json:"ref,omitempty"`
	Issue       *Issue       `json:"iss,omitempty"`
	Composition *Composition `json:"com,omitempty"`
	Delay       *Delay       `json:"del,omitempty"`
	Failure     *Failure     `json:"fail,omitempty"`
	Attempt     *Attempt     `json:"att,omitempty"`
	Return      *Return      `json:"ret,omitempty"`
	Visit       *Visit       `json:"vis,omitempty"`
	Redemption  *Redemption  `json:"red,omitempty"`
	Report      *Report      `json:"rep,omitempty"`
	Hold        *Hold        `json:"hold,omitempty"`
	Resend      *Resend      `json:"res,omitempty"`
	Sensor      *Sensor      `json:"sen,omitempty"`
	Check       *Check       `json:"chk,omitempty"`
}

// Ask is what came in: where, by whom, from where.
type Ask struct {
	Realm     string `json:"rl"`
	Login     string `json:"l"` // as typed
	Page      string `json:"p,omitempty"`
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"ua,omitempty"`
	Locale    string `json:"lo,omitempty"`
}

// Why is the reason of a refusal: a closed set, one cause of the catalogue each.
type Why string

const (
	WhyUnknownAddress   Why = "unknown_address"   // the directory answered and knows no such login
	WhySeveralAccounts  Why = "several_accounts"  // it answered with more than one account
	WhySSO              Why = "sso"               // realm or account signs in through an identity provider
	WhyDirectoryManaged Why = "directory_managed" // the password is in a company directory
	WhyNoPassword       Why = "no_password"       // the account never had one (login_method none)
	WhyInvited          Why = "invited"           // an invitation is pending
	WhyNotActivated     Why = "not_activated"     // never confirmed
	WhySuspended        Why = "suspended"
	WhyDeleted          Why = "deleted"
	WhyNoAddress        Why = "no_address"     // the account has no address
	WhyBadAddress       Why = "bad_address"    // the directory's address can be written into no envelope
	WhyUnverified       Why = "unverified"     // the address was never verified
	WhyThrottled        Why = "throttled"      // too many asks for the account or from the source; Refusal.Until
	WhyMerged           Why = "merged"         // a second ask within the merge window; Refusal.First
	WhySuppressed       Why = "suppressed"     // the address is suppressed; Refusal.Until
	WhyMailOff          Why = "mail_off"       // no route is configured for the realm
	WhyResetOff         Why = "reset_off"      // resets are switched off for the realm
	WhyUnconfigured     Why = "unconfigured"   // the realm is no longer in the configuration
	WhyBlockedSource    Why = "blocked_source" // the ask came from a network of the deny list; Refusal.Detail names it
)

// Refusal is why no mail is sent.
type Refusal struct {
	Why      Why       `json:"w"`
	Detail   string    `json:"d,omitempty"`  // for people
	Scope    string    `json:"s,omitempty"`  // throttled: account or source
	Count    int       `json:"n,omitempty"`  // throttled: asks in the window
	Limit    string    `json:"li,omitempty"` // throttled: the configured limit, "5/1h"
	Until    time.Time `json:"u,omitzero"`   // throttled, suppressed: when it ends
	First    ResetID   `json:"f,omitempty"`  // merged: the reset whose mail serves this ask too
	Account  string    `json:"a,omitempty"`  // the account's id, where one was found
	Provider string    `json:"pr,omitempty"` // sso, directory_managed: where the password is
	MergedTo string    `json:"mt,omitempty"` // deleted: the account it was merged into
	Evidence EventID   `json:"ev,omitempty"` // suppressed: the event that proved it
}

// Issue is the beginning of a token's generation: from here the mail has a receiver and a secret.
type Issue struct {
	Generation int       `json:"g"`
	KeyID      string    `json:"k"` // which token key made it, so that a resend can repeat it after a rotation
	TTL        Seconds   `json:"ttl"`
	Until      time.Time `json:"u"` // Issued + 24 h: no acceptance moves the life beyond it
	Account    string    `json:"a"`
	Address    string    `json:"ad"` // where the mail goes: only ever what the directory holds
	Username   string    `json:"un,omitempty"`
	Locale     string    `json:"lo,omitempty"`
	Route      string    `json:"rt"`
	Since      time.Time `json:"si,omitzero"` // since when the address is this account's, as the directory says; zero = it does not
}

// Seconds is a duration kept as whole seconds.
type Seconds int64

// Duration gives it as Go's.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// Composition is what was built.
type Composition struct {
	MessageID string   `json:"mid"` // the header, with angle brackets
	From      string   `json:"f"`
	Locale    string   `json:"lo"`
	Size      int      `json:"s"`             // bytes
	Selectors []string `json:"sel,omitempty"` // DKIM: selector._domainkey.domain of each signature
	LinkHost  string   `json:"lh"`
	DNS       string   `json:"dns,omitempty"` // hash of what DNS said about the sender's domain then; "" = not known
	// Read is when DNS said so: up to two minutes before. Zero = at the time of the fact.
	Read time.Time `json:"dr,omitzero"`
}

// Delay is an attempt that could not begin.
type Delay struct {
	Why    string    `json:"w"` // directory_unavailable, suppression_unreadable, shutdown, quota
	Detail string    `json:"d,omitempty"`
	Count  int       `json:"c,omitempty"`  // quota: mails of the route in the window
	Limit  string    `json:"li,omitempty"` // quota: the configured cap, "1000/24h"
	Next   time.Time `json:"n,omitzero"`
	Route  string    `json:"rt,omitempty"`
}

// Failure is a message that came to its end without any host taking it.
type Failure struct {
	Why    string `json:"w"` // template_error, bad_link, not_configured, gave_up, queue_lost
	Detail string `json:"d,omitempty"`
}

// Outcome is how a dialogue ended.
type Outcome string

const (
	Accepted    Outcome = "accepted"    // 250 to the final dot
	Deferred    Outcome = "deferred"    // 4xx: try again later
	Rejected    Outcome = "rejected"    // 5xx to this mail or recipient: do not try again
	Unreachable Outcome = "unreachable" // no dialogue, or it broke off before the final dot
	Ambiguous   Outcome = "ambiguous"   // the final dot was sent and no reply came: a host may have it
	NoHost      Outcome = "no_host"     // DNS says that the domain does not exist or takes no mail
	NoDNS       Outcome = "no_dns"      // DNS did not answer
	Blocked     Outcome = "blocked"     // we ended it: a budget ran out, TLS or AUTH was not safe
)

// Attempt is one dialogue with one host. In a Dialed fact only Try and Route are set.
type Attempt struct {
	Try      int       `json:"n"` // counts from 1 within the message; the hosts of one attempt share it
	Route    string    `json:"rt"`
	Smart    bool      `json:"sm,omitempty"` // the host is our own relay, not the recipient's
	Host     string    `json:"h,omitempty"`
	IP       string    `json:"ip,omitempty"`
	Local    string    `json:"lo,omitempty"`  // our address of the connection, as seen from here: behind a NAT the host saw another
	HELO     string    `json:"he,omitempty"`  // the name that we greeted with; "" = no greeting was said
	TLS      string    `json:"tls,omitempty"` // "TLS 1.3", "" = in clear
	Security *Security `json:"sec,omitempty"` // beside TLS: cipher, certificate, policy; nil = in clear and nothing demanded
	Owner    Asked     `json:"ow,omitempty"`  // how the host was asked whether the mailbox still has the owner of Issue.Since; "" = it was not
	Stage    string    `json:"st,omitempty"`  // dns, dial, banner, ehlo, starttls, auth, mail, rcpt, data, dot: the last one begun
	Code     int       `json:"c,omitempty"`   // 0 = no reply
	Enhanced string    `json:"en,omitempty"`
	Text     string    `json:"tx,omitempty"` // the host's words or the network's, at most 1 KiB
	QueueID  string    `json:"q,omitempty"`
	Outcome  Outcome   `json:"o,omitempty"`
	Began    time.Time `json:"b,omitzero"`
	Millis   int64     `json:"ms,omitempty"` // how long the dialogue took
	Next     time.Time `json:"nx,omitzero"`  // when the next attempt is booked; zero = none
}

// Return is what came back about a message.
type Return struct {
	Source    string `json:"src"` // smtp, imap, log, or a provider's name
	Action    string `json:"ac,omitempty"`
	Status    string `json:"st,omitempty"`
	Reason    string `json:"rs,omitempty"` // a word of diag/reply
	Cause     string `json:"ca,omitempty"` // an id of the catalogue; "" = none more exact than that it came back
	Permanent bool   `json:"pm,omitempty"`
	Recipient string `json:"rc,omitempty"`
	Matched   bool   `json:"mt,omitempty"` // a name that we signed and the recipient fit the message: it may act
	// Found says by what it was found to be about the message; "" = by the signed return path that it came to.
	Found      Found    `json:"fd,omitempty"`
	RemoteHost string   `json:"rh,omitempty"`
	ReportedBy string   `json:"rb,omitempty"`
	Diagnostic string   `json:"dx,omitempty"` // tokens and addresses other than the recipient's are redacted
	Because    string   `json:"be,omitempty"`
	Unread     []string `json:"ur,omitempty"`
	Subject    string   `json:"su,omitempty"`
}

// Found is by what a return was matched with a message, from the surest down.
type Found string

const (
	ByReturnPath Found = ""           // the return path, which carries our MAC
	ByMessageID  Found = "message_id" // the Message-ID or our own header in the returned part, or in what a provider or log says
	ByRecipient  Found = "recipient"  // recipient and time only: a guess, so never Matched
)

// Visit is somebody, or something, at the link.
type Visit struct {
	Method    string `json:"m,omitempty"`
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"ua,omitempty"`
	Dead      string `json:"d,omitempty"` // the code of CONTRACT.md's redeem why the token is dead; "" = it was live
	Gen       int    `json:"g,omitempty"`
	// Via is the provider that tells of the visit, because it has put its own link in the place of ours; "" = it came to our page.
	Via string `json:"vi,omitempty"`
}

// Redemption is the use of a token.
type Redemption struct {
	Gen     int    `json:"g"`
	Account string `json:"a"`
}

// Report is something seen outside.
type Report struct {
	Kind   string    `json:"k"` // CONTRACT.md's kinds; done and failed for an outcome
	At     time.Time `json:"at,omitzero"`
	Detail string    `json:"d,omitempty"`
	// Revived says that this failed outcome made the redeemed token live again.
	Revived bool `json:"rv,omitempty"`
}

// Hold is a suppression's beginning or end.
type Hold struct {
	Until    time.Time `json:"u,omitzero"`
	Evidence []EventID `json:"ev,omitempty"`
	Cause    string    `json:"ca,omitempty"`
}

// Resend is a person's wish for another mail.
type Resend struct {
	From   MessageID `json:"fr,omitempty"` // the message it follows
	Route  string    `json:"rt,omitempty"` // "" = the realm's first
	Forced bool      `json:"fo,omitempty"`
	// Incident names the incident whose mails were all sent again; "" = one mail, by hand.
	Incident string `json:"in,omitempty"`
	Gen      int    `json:"g,omitempty"` // the generation it repeats; 0 = a new one begins
}

// Check is what a check of a domain found, when it was another than before.
type Check struct {
	Domain   string   `json:"d"`
	Severity string   `json:"s"`            // the worst of what was found: ok, note, warning, error
	First    bool     `json:"f1,omitempty"` // no report of the domain was kept before
	Hash     string   `json:"h,omitempty"`  // of all that DNS said; the report itself is kept apart
	Errors   []string `json:"e,omitempty"`  // what is wrong, a sentence each, at most three
	Causes   []string `json:"ca,omitempty"` // the causes that these lead to
	Loop     *Loop    `json:"lp,omitempty"` // a loop check said it, not DNS; nil = DNS did
	// Changes are records that a mail is judged by and that say something else than when they were last seen. A fact has either a Hash (a
	// check), or Changes (the records are read all the time), or neither: an alarm about one mail.
	Changes []RecordChange `json:"cg,omitempty"`
	// Seen is what others reported about the domain's mail; such a fact has nothing of our own.
	Seen *Seen `json:"seen,omitempty"`
}

// RecordChange is a DNS record of ours that became another one.
type RecordChange struct {
	Kind string      `json:"k"` // dkim, spf, dmarc
	Name string      `json:"n"` // where it stands; dmarc: the author's domain
	Was  RecordState `json:"w"`
	Now  RecordState `json:"i"`
	Good bool        `json:"g,omitempty"` // mail can pass by it as it is now
	Seen time.Time   `json:"sn,omitzero"` // when it was last seen as it was
}

// RecordState is what a record says and means, as diag/dnscheck names it.
type RecordState struct {
	State string `json:"s"`
	Text  string `json:"tx,omitempty"` // "" = there is no record
	About string `json:"ab,omitempty"` // spf: the addresses of ours that State is about
}

// Sensor is a source of facts.
type Sensor struct {
	Name string `json:"n"` // intake, bounces, mailbox, log, worker, events:PROVIDER, return:ROUTE
}
