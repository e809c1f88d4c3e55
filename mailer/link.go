package mailer

import (
	"errors"
	"fmt"
	"html"
	"net/netip"
	"net/url"
	"strings"
)

// ErrBadLink means that the link would not bring its reader back to us. What wraps it says why, without the link.
var ErrBadLink = errors.New("the mail's link is wrong")

// maxLink bounds the link, in bytes: longer ones are cut by some programs.
const maxLink = 900

// checkLink looks at the link as the reader's program will: absolute, https (or loopback), on public_url's host, with the token whole.
func checkLink(link, public, token string) (host string, err error) {
	no := func(why string) (string, error) { return "", fmt.Errorf("%w: %s", ErrBadLink, why) }
	if len(link) > maxLink || strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>\"\\^`{|}", r) }) {
		return no("longer than 900 bytes, or with characters that do not stand in a URL")
	}
	u, err := url.Parse(link)
	if err != nil {
		return no("it does not parse as a URL")
	}
	base, err := url.Parse(public)
	if err != nil || base.Host == "" {
		return no("public_url does not parse as an absolute URL")
	}
	switch {
	case u.Host == "" || u.Opaque != "":
		return no("it is not absolute")
	case u.User != nil:
		return no("it names a user before the host")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return no("it is not https")
	case u.Scheme != base.Scheme || !strings.EqualFold(u.Host, base.Host):
		return no("its host is " + clip(u.Host) + " and public_url's is " + clip(base.Host))
	case !strings.HasPrefix(link, strings.TrimSuffix(public, "/")+"/"):
		return no("it does not begin with public_url")
	case token == "" || !strings.Contains(link, token):
		return no("it does not carry the token")
	}
	return u.Host, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(asciiLower(host), ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// carries says whether the link stands whole in both texts: in the plain one as it is, in the HTML one also behind an href.
func (r rendered) carries(link, locale string) error {
	if !strings.Contains(r.text, link) {
		return fmt.Errorf("%w: %s.txt: the link is not in it, write {{.Link}}", ErrTemplate, locale)
	}
	if !linked(r.html, link) {
		return fmt.Errorf("%w: %s.html: no href holds the link, write <a href=\"{{.Link}}\">", ErrTemplate, locale)
	}
	return nil
}

// linked finds the link as the value of an href, after the escapes of HTML.
func linked(body, link string) bool {
	for rest := html.UnescapeString(body); ; {
		i := strings.Index(rest, link)
		if i < 0 {
			return false
		}
		before := strings.TrimRight(rest[:i], "\"' ")
		after := rest[i+len(link):]
		if strings.HasSuffix(asciiLower(before), "href=") && (after == "" || strings.ContainsAny(after[:1], "\"' >")) {
			return true
		}
		rest = after
	}
}
