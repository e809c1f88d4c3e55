package bounce

import (
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

// Explained is a Mail in the shape of the public contract: what `resetd explain -json` and POST /v1/explain print, one
// JSON line per mail. Names and order of its fields are part of the contract.
type Explained struct {
	File      string            `json:"file"`
	Kind      Kind              `json:"kind"`
	Feedback  string            `json:"feedback,omitempty"`
	AutoReply string            `json:"auto_reply,omitempty"`
	Reports   []ExplainedReport `json:"reports"`
	Because   *ExplainedBecause `json:"because,omitempty"` // for kinds without reports
	Unread    []string          `json:"unread"`
}

// ExplainedReport is one recipient's report in the shape of the public contract.
type ExplainedReport struct {
	Recipient  string           `json:"recipient"`        // whom the mail was sent to, where the report tells that apart
	Final      string           `json:"final,omitempty"`  // whom it failed for, where aliases or forwards changed it
	Action     Action           `json:"action,omitempty"` // "" only where a complaint names its recipient
	Status     string           `json:"status"`
	Reason     reply.Reason     `json:"reason"`
	Cause      string           `json:"cause"`
	Host       string           `json:"host"`
	Diagnostic string           `json:"diagnostic"`
	Because    ExplainedBecause `json:"because"`
}

// ExplainedBecause quotes the input: a 1-based line and words that stand there.
type ExplainedBecause struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Explain puts m into the shape of the public contract; file names the input.
func Explain(file string, m Mail) Explained {
	e := Explained{
		File: file, Kind: m.Kind, Feedback: m.Feedback, AutoReply: m.AutoReply,
		Reports: make([]ExplainedReport, 0, len(m.Reports)), Unread: m.Unread,
	}
	if e.Unread == nil {
		e.Unread = []string{}
	}
	if m.Because != (reply.Because{}) {
		e.Because = &ExplainedBecause{m.Because.Line, m.Because.Text}
	}
	for _, r := range m.Reports {
		recipient, final := r.Recipient, ""
		if strings.Contains(r.Original, "@") {
			recipient, final = r.Original, r.Recipient
		}
		e.Reports = append(e.Reports, ExplainedReport{
			Recipient: recipient, Final: final, Action: r.Action, Status: r.Status, Reason: r.Reason, Cause: r.Cause, Host: r.RemoteHost,
			Diagnostic: r.Diagnostic, Because: ExplainedBecause{r.Because.Line, r.Because.Text},
		})
	}
	return e
}
