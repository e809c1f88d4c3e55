package bounce

import "strings"

// containers are files that people take for a mail, by how they begin, and what to do about each.
var containers = [...]struct{ begins, what string }{
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "this is an Outlook item (.msg), not the mail as it came: save it as .eml, or forward it as an attachment to a mailbox that can"},
	{"\x1f\x8b", "this is compressed with gzip: unpack it first"},
	{"PK\x03\x04", "this is a ZIP archive: unpack it first"},
	{"%PDF-", "this is a PDF, not the mail as it came: save the mail itself as .eml"},
	{"\xff\xfe", "this is text in UTF-16: save the mail as it came"},
	{"\xfe\xff", "this is text in UTF-16: save the mail as it came"},
}

// container says what a file is that holds no mail, and is given for one; "" = it may be one.
func container(data string) string {
	if strings.Trim(data[:min(len(data), 4<<10)], " \t\n") == "" && len(data) <= 4<<10 {
		return "it is empty"
	}
	for _, c := range containers {
		if strings.HasPrefix(data, c.begins) {
			return c.what
		}
	}
	return ""
}
