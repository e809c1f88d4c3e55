// Package config says how a resetd is set up: one TOML file, one struct, and for everything that start-up would refuse its line, the reason and what to try.
//
// The comments below are the reference: docs/config.md is made from them, and a test holds them to Default and to example.toml.
package config

import (
	"crypto"
	"net/netip"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/realm"
)

// Config is everything that can be set. Load gives one that is checked: paths are absolute, secrets are read, references resolve.
type Config struct {
	HTTP          HTTP          `toml:"http"`
	Store         Store         `toml:"store"`
	Keys          Keys          `toml:"keys"`
	APIKeys       []APIKey      `toml:"api_key"`
	Throttle      Throttle      `toml:"throttle"`
	Delivery      Delivery      `toml:"delivery"`
	SMTP          SMTP          `toml:"smtp"`
	DNS           DNS           `toml:"dns"`
	Canary        Canary        `toml:"canary"`
	Diag          Diag          `toml:"diag"`
	Routes        []Route       `toml:"route"`
	Domains       []Domain      `toml:"domain"`
	RealmTables   []Realm       `toml:"realm"`
	Hooks         []Hook        `toml:"hook"`
	BounceMailbox BounceMailbox `toml:"bounce_mailbox"`

	// Warnings are what start-up accepts and a person should still hear of.
	Warnings []Problem `toml:"-"`

	proxies   []netip.Prefix
	tokenKeys []Key
	denied    []netip.Prefix
	outgoing  []netip.Addr
	receivers []netip.Addr
	signers   map[string][]Signer // by domain name, lower case
	replies   *reply.Book
	realms    []realm.Realm
}

// HTTP is the API, the console and the landing page.
type HTTP struct {
	// Address that the API and the console listen on, host:port; port 0 picks one, and the log line "listening" names it. Default: "127.0.0.1:8025".
	Listen string `toml:"listen"`
	// Address for health and metrics apart from the API, host:port; "" serves them with the API. A resetd without the part api serves only these, here. Default: "".
	OpsListen string `toml:"ops_listen"`
	// Networks of reverse proxies whose X-Forwarded-For says who the visitor is, as networks or addresses; nobody else's is believed. Default: [].
	TrustedProxies []string `toml:"trusted_proxies"`
	// Base of every link in a mail, as users reach it: absolute, https unless the host is loopback. No Host header is ever used instead. Required.
	PublicURL string `toml:"public_url"`
}

// Store is where everything is kept.
type Store struct {
	// Redis to use: redis://, rediss://, redis+sentinel://h1,h2/master/0, redis+cluster://h1,h2; "" starts a redis-server or valkey-server child if one is installed. Default: "redis://127.0.0.1:6379/0".
	Redis Secret `toml:"redis"`
	// File that holds the Redis URL, for one with a password. Default: "".
	RedisFile string `toml:"redis_file"`
	// Folder for the data of the child server that redis = "" starts. Default: "redis-data".
	Dir string `toml:"dir"`
	// What a 202 promises: memory (Redis has it), fsync (on its disk: appendfsync always, or WAITAOF on Redis 7.2 and later), replica (a replica has it). Default: "fsync".
	Durability string `toml:"durability"`
	// How long facts are kept, a duration of at least 24h. Default: "720h".
	Retention Duration `toml:"retention"`
}

// Keys are the secrets that links are made from.
type Keys struct {
	// File with the token keys, one a line: KID BASE64 of 32 bytes. The first makes tokens, all verify; `resetd keys token` makes one. Required, unless token is given. Default: "".
	TokenFile string `toml:"token_file"`
	// The same lines in place of a file, for RESETD_KEYS_TOKEN. Default: "".
	Token Secret `toml:"token"`
}

// APIKey is one caller of the API. `resetd keys api` makes one.
type APIKey struct {
	// Name that the audit trail shows; unique. Required.
	Name string `toml:"name"`
	// What the caller may do: app, support, admin or ops. Required.
	Role string `toml:"role"`
	// Names of the realms that the caller may act in; empty means all. Default: [].
	Realms []string `toml:"realms"`
	// SHA-256 of the bytes after "Bearer ", 64 hex digits; the secret itself is kept nowhere. Required.
	SecretSHA256 string `toml:"secret_sha256"`
}

// Throttle is how often somebody may ask. A rate is N/DURATION; 0 switches it off.
type Throttle struct {
	// Asks for one account. Default: "5/1h".
	Account Rate `toml:"account"`
	// Asks from one source, the ip of the request. Default: "100/1h".
	Source Rate `toml:"source"`
	// A second ask within this duration of the first uses the first mail; at most 24h. Default: "60s".
	Merge Duration `toml:"merge"`
	// Networks from which no ask is served, such as "192.0.2.0/24" or "2001:db8::/32"; support sees which one it was. Default: [].
	Deny []string `toml:"deny"`
}

