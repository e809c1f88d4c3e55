package reply

// Reason says in one word what a host's reply means. The words are those of the public contract ("reason" of
// `resetd explain`); the zero value is no reason at all and never comes out of Read, which says ReasonUnknown.
type Reason string

// The reasons. Each says what follows from it; the class in brackets is what Class returns.
const (
	ReasonUserUnknown         Reason = "user_unknown"         // no such mailbox (hard): the address is wrong or gone
	ReasonBadAddress          Reason = "bad_address"          // the address cannot be read or carried (hard): correct it
	ReasonAddressMoved        Reason = "address_moved"        // the mailbox moved away (hard): ask for the new address
	ReasonMailboxDisabled     Reason = "mailbox_disabled"     // it exists but is closed or inactive (hard): another address
	ReasonDomainUnknown       Reason = "domain_unknown"       // no such domain or host (hard): correct the domain
	ReasonNoMailService       Reason = "no_mail_service"      // the domain takes no mail (hard): another address
	ReasonMailboxFull         Reason = "mailbox_full"         // no room left (soft): the owner makes room
	ReasonRecipientRestricted Reason = "recipient_restricted" // it takes mail from chosen senders only (policy): its owner opens it
	ReasonSenderRejected      Reason = "sender_rejected"      // the sender's address is refused (policy): ours to fix
	ReasonAuthFailure         Reason = "auth_failure"         // SPF, DKIM or DMARC did not pass (policy): ours to fix
	ReasonPTRRequired         Reason = "ptr_required"         // reverse DNS or HELO name refused (policy): ours to fix
	ReasonRelayDenied         Reason = "relay_denied"         // that host does not serve the domain (policy): their MX is wrong
	ReasonSMTPAuthRequired    Reason = "smtp_auth_required"   // a login is wanted or was refused (policy): our credentials
	ReasonTLSFailure          Reason = "tls_failure"          // TLS is demanded or failed (policy)
	ReasonBlocklisted         Reason = "blocklisted"          // a named list holds our IP or domain (policy): get delisted
	ReasonSenderBlocked       Reason = "sender_blocked"       // the host's own judgement of us, by reputation or by hand (policy)
	ReasonRateLimited         Reason = "rate_limited"         // too much, too fast (soft): slow down
	ReasonGreylisted          Reason = "greylisted"           // first contact, come back later (soft): normal
	ReasonSpamContent         Reason = "spam_content"         // the mail looks like spam (policy): our text or links
	ReasonVirusDetected       Reason = "virus_detected"       // the mail looks infected (policy)
	ReasonContentRejected     Reason = "content_rejected"     // something in the mail is not wanted (policy)
	ReasonMessageTooLarge     Reason = "message_too_large"    // larger than the host takes (policy)
	ReasonMessageNoncompliant Reason = "message_noncompliant" // headers or body break a standard (policy): ours to fix
	ReasonPolicyRejected      Reason = "policy_rejected"      // a local rule without a nearer name (policy): ask their IT
	ReasonConnectionFailed    Reason = "connection_failed"    // no connection, or it broke (soft): wait
	ReasonRoutingFailed       Reason = "routing_failed"       // no way or a loop between their hosts (soft)
	ReasonExpired             Reason = "expired"              // tried until the queue gave up (soft)
	ReasonSystemError         Reason = "system_error"         // their machinery failed (soft): wait
	ReasonSystemFull          Reason = "system_full"          // their disk or memory is full (soft): wait
	ReasonProtocolError       Reason = "protocol_error"       // the dialogue itself went wrong (policy)
	ReasonSuppressed          Reason = "suppressed"           // our provider keeps the address on a list and sent nothing (policy)
	ReasonUnknown             Reason = "unknown"              // nothing known (soft): a person reads it
)

// Reasons lists every reason, most telling first, as the documentation does.
func Reasons() []Reason {
	return []Reason{
		ReasonUserUnknown, ReasonBadAddress, ReasonAddressMoved, ReasonMailboxDisabled, ReasonDomainUnknown, ReasonNoMailService,
		ReasonMailboxFull, ReasonRecipientRestricted, ReasonSenderRejected, ReasonAuthFailure, ReasonPTRRequired, ReasonRelayDenied,
		ReasonSMTPAuthRequired, ReasonTLSFailure, ReasonBlocklisted, ReasonSenderBlocked, ReasonRateLimited, ReasonGreylisted,
		ReasonSpamContent, ReasonVirusDetected, ReasonContentRejected, ReasonMessageTooLarge, ReasonMessageNoncompliant,
		ReasonPolicyRejected, ReasonConnectionFailed, ReasonRoutingFailed, ReasonExpired, ReasonSystemError, ReasonSystemFull,
		ReasonProtocolError, ReasonSuppressed, ReasonUnknown,
	}
}

// Class groups reasons by what to do with the address.
type Class string

// The classes.
const (
	Hard   Class = "hard"   // the address is no good: never write to it again unasked
	Soft   Class = "soft"   // time may heal it
	Policy Class = "policy" // somebody decided against this mail or this sender; the address is not at fault
)

// Class returns the group of r. A reason that is none of the list counts as policy: nobody's address is blamed for it.
func (r Reason) Class() Class {
	switch r {
	case ReasonUserUnknown, ReasonMailboxDisabled, ReasonAddressMoved, ReasonBadAddress, ReasonDomainUnknown, ReasonNoMailService:
		return Hard
	case ReasonMailboxFull, ReasonRateLimited, ReasonGreylisted, ReasonConnectionFailed, ReasonRoutingFailed, ReasonExpired,
		ReasonSystemError, ReasonSystemFull, ReasonUnknown:
		return Soft
	}
	return Policy
}
