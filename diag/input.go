package diag

import (
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// Input is everything that a diagnosis rests upon, gathered by the caller. Its zero value is a login of which nothing is known.
type Input struct {
	Now   time.Time    // the moment of the question
	Realm *realm.Realm // whose case this is; nil = none of ours
	Login string       // as asked for now
	Page  *Page        // the page that the person speaks of; nil = none given
	// Reset is the reset that is asked about; "" = whichever has the newest mail.
	Reset ledger.ResetID

	Directory Directory
	Others    []Other // the same login or person in other realms
	Timeline  ledger.Timeline
	// AskPages says whose page each ask named: a realm's name, "" = none of ours. A reset that is absent named no page.
	AskPages map[ledger.ResetID]string

	Suppression *Suppression // of the account's address, as it stands now; nil = none
	Queue       Queue
	Smart       map[string]bool   // route name -> its host is our own relay (a smarthost)
	Blind       []Blind           // times in which a sensor could not see
	Bounces     bool              // a way back for bounces is configured and listening
	Outages     []Outage          // providers that put off mails of many people, now or of late
	Unanswered  []Unanswered      // times in which no host of several providers answered the dial
	Opens       map[string]Opens  // provider -> how many of its mails are opened; absent = too few are known
	Events      map[string]Events // route name -> what its mail provider tells by a hook; absent = it is to tell nothing
	Checks      []ledger.Fact     // what DNS said about our domains, whenever it changed (Checked facts), by time
	Replies     *reply.Book       // what hosts' words mean; nil = the built-in rules
	// DNS is what DNS said as mails were built, by the hash in their Composed facts; of those that are gone there is none.
	DNS       map[string]dnscheck.Reading
	Retention time.Duration // how long facts are kept; zero = for ever
	Since     time.Time     // when this installation's records begin; zero = not known
}

// Page is a URL that the person was on, and whose it is.
type Page struct {
	URL   string
	Realm string // "" = none of ours
}

// Directory is what the realm's directory said when it was asked for this diagnosis.
type Directory struct {
	Asked       bool // false: Accounts and Near say nothing
	Accounts    []realm.Account
	Near        []realm.Account    // look-alikes, for support's eyes
	Unavailable *realm.Unavailable // it was asked and did not answer; nil = it did, or was not asked
}

// Other is the same login or person in another realm.
type Other struct {
	Realm   realm.Realm
	Account *realm.Account // nil = none known there
	LastAsk time.Time      // zero = never asked there
	Ask     ledger.EventID // of that ask; "" = not known
	State   ledger.State   // of that ask
	Reset   ledger.ResetID
	Reports []ledger.Fact // what app and support saw outside in that realm (Reported facts of no reset), by time
}

// Suppression says that an address is not written to.
type Suppression struct {
	Since    time.Time
	Until    time.Time // zero = no end set
	Cause    string    // id of the catalogue
	Evidence []ledger.EventID
	Proof    string // what the host said
}

// Queue is the health of the way out.
type Queue struct {
	Paused      *Hold           // everything is held; nil = not
	RoutePaused map[string]Hold // routes that are held, by name
	Workers     int             // workers with a heartbeat now
	WorkerSeen  time.Time       // the last heartbeat; zero = never
	Due         int             // messages whose time has come and which nobody has taken
	Waiting     int             // messages booked for later
	InFlight    int
	OldestDue   time.Duration // how long the oldest due one has waited
	Wakes       time.Duration // the normal time until a due message is taken
}

// Hold is a pause: who, why and since when.
type Hold struct {
	By     string
	Reason string
	Since  time.Time
}

// Blind is a time in which a source of facts could not see.
type Blind struct {
	Sensor string // intake, bounces, worker, directory, dns, links, events
	From   time.Time
	To     time.Time // zero = still
}
