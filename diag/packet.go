package diag

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Us is who we are to other hosts, and what a receiver of one mail could verify, for its evidence packet. What is "" or nil is not known, and
// said so.
type Us struct {
	HELO     string            // the configured name that greets hosts; what a dialogue noted goes before it
	From     []From            // addresses that the mail left from; nil = none is known
	Sender   string            // the envelope sender of this mail alone; "" = not known
	Bounces  string            // domain of the envelope sender
	SPF      string            // the record of that domain when the mail was sent
	DKIM     map[string]string // name of a key's record -> what stood there when the mail was sent
	DMARC    string            // what a receiver concluded of policy and alignment
	Verified time.Time         // when DNS said the three above; zero = when the mail was sent
}

// From is an address that mail leaves from.
type From struct {
	Addr netip.Addr
	// Configured: it was not seen at the connection, which began at a private address; [smtp] outgoing_ips names it.
	Configured bool
	PTR        string // what reverse DNS says of it
	SPF        string // the result for it
}

// Packet writes the evidence packet of the newest mail: a text for the recipient's IT, with what to search for and what to allow. It holds no
// link and no token. "" = no mail was offered to any host.
func Packet(in Input, us Us) string {
	v := look(&in)
	if v.mail == nil || len(v.mail.Attempts) == 0 {
		return ""
	}
	p := &packet{v: v, us: us}
	if f := last(v.ofMail(v.mail, ledger.Composed)); f.Composition != nil {
		p.comp = *f.Composition
	}
	for _, f := range v.mail.Attempts {
		if f.Attempt != nil && !stopped(f.Attempt) {
			p.dialogues = append(p.dialogues, f)
		}
	}
	p.head()
	p.said()
	p.identity()
	p.search()
	p.allow()
	return p.b.String()
}

// PacketMail is the mail that Packet speaks of; nil = none.
func PacketMail(in Input) *ledger.Message { return look(&in).mail }

type packet struct {
	v         *view
	us        Us
	b         strings.Builder
	comp      ledger.Composition
	dialogues []ledger.Fact // Attempted; those that we broke off ourselves say nothing
}

func (p *packet) line(name, value string) {
	fmt.Fprintf(&p.b, "%-16s %s\n", name+":", or(value, "not known"))
}

func (p *packet) text(lines ...string) {
	for _, l := range lines {
		p.b.WriteString(l + "\n")
	}
}

// head says in one sentence why the reader has this before them. Whether the mail arrived is theirs to find out.
func (p *packet) head() {
	accepted := last(p.v.lastAccepted(p.v.mail))
	_, returned := lastReturn(p.v.mail, ledger.Bounced, "failed")
	switch {
	case returned:
		p.text("The mail below came back to us. Please find out at your side why.")
	case accepted.Attempt == nil:
		p.text("Your mail system has not accepted the mail below. Please find out at your side why.")
	case p.v.smart(accepted.Attempt):
		p.text("Our relay took the mail below for you, and its recipient does not find it. Please look it up at", "your side: it may have been refused, held, or filtered.")
	case accepted.Attempt.Outcome == ledger.Ambiguous:
		p.text("We sent the mail below, your host did not answer its last line, and its recipient does not find it.", "Please look it up at your side: it may have been taken all the same.")
	default:
		p.text("Your mail system accepted the mail below, and its recipient does not find it. Please look it up at", "your side: it may be held, filtered, or moved.")
	}
	p.text("It is a password reset that the recipient asked for. All times are UTC.", "", "THE MAIL")
	p.line("Recipient", quote(p.v.sentTo[p.v.mail.ID]))
	p.line("Message-ID", quote(p.comp.MessageID))
	p.line("From", quote(p.comp.From))
	p.line("Envelope sender", or(quote(p.us.Sender), led("an address for this mail alone, at ", p.us.Bounces)))
}

func (p *packet) said() {
	p.text("", "WHAT THE HOSTS SAID")
	for _, f := range p.dialogues {
		a := f.Attempt
		host := or(a.Host, "no host")
		if p.v.smart(a) {
			host = "our relay " + host
		}
		fmt.Fprintf(&p.b, "%s  %s%s\n", utc(f.At), host, led(" [", a.IP, "]"))
		p.detail(ended(a) + led(", over ", a.TLS))
		said := "reply: "
		if a.Code == 0 {
			said = "seen from here: "
		}
		p.detail(led(said, quoteUpTo(replyWords(a), 1024)))
		p.detail(led("queue id: ", quote(a.QueueID)))
		p.detail(packetSecurity(a))
	}
	for _, f := range p.v.mail.Returns {
		if f.Return == nil || !f.Return.Matched {
			continue
		}
		fmt.Fprintf(&p.b, "%s  a report%s\n", utc(f.At), led(" of ", quote(or(f.Return.RemoteHost, f.Return.ReportedBy))))
		p.detail(or(f.Return.Action, string(f.Event)) + led(": ", factText(f)))
	}
}

// ended says how far a dialogue came, in words that stand in a mail log.
func ended(a *ledger.Attempt) string {
	stage := "at " + strings.ToUpper(a.Stage)
	switch a.Stage {
	case "":
		stage = ""
	case "dot":
		stage = "after the final dot"
	case "dial", "banner":
		stage = "while connecting"
	case "dns":
		stage = "while looking up your MX"
	}
	switch a.Outcome {
	case ledger.Accepted:
		return "accepted"
	case ledger.Ambiguous:
		return "all was sent, and no answer came " + stage
	case ledger.Deferred, ledger.Rejected:
		return string(a.Outcome) + " " + stage
	}
	return strings.TrimSpace("no dialogue, it ended " + stage)
}

