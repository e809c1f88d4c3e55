package ledger

// Asked is how a host was asked whether a mailbox still has the owner whom we mean (RFC 7293).
type Asked string

const (
	ByRRVS  Asked = "rrvs"    // by the extension: a host that takes the recipient says yes
	ByField Asked = "field"   // by the header field, since the host does not offer the extension: whoever knows it on the way asks in our place
	NoTell  Asked = "no_tell" // by the extension, and the host cannot tell (X.7.19): the mail was offered without the question
)

// CannotTell is the detail of the enhanced status code by which a host says that it cannot tell (RFC 7293 section 14.4); the class stands in front.
const CannotTell = ".7.19"
