package reply

import (
	"fmt"
	"strings"
)

// hosts finds the provider of a host name: its longest suffix that is listed.
type hosts map[string]string

// provider returns the provider that runs the named host, "" when it is not listed.
func (h hosts) provider(host string) string {
	host = strings.TrimSuffix(strings.TrimSpace(host), ".")
	if host == "" || len(host) > 253 {
		return ""
	}
	var b [253]byte
	n := copy(b[:], host)
	for i := range b[:n] {
		b[i] = lower(b[i])
	}
	for i := 0; i < n; i++ {
		if i == 0 || b[i-1] == '.' {
			if p, ok := h[string(b[i:n])]; ok {
				return p
			}
		}
	}
	return ""
}

// readProviders reads providers.tsv: name, other names, host suffixes, phrases; lists are joined by "|".
func (b *Book) readProviders(root *sprout) error {
	t, err := tables.ReadFile("providers.tsv")
	if err != nil {
		return err
	}
	b.hosts, b.aliases = hosts{}, map[string]string{}
	for n, line := range strings.Split(string(t), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return fmt.Errorf("providers.tsv:%d: %d columns, want 4", n+1, len(f))
		}
		name := f[0]
		if b.aliases[name] != "" {
			return fmt.Errorf("providers.tsv:%d: %q again", n+1, name)
		}
		b.aliases[name] = name
		b.providers = append(b.providers, name)
		for _, a := range list(f[1]) {
			b.aliases[a] = name
		}
		for _, h := range list(f[2]) {
			b.hosts[h] = name
		}
		for _, p := range list(f[3]) {
			if err := b.addPhrase(root, p, alternative{provider: uint16(len(b.providers))}); err != nil {
				return fmt.Errorf("providers.tsv:%d: %w", n+1, err)
			}
		}
	}
	return nil
}

func list(s string) []string {
	if s == "-" || s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

// providerOf names who speaks: as the caller says, else by host, greeting, or the words found by the scan.
func (b *Book) providerOf(r Reply, s *scratch) string {
	if r.Provider != "" {
		if p, ok := b.aliases[r.Provider]; ok {
			return p
		}
		if p, ok := b.aliases[strings.ToLower(r.Provider)]; ok {
			return p
		}
		if r.Provider != "-" {
			return r.Provider
		}
	}
	if p := b.hosts.provider(r.Host); p != "" {
		return p
	}
	if r.Banner != "" {
		if p := b.hosts.provider(firstWord(r.Banner)); p != "" {
			return p
		}
	}
	if s.provider != 0 {
		return b.providers[s.provider-1]
	}
	return ""
}

// stageIn reads where in the dialogue a relay says that it was refused: "(in reply to RCPT TO command)".
func stageIn(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	for _, intro := range [...]string{"in reply to ", "remote mail server after "} {
		i := strings.Index(text, intro)
		if i < 0 {
			continue
		}
		rest := text[i+len(intro):]
		for _, x := range [...]struct{ words, stage string }{
			{"rcpt to", "rcpt"}, {"mail from", "mail"}, {"end of data", "dot"}, {"data", "data"}, {"ehlo", "ehlo"}, {"helo", "ehlo"},
			{"pipelined rcpt", "rcpt"}, {"pipelined mail", "mail"}, {"pipelined data", "data"}, {"starttls", "starttls"},
			{"initial connection", "banner"}, {"auth", "auth"},
		} {
			if hasFold(rest, x.words) {
				return x.stage
			}
		}
	}
	return ""
}