func (p *packet) detail(s string) {
	if s != "" {
		fmt.Fprintf(&p.b, "%22s%s\n", "", s)
	}
}

// own are the dialogues with the recipient's hosts; of those with a relay the recipient's IT sees nothing.
func (p *packet) own() []ledger.Fact {
	return slices.DeleteFunc(slices.Clone(p.dialogues), func(f ledger.Fact) bool { return p.v.smart(f.Attempt) })
}

func (p *packet) identity() {
	p.text("", "WHO WE ARE")
	own := p.own()
	relay := ""
	if len(own) == 0 && len(p.dialogues) > 0 {
		relay = last(p.dialogues).Attempt.Host
	}
	if relay == "" {
		p.addresses(own)
	} else {
		p.text("The mail comes to you from our relay " + relay + ", with that relay's address and names.")
		p.line("SPF", or(led("judged for the relay's address; record: ", p.us.SPF), led("judged for the relay's address; look up TXT of ", p.us.Bounces)))
	}
	if len(p.comp.Selectors) == 0 {
		p.line("DKIM", p.unsigned())
	}
	for _, s := range p.comp.Selectors {
		selector, domain, _ := strings.Cut(s, "._domainkey.")
		p.line("DKIM", "d="+quote(domain)+" s="+quote(selector)+led("; ", p.us.DKIM[s]))
	}
	p.line("DMARC", or(p.us.DMARC, led("not checked; look up TXT of _dmarc.", domainOf(p.comp.From))))
	switch {
	case p.us.SPF == "" && p.us.DMARC == "":
	case p.us.Verified.IsZero():
		p.text("SPF, DKIM and DMARC as DNS stood when the mail was sent.")
	default:
		p.text("SPF, DKIM and DMARC as DNS stood at " + utc(p.us.Verified) + ".")
	}
}

// unsigned says that a mail carries no signature, where that is known.
func (p *packet) unsigned() string {
	if p.comp.MessageID == "" || len(p.comp.Selectors) > 0 {
		return ""
	}
	return "not signed"
}

// addresses are written where the mail went to the recipient's hosts from our own.
func (p *packet) addresses(own []ledger.Fact) {
	if len(p.us.From) == 0 {
		p.line("Our IP", "not known here; your log of these times shows it")
	}
	for _, f := range p.us.From {
		note := ""
		if f.Configured {
			note = " (by our configuration)"
		}
		p.line("Our IP", f.Addr.String()+note)
		p.line("Reverse name", or(f.PTR, "not checked; look up PTR of "+f.Addr.String()))
		p.line("SPF", or(f.SPF, led("not checked; look up TXT of ", p.us.Bounces)))
	}
	helo := ""
	for _, f := range own {
		helo = or(f.Attempt.HELO, helo)
	}
	p.line("HELO", or(helo, p.us.HELO))
	if len(p.us.From) == 0 {
		p.line("SPF", or(led("not judged, as our IP is not known; record: ", p.us.SPF), led("not checked; look up TXT of ", p.us.Bounces)))
	}
}

func (p *packet) search() {
	p.text("", "WHAT TO SEARCH FOR")
	if n := len(p.dialogues); n > 0 {
		from, to := p.dialogues[0].At.Add(-5*time.Minute), p.dialogues[n-1].At.Add(time.Hour)
		p.text("Recipient and Message-ID as above, from " + from.UTC().Format("2006-01-02 15:04") + " to " + to.UTC().Format("2006-01-02 15:04") + ".")
	}
	hints := []struct{ word, hint string }{
		{"microsoft", "- Exchange Online: admin center, Mail flow, Message trace, by Message-ID. Defender: Explorer and Quarantine."},
		{"google", "- Google Workspace: Admin console, Reporting, Email log search, by Message-ID without angle brackets;\n  then the admin quarantines."},
		{"proofpoint", "- Proofpoint: Smart Search by recipient and time; then Quarantine."},
		{"mimecast", "- Mimecast: Message Center, Message Tracking; then Held Messages and Rejected."},
		{"barracuda", "- Barracuda: Message Log by recipient and time; then Quarantine."},
	}
	provider := ProviderOf(&ledger.Attempt{Host: p.theirHost()})
	for _, first := range []bool{true, false} { // theirs on top; behind a gateway stands another system, so the rest follows
		for _, h := range hints {
			if (h.word == provider) == first {
				p.text(h.hint)
			}
		}
	}
	p.text("- Your own mail server: its log, by queue id or Message-ID.", "- The mailbox: junk folder, and rules that move, forward or delete mail.")
}

// theirHost is the host of the recipient that the mail was last offered to, or that reported on it; "" = not known.
func (p *packet) theirHost() string {
	if own := p.own(); len(own) > 0 {
		return last(own).Attempt.Host
	}
	for _, f := range slices.Backward(p.v.mail.Returns) {
		if f.Return != nil && f.Return.RemoteHost != "" {
			return f.Return.RemoteHost
		}
	}
	return ""
}

func (p *packet) allow() {
	p.text("", "WHAT TO ALLOW")
	sender := or(quote(bare(p.comp.From)), "our sender address")
	if p.unsigned() == "" {
		p.text("- Mail from " + sender + " where its DKIM signature passes; not our IP alone, which can change.")
	} else {
		p.text("- Mail from " + sender + "; it carries no DKIM signature.")
	}
	if p.comp.LinkHost != "" {
		p.text("- Links to the host " + quote(p.comp.LinkHost) + ": please neither rewrite them nor open them ahead of the person.")
	}
}

// bare is the address of a From field without its display name.
func bare(from string) string {
	if i := strings.LastIndexByte(from, '<'); i >= 0 {
		return strings.TrimRight(from[i+1:], "> ")
	}
	return from
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
