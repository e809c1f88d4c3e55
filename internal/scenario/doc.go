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
//	-- demo --      LOGIN in REALM: what the demo says of this person
//	-- world --     what is there before anything happens
//	-- script --    what happens, and what must be said then
//	-- NAME --      a file beside the configuration, such as texts/en.txt
//
// The world has realms shop (passwords, mail straight to the recipient's host), community (SSO, provider Acme ID) and control (passwords,
// role moderator) from the start; it is said in these lines:
//
//	setting KEY=VALUE…                  retry=1m,3m  merge=60s  account=5/1h  source=100/1h  retention=720h  bounces=off
//	realm NAME [password|sso|directory] [provider='…'] [role=…] [routes=a,b] [ttl=60m] [directory=file|http|none] [templates=DIR] [pages=URL,URL]
//	account LOGIN [in REALM] [STATE] [METHOD] [address=… username=… other=a,b locale=… roles=a,b provider=… merged=… id=…]
//	host DOMAIN[/2] [name=HOST] HOW     the domain's mail host; /2 is its second one
//	relay NAME HOW                      a smarthost, and the route of its name
//	route NAME                          another way straight to the recipient's host
//	dns DOMAIN null-mx|gone|fails|silent|well|mx=HOST|a=IP|txt='…'
//	directory REALM HOW                 answers, hangs, fails, html, huge, twice, cut, odd, redirects, refuses
//
// HOW a host behaves: accepts · refuses STAGE CODE [ENHANCED] 'words' (banner, mail, rcpt, data, dot) · full · knows nobody · greylists TIME ·
// is down · hangs up (after the final dot) · and beside these: without EXT, with starttls, cert expired|other-name|self-signed, wants login (one that
// we do not know), takes login.
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
//	host DOMAIN returns LOGIN [in REALM] ACTION STATUS 'diagnostic' [mail=N] [about=ADDRESS] [: 550]
//	host DOMAIN answers LOGIN 'words' (out of office) · host DOMAIN complains LOGIN · host DOMAIN mumbles LOGIN 'words' (a notice nobody can read)
//	forger returns LOGIN … (a return path that nobody signed)
//	host, dns, directory, account, relay lines as in the world: it is so from now on; account LOGIN [in REALM] gone
//	worker|receiver stops|crashes|starts
//
// What must be said:
//
//	why LOGIN [in REALM] [page=URL] [reset=first|last]: CAUSE [certain|likely|possible], resend WORD, who WHO, also CAUSE, not CAUSE, blind, sighted, cases N
//	state LOGIN [in REALM]: STATE · mails DOMAIN: N
//
// The time between two moments passes at once: what is booked between them happens at the second one. Before a line that looks at something,
// all that is due has been done.
package scenario
