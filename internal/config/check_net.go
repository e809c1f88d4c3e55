package config

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hostPort splits host:port; the host may be empty, the port 0.
func hostPort(s string) (host string, port int, ok bool) {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, false
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHost(host, false) {
		return "", 0, false
	}
	return host, port, true
}

func (k *checker) listen(path, address string, mayBeEmpty bool) {
	if address == "" && mayBeEmpty {
		return
	}
	if _, _, ok := hostPort(address); !ok {
		k.bad(path, last(path)+" is not host:port", last(path)+` = "127.0.0.1:8025"; port 0 picks one`)
	}
}

// reportBox checks a local part at the bounce domain: a plain word, and none that means something else there.
func (k *checker) reportBox(path, local string) {
	switch lower := strings.ToLower(local); {
	case local == "":
	case len(local) > 64 || !boxName.MatchString(lower):
		k.bad(path, "this is no local part of letters, digits, dots and hyphens", "")
	case lower == "postmaster" || lower == "abuse" || strings.HasPrefix(lower, "b-"):
		k.bad(path, "this local part has another meaning at the bounce domain", "")
	}
}

var boxName = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)

func (k *checker) sameAddress(path, a, other, b string) {
	if !k.has(path) { // show the one that was written
		path, other = other, path
	}
	if _, port, ok := hostPort(a); ok && port != 0 && a == b {
		k.bad(path, last(path)+" is the address of "+last(other), "give it a port of its own")
	}
}

// isHost checks RFC 1123 section 2.1 syntax; single means one label. Underscores are let through in selectors only.
func isHost(s string, single bool) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) == 0 || len(s) > 253 || single && len(s) > 63 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || single && c == '_') {
				return false
			}
		}
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

// isAddressLiteral is RFC 5321 section 4.1.3's [192.0.2.1] or [IPv6:…].
func isAddressLiteral(s string) bool {
	in, ok := strings.CutPrefix(s, "[")
	if !ok || !strings.HasSuffix(in, "]") {
		return false
	}
	_, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(in, "]"), "IPv6:"))
	return err == nil
}

func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// ownURL checks a URL that users will be sent to: a token travels in it, so it is https, except on this very machine.
func (k *checker) ownURL(path, raw string) (*url.URL, bool) {
	name := last(path)
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		k.bad(path, name+" is not a URL", name+` = "https://…"`)
	case u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "":
		k.bad(path, name+" is not absolute: a mail has no page that it could be relative to", name+` = "https://…"`)
	case u.User != nil:
		k.bad(path, name+" has a user name in it", "mail programs warn of such links; take it out")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		k.bad(path, name+" is plain http, and the link in it opens an account", "use https; http is for loopback hosts")
	default:
		if p := u.Port(); p != "" {
			if _, port, ok := hostPort("h:" + p); !ok || port == 0 {
				k.bad(path, name+" has a port that is none", "")
				return u, false
			}
		}
		return u, true
	}
	return u, false
}

func (k *checker) redisURL(path, raw string) {
	u, err := url.Parse(raw)
	const try = "redis://, rediss://, redis+sentinel://h1,h2/master/0, redis+cluster://h1,h2, or \"\" for a child server"
	if err != nil { // several hosts with ports are no URL to net/url
		scheme, rest, ok := strings.Cut(raw, "://")
		if !ok || scheme != "redis+sentinel" && scheme != "redis+cluster" {
			k.bad(path, "redis is not a URL", try)
			return
		}
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			rest = rest[i+1:]
		}
		hosts, p, _ := strings.Cut(rest, "/")
		u = &url.URL{Scheme: scheme, Host: hosts, Path: "/" + p}
	}
	hosts := u.Host
	switch u.Scheme {
	case "redis", "rediss":
		if db := strings.Trim(u.Path, "/"); db != "" {
			if n, err := strconv.Atoi(db); err != nil || n < 0 {
				k.bad(path, "redis has a database that is no number", "redis://host:6379/0")
			}
		}
	case "redis+sentinel":
		if strings.Trim(u.Path, "/") == "" {
			k.bad(path, "redis+sentinel needs the name of the master", "redis+sentinel://h1,h2/master/0")
		}
	case "redis+cluster":
	default:
		k.bad(path, "redis has a scheme that is unknown", try)
		return
	}
	if hosts == "" {
		k.bad(path, "redis names no host", try)
		return
	}
	for h := range strings.SplitSeq(hosts, ",") {
		bare := h
		if host, port, ok := hostPort(h); ok && port != 0 {
			bare = host
		}
		bare = strings.Trim(bare, "[]")
		if _, err := netip.ParseAddr(bare); err != nil && !isHost(strings.ReplaceAll(bare, "_", "-"), false) {
			k.bad(path, "redis names a host that is none", try)
			return
		}
	}
}

func (k *checker) imapURL(path, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "imaps" && u.Scheme != "imap":
		k.bad(path, "imap is not a URL", `imap = "imaps://host:993/INBOX"`)
	case u.Scheme == "imap" && !isLoopback(u.Hostname()):
		k.bad(path, "imap without TLS would tell the password to everyone on the way", `imap = "imaps://host:993/INBOX"`)
	case u.User != nil:
		k.bad(path, "imap has a user name in it", "username and password_file have keys of their own")
	}
}

// caFile reads authorities; nil means the system's.
func (k *checker) caFile(path string, file *string) *x509.CertPool {
	if *file == "" {
		return nil
	}
	*file = k.abs(*file)
	text, err := readCapped(*file)
	if err != nil {
		k.bad(path, "the file cannot be read: "+reason(err), "")
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		k.bad(path, "the file holds no certificate in PEM", "-----BEGIN CERTIFICATE-----")
		return nil
	}
	return pool
}
