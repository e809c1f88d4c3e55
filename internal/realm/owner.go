package realm

import (
	"net/url"
	"path"
	"strings"
)

// Page is a URL as pages are compared: scheme, host and path, nothing else.
type Page struct {
	Scheme string // lower case: http or https
	Host   string // lower case, no trailing dot, with a port unless it is the scheme's own
	Path   string // unescaped, cleaned, no trailing slash; "" is the root
}

// ParsePage reads a URL; query and fragment are dropped, since applications put what they like there. Not ok are URLs that are not absolute or not http(s).
func ParsePage(raw string) (Page, bool) {
	const maxURL = 8 << 10
	if len(raw) > maxURL {
		return Page{}, false
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Opaque != "" {
		return Page{}, false
	}
	p := Page{Scheme: strings.ToLower(u.Scheme), Host: Normal(strings.TrimSuffix(u.Hostname(), "."))}
	if p.Scheme != "http" && p.Scheme != "https" || p.Host == "" || strings.HasSuffix(p.Host, ".") {
		return Page{}, false
	}
	if strings.Contains(p.Host, ":") {
		p.Host = "[" + p.Host + "]"
	}
	if port := u.Port(); port != "" && !(p.Scheme == "https" && port == "443") && !(p.Scheme == "http" && port == "80") {
		p.Host += ":" + port
	}
	// Cleaned, so that /community/../admin/ is admin's page and no other's.
	p.Path = strings.TrimSuffix(path.Clean("/"+u.Path), "/")
	return p, true
}

// Within says whether p lies at or below prefix, on whole path segments: /app holds /app/login and not /apple. A path parameter (RFC 3986 section 3.3)
// ends a segment, as in /login;jsessionid=1.
func (p Page) Within(prefix Page) bool {
	if p.Scheme != prefix.Scheme || p.Host != prefix.Host {
		return false
	}
	rest, ok := strings.CutPrefix(p.Path, prefix.Path)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == ';')
}

// Owner says whose login page a URL is: the realm with the longest page prefix. Not ok means that the page is none of ours, or no URL. Between equals
// the first realm wins; config refuses such pages.
func Owner(realms []Realm, page string) (name string, ok bool) {
	at, good := ParsePage(page)
	if !good {
		return "", false
	}
	best := -1
	for _, r := range realms {
		for _, raw := range r.Pages {
			prefix, good := ParsePage(raw)
			if good && at.Within(prefix) && len(prefix.Path) > best {
				best, name = len(prefix.Path), r.Name
			}
		}
	}
	return name, best >= 0
}
