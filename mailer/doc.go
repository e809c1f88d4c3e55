// Package mailer answers how a mail leaves: whom an envelope may name, what the mail says, who signs it, which hosts take mail for the
// recipient, and what each host answered.
//
// A mail goes through it in four steps, and the worker calls each one:
//
//  1. [ParseAddress] decides whether an address can stand in an envelope at all (envelope.go)
//  2. [Compose] builds text and HTML from the realm's templates and checks its own work (compose.go)
//  3. [Sign] puts the DKIM signatures in front (sign.go)
//  4. [Deliverer.Deliver] finds the hosts and offers the mail, one dialogue at a time (resolve.go, deliver.go, dialogue.go)
//
// The package touches the world and returns what it saw. What a mail host said is data and stands in a [ledger.Attempt]; an error is
// only ever our own fault. It records nothing and logs nothing. Error texts hold neither addresses nor links.
package mailer