// Delivery is when a mail that was not taken is offered again.
type Delivery struct {
	// Gaps between attempts, durations of at least 1s; the last repeats while the link lives. Default: ["1m", "3m", "6m", "10m", "15m", "30m"].
	Retry []Duration `toml:"retry"`
}

// SMTP is who we are to mail hosts, and where bounces come back.
type SMTP struct {
	// Host name that we say in EHLO; it should resolve to the outgoing address and back. Required.
	Helo string `toml:"helo"`
	// Domain of the return paths; its MX must lead to bounce_listen. Required.
	BounceDomain string `toml:"bounce_domain"`
	// Address of the receiver for returned mail, host:port; port 0 picks one, "" receives none. Default: "127.0.0.1:2525".
	BounceListen string `toml:"bounce_listen"`
	// Local part at bounce_domain to which receivers send DMARC aggregate reports: point rua= there. "" takes none. Default: "dmarc-reports".
	DMARCReports string `toml:"dmarc_reports"`
	// Local part at bounce_domain to which senders send TLS reports (RFC 8460). "" takes none. Default: "tls-reports".
	TLSReports string `toml:"tls_reports"`
	// Addresses that mail leaves from, as receivers see them; [] = unknown, as behind a relay: then SPF and reverse DNS are not judged for an address. Default: [].
	OutgoingIPs []string `toml:"outgoing_ips"`
	// Addresses under which the Internet reaches bounce_listen on port 25; [] = unknown, then a check connects to the MX of bounce_domain to find out. Default: [].
	ReceiverIPs []string `toml:"receiver_ips"`
	// Whether MX delivery, probe and HTTP directories may go to loopback and private addresses. Default: false.
	AllowPrivateAddresses bool `toml:"allow_private_addresses"`
}

// DNS is whom we ask.
type DNS struct {
	// Resolver to ask, host:port; "" asks the system's. Default: "".
	Resolver string `toml:"resolver"`
	// Whether a resolver that is not on this machine is believed when it says that it has validated DNSSEC (the AD bit), as DANE needs; only over a network that nobody else can speak on. One on loopback always is, but for Docker's (127.0.0.11), which only passes on what others say. Default: false.
	TrustAD bool `toml:"trust_ad"`
}

// Diag is how what others say is understood.
type Diag struct {
	// File of your own rules for what hosts reply, tried before the built-in ones, written as in diag/reply/rules and as `resetd tray answer` prints them; `resetd explain -rules` tries one. Read at start. Default: "".
	RulesFile string `toml:"rules_file"`
}

// Canary is the loop check: a reset of our own through the whole chain, to our own receiver and back.
type Canary struct {
	// How often one goes by each route of each sending domain, a duration of at least 5m; 0 is only when somebody asks for it. It needs bounce_listen; with a bounce_mailbox, to which the MX leads then, none goes by itself. Default: "1h".
	Every Duration `toml:"every"`
	// How long it may take until what is missing counts as lost, 1m to 12h. Default: "15m".
	Within Duration `toml:"within"`
	// Whether the worker fetches its link at public_url; false where it cannot reach that. Default: true.
	OpenPage bool `toml:"open_page"`
}

// Route is a way out for mail: a relay (smarthost), or straight to the recipient's MX.
type Route struct {
	// Name that realms use; unique. Required.
	Name string `toml:"name"`
	// Relay to hand mail to, host:port. Either this or mx. Default: "".
	Smarthost string `toml:"smarthost"`
	// Whether mail goes straight to the recipient's MX. Default: false.
	MX bool `toml:"mx"`
	// Port of the recipient's MX; only with mx. Default: 25.
	Port int `toml:"port"`
	// Mails that may leave by this route in a time, N/DURATION of at most 31 days; those beyond it wait. 0 is no limit. Default: "0".
	Cap Rate `toml:"cap"`
	// none, opportunistic (STARTTLS where offered, unverified), required (STARTTLS) or implicit (TLS from the first byte), both verified with a smarthost; what a recipient's MX must prove is its own policy, mta_sts and dane. "" is required for a smarthost, opportunistic for mx. Default: "".
	TLS string `toml:"tls"`
	// Whether the MTA-STS policy of the recipient's domain is obeyed (RFC 8461): fetched over HTTPS, kept, and no mail to a host that does not fit; only with mx, and not with tls none. Default: true.
	MTASTS bool `toml:"mta_sts"`
	// Whether the DANE records of the recipient's hosts are obeyed (RFC 7672), which go before MTA-STS; needs a resolver that validates DNSSEC, on this machine or with [dns] trust_ad; only with mx, and not with tls none. Default: true.
	DANE bool `toml:"dane"`
	// PEM file of the authorities to trust; "" trusts the system's. Default: "".
	CAFile string `toml:"ca_file"`
	// Name to log in with; needs a password, and tls required or implicit. Default: "".
	Username string `toml:"username"`
	// File that holds the password. Default: "".
	PasswordFile string `toml:"password_file"`
	// The password itself; better in a file. Default: "".
	Password Secret `toml:"password"`
}

