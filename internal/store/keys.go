package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// Every key is made here. A key's hash tag is its partition, so that all keys that one script touches lie on one node of a cluster;
// logins, addresses and sources stand in key names only as hashes.

// LedgerID names the ledger of one (realm, login): 32 hex digits, the first two say its partition.
type LedgerID string

// LedgerOf gives the ledger of a login in a realm. Logins are compared in their normal form.
func LedgerOf(realmName, login string) LedgerID {
	return LedgerID(hashed("ledger", realmName, realm.Normal(login)))
}

// AccountID names the record of one account of a realm: its live tokens, its asks, the ledgers through which it was asked for.
type AccountID string

// AccountOf gives the record's name of a directory's account.
func AccountOf(realmName, account string) AccountID {
	return AccountID(hashed("account", realmName, account))
}

// Partition says where a ledger lies.
func (l LedgerID) Partition() int { return partitionOf(string(l)) }

func hashed(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// partitionOf reads the partition off a hash of hashed.
func partitionOf(hash string) int {
	b, err := hex.DecodeString(hash[:2])
	if err != nil {
		return 0
	}
	return int(b[0]) % ledger.Partitions
}

func key(partition int, rest string) string { return fmt.Sprintf("rd:{p%02d}:%s", partition, rest) }

// In a ledger's partition.
func ledgerKey(l LedgerID) string             { return key(l.Partition(), "ledger:"+string(l)) } // LIST of facts, JSON, in order of writing
func resetKey(p int, r ledger.ResetID) string { return key(p, "reset:"+string(r)) }              // HASH: l ledger, rm realm, v visits kept
func floodKey(l LedgerID) string              { return key(l.Partition(), "flood:"+string(l)) }  // HASH: n asks in the window, last reset recorded
func workKey(p int, id string) string         { return key(p, "work:"+id) }                      // HASH: the outbox entry, see work.go
func dueKey(p int, k Kind) string             { return key(p, "due:"+string(k)) }                // ZSET id -> ms when somebody must look
func leaseKey(p int, k Kind) string           { return key(p, "lease:"+string(k)) }              // ZSET id -> ms when the claim ends
func ringKey(p int) string                    { return key(p, "ring") }                          // HASH id -> "ring number:ms until which it may still be heard"
func routeKey(p int) string                   { return key(p, "routes") }                        // HASH "route w" and "route d" -> messages waiting, deferred
func sealedKey(p int, r ledger.ReturnID) string {
	return key(p, "sealed:"+string(r)) // STRING: a returned mail or a batch of events until it is read
}

// sentKey holds a canary as it was sent.
func sentKey(p int, m ledger.MessageID) string { return key(p, "sent:"+string(m)) } // STRING, sealed

// In an account's partition.
func accountKey(a AccountID) string { return key(partitionOf(string(a)), "account:"+string(a)) } // HASH, see tokens.go
func asksKey(a AccountID) string    { return key(partitionOf(string(a)), "asks:"+string(a)) }    // ZSET reset -> ms asked
func joinKey(a AccountID) string    { return key(partitionOf(string(a)), "join:"+string(a)) }    // SET of ledgers that asked for the account
func owedKey(p int) string          { return key(p, "owed") }                                    // HASH event -> ledger and fact still to be written there

// In a partition of their own hash.
func suppressionKey(h string) string { return key(partitionOf(h), "suppressed:"+h) } // HASH, see suppress.go
func faultsKey(h string) string      { return key(partitionOf(h), "faults:"+h) }     // ZSET "message event cause" -> ms
func suppressedKey(p int) string     { return key(p, "suppressed") }                 // ZSET hash -> ms until
func writtenKey(h string) string     { return key(partitionOf(h), "written:"+h) }    // ZSET message -> ms issued, of an address
func sourceKey(ip string) string {
	h := hashed("source", ip)
	return key(partitionOf(h), "source:"+h) // ZSET reset -> ms asked
}
func idemKey(apiKey, name string) string {
	h := hashed("idem", apiKey, name)
	return key(partitionOf(h), "idem:"+h) // HASH: b body, s seed, c status, r response
}

// quotaKey counts the mails of a route that has a cap; a route has one key, on one node.
func quotaKey(route string) string { return "rd:{house}:quota:" + route } // HASH, see quota.go

// probesKey counts the probes of one API key, dnsKey holds what DNS said when a mail was sent.
func probesKey(who string) string { return "rd:{house}:probes:" + hashed("probes", who) } // HASH, see quota.go
func dnsKey(hash string) string   { return "rd:{house}:dns:" + hash }                     // STRING, JSON, until the retention takes it

// stsKey holds the MTA-STS policy of a recipient's domain for as long as it is valid.
func stsKey(domain string) string {
	h := hashed("mta-sts", domain)
	return key(partitionOf(h), "mta-sts:"+h) // STRING, JSON dnscheck.STSCached
}

// alarmKey stands while an alarm was told and is not over, or for an hour.
func alarmKey(name string) string { return "rd:{house}:alarm:" + hashed("alarm", name) } // STRING

// Counters of the house, see tally.go.
func tallyKey(start time.Time) string { return fmt.Sprintf("rd:{house}:tally:%d", start.Unix()) } // HASH field -> count
func opensKey(start time.Time) string { return fmt.Sprintf("rd:{house}:opens:%d", start.Unix()) } // HASH field -> count

// What receivers report in bulk, see bulk.go. Only names of domains of ours stand in these.
func bulkKey(kind, domain string, day time.Time) string {
	return "rd:{house}:bulk:" + kind + ":" + domain + ":" + day.UTC().Format("20060102") // HASH field of diag -> count
}
func bulkSeenKey(kind, domain string) string { return "rd:{house}:bulk:seen:" + kind + ":" + domain } // ZSET report -> ms when it was counted

// Of the house: one of each for the whole installation.
const (
	pauseKey         = "rd:{house}:pause"           // HASH route ("" = all) -> JSON Hold
	workersKey       = "rd:{house}:workers"         // ZSET worker -> ms of its last heartbeat
	beatsKey         = "rd:{house}:beats"           // HASH sensor -> ms of its last heartbeat
	houseKey         = "rd:{house}:facts"           // LIST of facts of no ledger: Paused, Resumed, SensorLost, SensorBack
	auditKey         = "rd:{house}:audit"           // LIST of entries, JSON, hash-chained
	auditHeadKey     = "rd:{house}:audit:head"      // STRING: hash of the last one
	failingKey       = "rd:{house}:failing"         // ZSET failing mail -> ms
	incidentsKey     = "rd:{house}:incidents"       // HASH id -> JSON
	incidentOrderKey = "rd:{house}:incidents:order" // ZSET id -> ms since
	heardKey         = "rd:{house}:heard"           // HASH provider -> ms of its newest event
	comparisonKey    = "rd:{house}:comparison"      // STRING: JSON
	sinceKey         = "rd:{house}:since"           // STRING: ms when this installation's records begin
	probeKey         = "rd:{house}:probe"           // STRING: written at start to see that writing works
	sweepKey         = "rd:{house}:sweep"           // STRING: who reconciles now
	countersKey      = "rd:{house}:counters"        // HASH: what /metrics counts over all processes
	workedKey        = "rd:{house}:worked"          // HASH route -> ms when a host last took a mail by it
	tookKey          = "rd:{house}:took"            // ZSET route, space, provider -> ms when its hosts last took a mail by that route
	domainsKey       = "rd:{house}:domains"         // HASH domain -> JSON DomainReport
	standingKey      = "rd:{house}:domains:records" // HASH domain -> JSON: its records as last seen
	dkimSeenKey      = "rd:{house}:dkim:seen"       // HASH key -> ms when its record was first seen
	dkimSigningKey   = "rd:{house}:dkim:signing"    // HASH name of the record -> ms when a worker last signed with it
	bulkQuotaKey     = "rd:{house}:bulk:quota"      // HASH, see quota.go
	bulkSaidKey      = "rd:{house}:bulk:said"       // HASH "kind domain" -> gist of what was said last, and a space
	loopsKey         = "rd:{house}:loops"           // ZSET reset of a canary that is under way -> ms when it began
	loopsBegunKey    = "rd:{house}:loops:begun"     // HASH lane -> ms when a loop check of it last began
	loopResultsKey   = "rd:{house}:loops:results"   // HASH lane -> JSON of how its newest one came out
	trayKey          = "rd:{house}:tray"            // HASH return -> JSON TrayItem
	trayOrderKey     = "rd:{house}:tray:order"      // ZSET return -> ms when it was laid there
)
