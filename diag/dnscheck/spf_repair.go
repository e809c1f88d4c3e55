package dnscheck

import "strings"

// spfSlips are what people write where SPF wants something else.
var spfSlips = [...]struct{ wrong, right string }{
	{"ipv4:", "ip4:"}, {"ipv6:", "ip6:"}, {"ip:", "ip4:"}, {"ip:", "ip6:"}, {"ip4=", "ip4:"}, {"ip6=", "ip6:"}, {"include=", "include:"}, {"includes:", "include:"}, {"redirect:", "redirect="},
}

// repairSPF gives a record that cannot be read without what is wrong with it: slips are mended, other terms that nobody can read are left
// out. "" = it cannot be done.
func repairSPF(record string) string {
	terms := strings.Fields(record)
	if len(terms) == 0 {
		return ""
	}
	kept := []string{"v=spf1"}
	for _, t := range terms[1:] {
		sign := ""
		if strings.ContainsRune("+-~?", rune(t[0])) {
			sign, t = t[:1], t[1:]
		}
		for _, s := range spfSlips {
			if rest, ok := strings.CutPrefix(lower(t), s.wrong); ok && reads(sign+s.right+rest) {
				t = s.right + rest
				break
			}
		}
		if reads(sign + t) {
			kept = append(kept, sign+t)
		}
	}
	out := strings.Join(kept, " ")
	if _, err := parseSPF(out); err != nil || len(kept) == 1 {
		return ""
	}
	return out
}

func reads(term string) bool {
	_, err := parseSPF("v=spf1 " + term)
	return err == nil
}