// Domain is one that mail comes from.
type Domain struct {
	// The domain; it signs for its subdomains too, unless they are listed themselves. Required.
	Name string `toml:"name"`
	// Keys that sign side by side; RSA and Ed25519 together suit every receiver.
	DKIM []DKIM `toml:"dkim"`
}

// DKIM is one signing key. `resetd keys dkim new` makes them and prints what to publish.
type DKIM struct {
	// Selector, the s= of the signature. Required.
	Selector string `toml:"selector"`
	// PEM file of the private key: RSA of at least 1024 bits (PKCS #1 or #8), or Ed25519 (PKCS #8). Required, unless key is given. Default: "".
	KeyFile string `toml:"key_file"`
	// The same PEM text in place of a file. Default: "".
	Key Secret `toml:"key"`
}

// Realm is a place where a password is kept.
type Realm struct {
	// Name, lower case: letters, digits, - and _; unique. Required.
	Name string `toml:"name"`
	// How its people sign in: password (we can reset it), sso or directory (it is kept elsewhere, no mail is sent). Default: "password".
	Login string `toml:"login"`
	// URLs of its login pages; a page belongs to the realm with the longest prefix of scheme, host and path. Default: [].
	Pages []string `toml:"pages"`
	// Where the password really is, for sso and directory.
	Provider Provider `toml:"provider"`
	// Where the app takes the new password: absolute, https unless loopback, with {token} in it. Required where login is password. Default: "".
	ResetURL string `toml:"reset_url"`
	// From of its mails, "Name <address>". Required where login is password. Default: "".
	From string `toml:"from"`
	// Names of the routes to try, in order. At least one where login is password. Default: [].
	Routes []string `toml:"routes"`
	// Life of a link from its acceptance by a mail host, 5m to 24h. Default: "60m".
	TokenTTL Duration `toml:"token_ttl"`
	// Role of an account that opens this realm; "" means that none is needed. Default: "".
	RequiredRole string `toml:"required_role"`
	// Whether passwords are reset here: on, or off, as while the realm is read-only. Then every ask is recorded and refused. Default: "on".
	Resets string `toml:"resets"`
	// Folder with LOCALE.txt, LOCALE.html and LOCALE.subject; "" uses the built-in texts. Default: "".
	Templates string `toml:"templates"`
	// Whether an admin may see a link: off, two_people or on. Only off is built so far. Default: "off".
	Reveal string `toml:"reveal"`
	// Who knows the accounts.
	Directory Directory `toml:"directory"`
}

// Provider is an identity provider or company directory.
type Provider struct {
	// Name as people know it. Default: "".
	Name string `toml:"name"`
	// Page where the password can be changed. Default: "".
	URL string `toml:"url"`
}

// Directory is who knows a realm's accounts.
type Directory struct {
	// none (the app vouches: the login is the address, the account is active), file or http. Default: "none".
	Kind string `toml:"kind"`
	// File of accounts, JSON Lines, read again when it changes; for kind file. Default: "".
	Path string `toml:"path"`
	// URL that answers POST {"realm","login"}; for kind http. Default: "".
	URL string `toml:"url"`
	// PEM file of the authorities to trust; for kind http; "" trusts the system's. Default: "".
	CAFile string `toml:"ca_file"`
	// File with a secret that is sent as a Bearer token; for kind http. Default: "".
	BearerFile string `toml:"bearer_file"`
	// The secret itself; better in a file. Default: "".
	Bearer Secret `toml:"bearer"`
}

// Hook is a source of provider events, at /v1/hooks/PROVIDER.
type Hook struct {
	// ses, sendgrid, mailgun, postmark or standard. Required.
	Provider string `toml:"provider"`
	// File with the secret or public key that events are verified with; ses needs none. Default: "".
	SecretFile string `toml:"secret_file"`
	// The secret itself; better in a file. Default: "".
	Secret Secret `toml:"secret"`
	// SNS topics that are accepted; ses only. Default: [].
	Topics []string `toml:"topics"`
	// Names of the routes that hand mail to this provider: silence about their mails is then told by why. Default: [].
	Routes []string `toml:"routes"`
}

// BounceMailbox is a mailbox to fetch returned mail from, where port 25 cannot be opened.
type BounceMailbox struct {
	// imaps://host:993/INBOX; "" fetches none. Default: "".
	IMAP string `toml:"imap"`
	// Name to log in with. Default: "".
	Username string `toml:"username"`
	// File that holds the password. Default: "".
	PasswordFile string `toml:"password_file"`
	// The password itself; better in a file. Default: "".
	Password Secret `toml:"password"`
	// Authorities that may vouch for the server; "" = the system's. Default: "".
	CAFile string `toml:"ca_file"`
}

// Key is a token key.
type Key struct {
	ID     string
	Secret [32]byte
}

// Signer is a DKIM key.
type Signer struct {
	Domain   string // the d=: the domain itself, or the parent that signs for it
	Selector string
	Key      crypto.Signer // *rsa.PrivateKey or ed25519.PrivateKey
}
