package reply

import (
	"path/filepath"
	"testing"
)

var benchReplies = []Reply{
	{Host: "gmail-smtp-in.l.google.com", Stage: "rcpt", Text: "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550-5.1.1 double-checking the recipient's email address for typos or\r\n550 5.1.1 unnecessary spaces. Learn more at https://support.example/mail - gsmtp"},
	{Text: "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.lists.example; see the page"},
	{Text: "450 4.2.0 <jo@corp.example>: Recipient address rejected: Greylisted, try again in 300 seconds"},
	{Host: "corp-example.mail.protection.outlook.com", Text: "550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit the portal"},
	{Text: "552 5.2.2 Mailbox full"},
	{Text: "421 Too many connections"},
	{Text: "550 Empfänger unbekannt"},
	{Text: "250 2.0.0 OK queued as 4F2A"},
}

// BenchmarkRead reads one reply per iteration; the floor is 200,000 a second on one core, at most 4 allocations.
func BenchmarkRead(b *testing.B) {
	Read(benchReplies[0])
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Read(benchReplies[i%len(benchReplies)])
	}
}

// BenchmarkBook measures the start: tables are read once per process.
func BenchmarkBook(b *testing.B) {
	for b.Loop() {
		if _, err := newBook("", ""); err != nil {
			b.Fatal(err)
		}
	}
}

// Reading allocates nothing that grows with the text.
func TestAllocations(t *testing.T) {
	for _, r := range benchReplies {
		if n := testing.AllocsPerRun(50, func() { Read(r) }); n > 4 {
			t.Errorf("%v allocations for %q", n, r.Text)
		}
	}
}

// BenchmarkCorpus reads real replies, where they are present.
func BenchmarkCorpus(b *testing.B) {
	var replies []Reply
	for _, c := range corpus(b, filepath.Join(shared(b), "corpora", "bounces", "replies.tsv")) {
		replies = append(replies, Reply{Text: c.reply})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Read(replies[i%len(replies)])
	}
}
