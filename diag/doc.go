// Package diag answers why a reset mail did not arrive, and what to do now. It is a pure function: facts in, a Case out; no I/O, no
// clock, no state.
//
// # How a verdict is found
//
// Rules look at the Input and yield findings; each has a cause of the catalogue, a confidence, evidence and a rank. The finding of the
// best rank is the verdict, the others become `also`. Between two of one rank the surer one wins, then the one whose rule stands
// earlier. The ranks, best first, and why they stand so:
//
//	closed    The account is deleted or suspended now. Nothing that any mail did or did not do matters beside that.
//	seen      The password was changed since the newest mail was born, and somebody saw what went wrong then: sign-in goes to the
//	          provider, the application did not store the password, the account is locked, another login name is needed. It stands
//	          above `door`, because a person who used a link was let through the door.
//	door      There is no password here that a mail could reset, or the account may not have one yet: SSO, company directory,
//	          invitation, activation, no role, no address, several accounts. This also holds when nobody asked us: the page of an SSO
//	          realm may never have called.
//	link      Somebody was at a link since the newest mail was born. A link that a person holds says more than any host's reply; it
//	          may be the link of an older mail.
//	mail      The newest mail's own story names an obstacle: refused, returned, deferred, held, withdrawn, not built.
//	page      The ask came from, or the person speaks of, a page that belongs to another realm or to none of ours; or only another realm
//	          was asked. It stands below `mail`: an obstacle that a host told us holds wherever the button was. It stands above
//	          everything that only says "no trace". When the page is what the person tells us now and the newest ask is older than a
//	          token lives, it stands above `mail` too: that ask was another one.
//	lookup    The login is unknown here, or only a look-alike is known. It stands below `page`: on another realm's page the right
//	          login is no typing error.
//	trace     The mail is on its way, or a host took it and nothing more is known; nobody asked; our records do not reach so far.
//	note      Never a verdict while anything else is known.
//
// Rules look at the newest message of the newest reset, not at the newest fact of a kind: last year's bounce is not today's. Three
// things reach across resets: a second ask within the merge window is told by the mail that serves it; a link is what was visited or
// used since the newest mail was born, whichever mail it came in; servers of one domain are compared over a week.
//
// # How sure it is
//
// A finding is certain when a host, a directory, the application or our own record says it; likely when a person or an inference says it;
// possible otherwise. When a sensor that the cause rests upon was blind in the window (for "no trace": the way back for bounces; for
// "nobody asked": the intake), it is one step less sure, and the case lists what could not be seen. A returned mail that does not fit
// ours in return path and recipient is a claim: it is listed as possible and decides nothing, except that one which names another
// recipient tells of a forward.
//
// # Words
//
// The catalogue (causes.tsv) holds the wording: what to say, why a resend helps or not, who does what. The texts for users (tell.tsv)
// hang on the next step, not on the cause, in six languages. "Delivered" is said only where a host reported it.
package diag
