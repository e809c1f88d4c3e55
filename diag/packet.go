package diag

import (
	"fmt"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Us is who we are to other hosts, for an evidence packet. What is "" is not known, and said so.
type Us struct {
	HELO    string // the name that greets them
	IP      string // the address that they see
	PTR     string // its reverse name
	Bounces string // domain of the envelope sender
	SPF     string // what a check of our sender domain said
	DMARC   string
}

// Packet writes the evidence packet of the newest mail: a text for the recipient's IT, with what to search for and what to allow. It holds no
// link and no token. "" = no mail was offered to any host.
func Packet(in Input, us Us) string {
	v := look(&in)
	if v.mail == nil || len(v.mail.Attempts) == 0 {
		return ""
	}
	p := &packet{v: v, us: us}
	p.head()
	p.dialogues()
	p.returns()
	p.identity()
	p.search()
	p.allow()
	return p.b.String()
}

type packet struct {
	v    *view
	us   Us
	b    strings.Builder
	comp ledger.Composition
}

func (p *packet) line(name, value string) {
	fmt.Fprintf(&p.b, "%-18s %s\n", name+":", or(value, "not known"))
}

func (p *packet) head() {
	v := p.v
	if f := last(v.ofMail(v.mail, ledger.Composed)); f.Composition != nil {
		p.comp = *f.Composition
	}
	p.b.WriteString("A mail from us has not reached its recipient. It is a password reset that the person asked for;\nplease look it up at your side. All times are UTC.\n\nTHE MAIL\n")
	p.line("Recipient", quote(v.sentTo[v.mail.ID]))
	p.line("Message-ID", quote(p.comp.MessageID))
	p.line("From", quote(p.comp.From))
	p.line("Envelope sender", led("one address for this mail alone, at ", p.us.Bounces))
}

func (p *packet) dialogues() {
	p.b.WriteString("\nWHAT YOUR HOST SAID\n")
	for _, f := range p.v.mail.Attempts {
		a := f.Attempt
		if a == nil || stopped(a) {
			continue
		}
		host := or(a.Host, "no host")
		if p.v.smart(a) {
			host = "our relay " + host
		}
		fmt.Fprintf(&p.b, "%s  %s%s  %s%s%s\n", f.At.UTC().Format(time.RFC3339), host, led(" [", a.IP, "]"), a.Outcome, led(" at ", a.Stage), led(": ", replyText(a)))
		if a.QueueID != "" {
			fmt.Fprintf(&p.b, "%22squeue id %s\n", "", quote(a.QueueID))
		}
		fmt.Fprintf(&p.b, "%22s%s\n", "", or(led("over ", a.TLS), "without TLS"))
	}
}

func (p *packet) returns() {
	for _, f := range p.v.mail.Returns {
		if f.Return == nil || !f.Return.Matched {
			continue
		}
		fmt.Fprintf(&p.b, "%s  a report%s: %s%s\n", f.At.UTC().Format(time.RFC3339), led(" of ", quote(or(f.Return.RemoteHost, f.Return.ReportedBy))),
			or(f.Return.Action, string(f.Event)), led(", ", factText(f)))
	}
}

func (p *packet) identity() {
	p.b.WriteString("\nWHO WE ARE\n")
	p.line("Our IP", p.us.IP)
	p.line("HELO", p.us.HELO)
	p.line("Reverse name", p.us.PTR)
	if len(p.comp.Selectors) == 0 {
		p.line("DKIM", "")
	}
	for _, s := range p.comp.Selectors {
		selector, domain, _ := strings.Cut(s, "._domainkey.")
		p.line("DKIM", "d="+quote(domain)+" s="+quote(selector))
	}
	p.line("SPF", or(p.us.SPF, led("not checked; look up TXT of ", p.us.Bounces)))
	p.line("DMARC", or(p.us.DMARC, led("not checked; look up TXT of _dmarc.", domainOf(p.comp.From))))
}

func (p *packet) search() {
	host := ""
	if f := last(p.v.lastAccepted(p.v.mail)); f.Attempt != nil {
		host = f.Attempt.Host
	} else if f, ok := telling(p.v.mail); ok {
		host = f.Attempt.Host
	}
	p.b.WriteString("\nWHAT TO SEARCH FOR\n")
	hints := []struct{ word, hint string }{
		{"microsoft", "Exchange admin centre, Mail flow, Message trace: the recipient, the times above; then the Message-ID. Look in Defender's quarantine too."},
		{"google", "Admin console, Reporting, Email log search: the Message-ID above, without angle brackets."},
		{"proofpoint", "Proofpoint, Smart Search: the recipient and the times above; then Quarantine."},
		{"mimecast", "Mimecast, Message Center: Accepted, Held and Rejected messages, by recipient and time."},
		{"barracuda", "Barracuda, Message Log: the recipient and the times above; then Quarantine."},
	}
	provider, told := ProviderOf(&ledger.Attempt{Host: host}), false
	for _, h := range hints {
		if h.word == provider {
			p.b.WriteString("- " + h.hint + "\n")
			told = true
		}
	}
	if !told {
		p.b.WriteString("- The mail log of the host above: its queue id, or the Message-ID.\n- With a gateway in front (Exchange message trace, Google email log search, Proofpoint Smart Search,\n  Mimecast Message Center, Barracuda Message Log): the recipient and the times above, and its quarantine.\n")
	}
	p.b.WriteString("- Rules of the mailbox that move or delete mail from our sender.\n")
}

func (p *packet) allow() {
	p.b.WriteString("\nWHAT TO ALLOW\n")
	if from := quote(p.comp.From); from != "" {
		p.b.WriteString("- The sender " + from + ", where its DKIM signature passes")
	} else {
		p.b.WriteString("- Our sender, where its DKIM signature passes")
	}
	p.b.WriteString("; not our IP alone, which can change.\n- No rewriting and no opening of the link ahead of the person, or it may be used up by what follows it.\n")
}
