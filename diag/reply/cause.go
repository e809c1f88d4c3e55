package reply

// usualCause is the cause that a reason has where the rule names none. permanent tells a refusal from a deferral; permanence
// matters only for reasons that are nobody's in particular.
func usualCause(r Reason, permanent bool) string {
	switch r {
	case ReasonUserUnknown, ReasonBadAddress:
		return "recipient.unknown_mailbox"
	case ReasonAddressMoved:
		return "recipient.moved"
	case ReasonMailboxDisabled:
		return "recipient.mailbox_disabled"
	case ReasonDomainUnknown:
		return "recipient.no_domain"
	case ReasonNoMailService:
		return "recipient.no_mail_service"
	case ReasonMailboxFull:
		return "recipient.mailbox_full"
	case ReasonRecipientRestricted:
		return "recipient.restricted"
	case ReasonSenderRejected:
		return "relay.sender_refused"
	case ReasonAuthFailure:
		return "sender.unauthenticated"
	case ReasonPTRRequired:
		return "sender.no_reverse_dns"
	case ReasonRelayDenied:
		return "recipient.relay_denied"
	case ReasonSMTPAuthRequired:
		return "relay.auth_failed"
	case ReasonTLSFailure:
		return "tls.policy_failed"
	case ReasonBlocklisted:
		return "sender.blocklisted"
	case ReasonSenderBlocked:
		return "sender.low_reputation"
	case ReasonRateLimited:
		if permanent {
			return "sender.low_reputation"
		}
		return "deferred.other"
	case ReasonGreylisted:
		return "deferred.greylisted"
	case ReasonSpamContent, ReasonVirusDetected, ReasonContentRejected, ReasonMessageTooLarge, ReasonMessageNoncompliant:
		return "sender.content_rejected"
	case ReasonPolicyRejected:
		return "sender.blocked_by_organisation"
	case ReasonConnectionFailed, ReasonRoutingFailed:
		return "deferred.remote_down"
	case ReasonExpired:
		return "deferred.expired"
	case ReasonSuppressed:
		return "suppressed.by_provider"
	case ReasonSystemError, ReasonSystemFull, ReasonProtocolError:
		if permanent {
			return "recipient.refused_other"
		}
		return "deferred.other"
	}
	return "unknown.unreadable_bounce"
}

// blameOf gives the blame that the catalogue of causes holds for the causes that a reply can prove; "" for any other.
func blameOf(cause string) string {
	switch cause {
	case "suppressed.by_provider", "relay.auth_failed", "relay.sender_refused", "relay.sandbox", "relay.quota",
		"relay.suspended", "relay.unreachable":
		return "relay"
	case "recipient.no_domain", "recipient.no_mail_service", "recipient.unknown_mailbox", "recipient.mailbox_disabled",
		"recipient.mailbox_full", "recipient.moved", "recipient.restricted", "recipient.relay_denied", "recipient.refused_other",
		"recipient.needs_smtputf8", "recipient.private_relay", "recipient.forward_failed", "deferred.remote_down", "deferred.other":
		return "recipient"
	case "sender.dmarc_rejected", "sender.unauthenticated", "sender.spf_fail", "sender.spf_permerror", "sender.dkim_key_mismatch",
		"sender.provider_requirements", "sender.no_reverse_dns", "sender.blocklisted", "sender.low_reputation",
		"sender.content_rejected", "tls.required", "unknown.unreadable_bounce":
		return "us"
	case "sender.blocked_by_organisation", "tls.policy_failed":
		return "their_policy"
	case "account.stale_address":
		return "account"
	case "deferred.greylisted", "deferred.expired":
		return "time"
	case "network.port25_blocked", "network.dns_failing":
		return "network"
	}
	return ""
}
