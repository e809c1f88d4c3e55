package bounce

import (
	"encoding/json"
	"strings"
)

// sesNotice is what Amazon SES says in an SNS notification that was subscribed by e-mail: the event as JSON in the text.
type sesNotice struct {
	Message   string `json:"Message"` // the SNS envelope holds the event as a string
	Type      string `json:"notificationType"`
	EventType string `json:"eventType"`
	Bounce    struct {
		BounceType   string `json:"bounceType"`
		SubType      string `json:"bounceSubType"`
		ReportingMTA string `json:"reportingMTA"`
		Recipients   []struct {
			Address    string `json:"emailAddress"`
			Action     string `json:"action"`
			Status     string `json:"status"`
			Diagnostic string `json:"diagnosticCode"`
		} `json:"bouncedRecipients"`
	} `json:"bounce"`
	Complaint struct {
		Recipients []struct {
			Address string `json:"emailAddress"`
		} `json:"complainedRecipients"`
	} `json:"complaint"`
	Delivery struct {
		Recipients   []string `json:"recipients"`
		Response     string   `json:"smtpResponse"`
		ReportingMTA string   `json:"reportingMTA"`
	} `json:"delivery"`
	Mail struct {
		MessageID string `json:"messageId"`
		Common    struct {
			MessageID string `json:"messageId"`
		} `json:"commonHeaders"`
	} `json:"mail"`
}

// eventMail reads such a notification.
func (w *walk) eventMail(m *Mail, level int) bool {
	for i := range w.parts {
		p := &w.parts[i]
		if p.mail != level || p.ctype != "text/plain" || p.preamble {
			continue
		}
		text := w.content(i)
		body := strings.TrimLeft(text, " \t\n")
		if !strings.HasPrefix(body, "{") {
			continue
		}
		at := strings.Index(text, "otificationType")
		if at < 0 {
			at = strings.Index(text, "ventType")
		}
		if at < 0 {
			continue
		}
		ev, ok := parseEvent(body, 0)
		if !ok {
			continue
		}
		start := strings.LastIndexByte(text[:at], '\n') + 1
		e := evidence{part: i, off: max(start, at-1), text: text[max(start, at-1):min(len(text), at+40)]}
		return w.eventReports(m, ev, e)
	}
	return false
}

func parseEvent(s string, depth int) (sesNotice, bool) {
	var ev sesNotice
	s = strings.ReplaceAll(s, "\n", "") // mail programs wrap inside strings
	if err := json.NewDecoder(strings.NewReader(s)).Decode(&ev); err != nil {
		return ev, false
	}
	if ev.Type == "" {
		ev.Type = ev.EventType
	}
	if ev.Type == "" && ev.Message != "" && depth == 0 {
		return parseEvent(ev.Message, 1)
	}
	return ev, ev.Type != ""
}

func (w *walk) eventReports(m *Mail, ev sesNotice, e evidence) bool {
	for _, id := range []string{ev.Mail.Common.MessageID, ev.Mail.MessageID} {
		if id = strings.Trim(id, "<> "); id != "" {
			m.MessageIDs = addOnce(m.MessageIDs, strings.Clone(clip(id, maxDiagnostic)))
		}
	}
	switch ev.Type {
	case "Bounce":
		for k, r := range ev.Bounce.Recipients {
			if k >= maxReports {
				break
			}
			f := finding{recipient: r.Address, action: statusAction(lower(r.Action), r.Status), status: r.Status,
				diagnostic: typedValue(r.Diagnostic), reporter: typedValue(ev.Bounce.ReportingMTA), because: e,
				around: texts(ev.Bounce.SubType)}
			m.Reports = append(m.Reports, w.report(f, m.Date))
		}
	case "Delivery":
		for k, a := range ev.Delivery.Recipients {
			if k >= maxReports {
				break
			}
			f := finding{recipient: a, action: ActionDelivered, diagnostic: ev.Delivery.Response, reporter: ev.Delivery.ReportingMTA, because: e}
			m.Reports = append(m.Reports, w.report(f, m.Date))
		}
	case "Complaint":
		m.Kind, m.Feedback = KindFeedback, FeedbackComplaint
		var rcpts []string
		for _, r := range ev.Complaint.Recipients {
			if len(rcpts) < maxReports {
				rcpts = append(rcpts, r.Address)
			}
		}
		w.complaints(m, rcpts, e)
		return true
	}
	if len(m.Reports) == 0 {
		return false
	}
	m.Kind = kindOf(m.Reports)
	return true
}
