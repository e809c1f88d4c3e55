package bounce

import "strings"

// ownPrefix begins the header fields that our composer adds; they tell which message a returned mail was.
const ownPrefix = "x-resetd-"

const maxMessageIDs = 20

// returnedHeader takes what we keep of the returned mail's header.
func returnedHeader(hdr []field) Header {
	var h Header
	for i := range hdr {
		name := lower(hdr[i].name)
		value := func() string { return strings.Clone(clip(redact(decodeWords(unfold(hdr[i].value))), maxDiagnostic)) }
		switch name {
		case "from":
			setOnce(&h.From, value)
		case "to":
			setOnce(&h.To, value)
		case "subject":
			setOnce(&h.Subject, value)
		case "message-id":
			setOnce(&h.MessageID, func() string { return firstID(hdr[i].value) })
		case "date":
			if h.Date.IsZero() {
				h.Date = parseDate(hdr[i].value)
			}
		default:
			if strings.HasPrefix(name, ownPrefix) && len(h.Own) < 20 {
				if h.Own == nil {
					h.Own = make(map[string]string)
				}
				h.Own[strings.Clone(name)] = value()
			}
		}
	}
	return h
}

func setOnce(s *string, value func() string) {
	if *s == "" {
		*s = value()
	}
}

// firstID returns the first message id of a value, without its brackets; "" = none.
func firstID(s string) string {
	ids := messageIDs(nil, s)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// messageIDs adds the ids in s, without brackets, to ids.
func messageIDs(ids []string, s string) []string {
	for len(ids) < maxMessageIDs {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		s = s[i+1:]
		z := strings.IndexByte(s, '>')
		if z < 0 {
			break
		}
		if id := strings.TrimSpace(s[:z]); id != "" && len(id) < 1000 && strings.IndexByte(id, '@') > 0 && !strings.ContainsAny(id, " \n\t") {
			ids = addOnce(ids, strings.Clone(id))
		}
		s = s[z+1:]
	}
	return ids
}

func addOnce(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}
