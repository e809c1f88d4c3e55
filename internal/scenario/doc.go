// Package scenario plays stories about people who did not get their reset mail: what happened, step by step, and what resetd must say of it.
//
// A story is a file of folder stories that a mail operator can read and write. The same file is played in three houses: with simulated time
// in this process (go test ./internal/scenario), against the real binary with a real Redis (go test ./cmd/resetd -run TestScenarios), and as
// one of the demo's people.
//
// # The notation
//
// A file begins with the story in a sentence or three. Sections follow, each with one line per thing; # begins a comment, words with
// spaces stand in single quotes.
//
//	-- mixed --     what contradicts what, where the evidence is of more than one kind: such stories are counted
//	-- demo --      LOGIN in REALM: what the demo says of this person
//	-- world --     what is there before anything happens
//	-- script --    what happens, and what must be said then
//	-- NAME --      a file beside the configuration, such as texts/en.txt
//
// The world has realms shop (passwords, mail straight to the recipient's host), community (SSO, provider Acme ID) and control (passwords,
// role moderator) from the start; it is said in these lines:
//
//	setting KEY=VALUE…                  retry=1m,3m  merge=60s  account=5/1h  source=100/1h  retention=720h  bounces=off  deny=NET,NET  public=URL  ips=IP,IP
//	realm NAME [password|sso|directory] [provider='…'] [role=…] [routes=a,b] [ttl=60m] [directory=file|http|none] [templates=DIR] [pages=URL,URL] [resets=off]
//	account LOGIN [in REALM] [STATE] [METHOD] [address=… username=… other=a,b locale=… roles=a,b provider=… merged=… id=…]
//	host DOMAIN[/2] [name=HOST] HOW     the domain's mail host; /2 is its second one
//	relay NAME HOW                      a smarthost, and the route of its name
//	route NAME                          another way straight to the recipient's host
//	cap ROUTE N/TIME                    how many mails may leave by it in a time
//	hook PROVIDER [ROUTE…]              sendgrid, mailgun, postmark, ses or standard tells what becomes of the mails of these routes
//	dns DOMAIN null-mx|gone|fails|silent|well|mx=HOST|a=IP|txt='…'|ours|dane
//	directory REALM HOW                 answers, hangs, fails, html, huge, twice, cut, odd, redirects, refuses
//
// HOW a host behaves: accepts · refuses STAGE CODE [ENHANCED] 'words' (banner, mail, rcpt, data, dot) · full · knows nobody · greylists TIME ·
// is down · is silent (to the dial) · says nothing (once connected) · hangs up (after the final dot) · and beside these: without EXT, with starttls, cert expired|other-name|self-signed, wants login (one that
// we do not know), takes login. Two domains whose hosts have one name share that host: a provider. acme.example is ours, our return paths are
// of bounces.acme.example, our DKIM key is e1._domainkey.acme.example; `dns NAME ours` puts our record back.
//
// `dns DOMAIN dane` signs the domain and publishes what its hosts show now (TLSA); a host that is told its HOW again has a new certificate.
//
// A line with {1..9} in it stands for nine lines: p{1..9}@fine.example are nine people.
//
// A line of the script may begin with the time since the story began (90s, 4m, 25h), or +TIME since the line before. Who does what:
//
//	app|support|admin asks LOGIN [in REALM] [page=URL ip=… locale=… agent='…'] [: 400 bad_login]
//	app|support reports KIND LOGIN [in REALM] [detail='…' ago=TIME]
//	support|admin resends LOGIN [in REALM] [route=… force] [: 409 resend_futile]
//	admin cancels LOGIN [in REALM] · admin releases ADDRESS · ops|admin pauses|resumes [ROUTE]
//	person|scanner opens LOGIN [in REALM] [mail=N] [: 410]      · person presses LOGIN … (the page's button)
//	app redeems|inspects LOGIN [in REALM] [mail=N] [at=REALM] [cut|altered] [: 410 used]
//	app says done|failed LOGIN [in REALM] [detail='…']
//	host DOMAIN returns LOGIN [in REALM] ACTION STATUS 'diagnostic' [mail=N] [about=ADDRESS clock=TIME] [: 550]
//	host DOMAIN answers LOGIN 'words' (out of office) · host DOMAIN complains LOGIN · host DOMAIN mumbles LOGIN 'words' (a notice nobody can read)
//	forger returns LOGIN … (a return path that nobody signed)
//	provider NAME says EVENT LOGIN [in REALM] ['words'] [mail=N about=ADDRESS ago=TIME signed=TIME id=ID] [nameless] [forged] [: 401]
//	  (delivered, bounced, deferred, dropped, rejected, complained, opened, clicked, unsubscribed, processed; ago: it happened so long ago;
//	  signed: so long ago was it signed; the same id is the same event, told again; nameless: it names no mail)
//	ops|admin resends incident [force] [route=…]: 202 resent N[, why N…]
//	ops checks DOMAIN: CAUSE, not CAUSE  (what DNS says of our domain: the causes of its errors)
//	clock steps TIME                     (Redis' clock, and with it resetd's; forwards, or back with -5m; nobody else's)
//	store loses its queue                (and keeps the ledgers)
//	host, dns, directory, account, relay lines as in the world: it is so from now on; account LOGIN [in REALM] gone
//	worker|receiver stops|crashes|starts · worker starts without REALM (in its configuration)
//
// What must be said:
//
//	why LOGIN [in REALM] [page=URL] [reset=first|last]: CAUSE [certain|likely|possible], resend WORD, who WHO, also CAUSE, not CAUSE, blind, sighted, cases N,
//	  incident CAUSE (it belongs to one), alone (to none). Where no word is given of a resend, it must be the catalogue's for the cause.
//	incident [KIND NAME]: CAUSE, open|over, size N, about KIND NAME, evidence WORDS      the newest one
//	incidents: N · state LOGIN [in REALM]: STATE · mails DOMAIN: N
//
// The time between two moments passes at once: what is booked between them happens at the second one. Before a line that looks at something,
// all that is due has been done.
package scenario
