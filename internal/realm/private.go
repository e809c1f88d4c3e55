package realm

import "errors"

// ErrPrivateAddress is a dial that our own rule refused: the name led to an address that is not on the public Internet. A URL in a
// configuration is written by somebody whom we trust; the DNS behind it may not be.
var ErrPrivateAddress = errors.New("a loopback, link-local or private address, and allow_private_addresses is off")
