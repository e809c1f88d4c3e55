package dnscheck

// Severity orders findings by what follows from them.
type Severity string

const (
	// OK: in order; said so that people see that it was looked at.
	OK Severity = "ok"
	// Note: worth knowing; nobody loses mail over it.
	Note Severity = "note"
	// Warning: some receivers treat the mail worse, or it will be an error soon.
	Warning Severity = "warning"
	// Error: mail is refused or lost now.
	Error Severity = "error"
)

// rank orders severities, worst first.
func (s Severity) rank() int {
	switch s {
	case Error:
		return 0
	case Warning:
		return 1
	case Note:
		return 2
	}
	return 3
}
