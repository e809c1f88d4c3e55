package dnscheck

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// STSPolicy is a policy file of MTA-STS (RFC 8461 section 3.2).
type STSPolicy struct {
	Mode   string        `json:"mode"` // enforce, testing, none
	MX     []string      `json:"mx"`   // host names and "*." patterns, folded
	MaxAge time.Duration `json:"max_age"`
}

const (
	// maxPolicy bounds a policy file, in octets (RFC 8461 section 3.3 advises 64 kB).
	maxPolicy = 64 << 10
	// maxPolicyAge is the most that RFC 8461 section 3.2 allows, in seconds.
	maxPolicyAge = 31557600
	maxPolicyMX  = 256
)

// ParseSTSPolicy reads a policy file.
func ParseSTSPolicy(text string) (STSPolicy, error) {
	var p STSPolicy
	if len(text) > maxPolicy {
		return p, errors.New("dnscheck: the policy is larger than 64 kB")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.Trim(line, " \t") == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return p, errors.New("dnscheck: the policy has a line that is no key: value")
		}
		key, value = strings.TrimRight(key, " \t"), strings.Trim(value, " \t")
		if key != "mx" && seen[key] {
			continue // the first counts
		}
		seen[key] = true
		switch key {
		case "version":
			if value != "STSv1" {
				return p, errors.New("dnscheck: the policy is of another version than STSv1")
			}
		case "mode":
			if value != "enforce" && value != "testing" && value != "none" {
				return p, errors.New("dnscheck: the policy's mode is none of enforce, testing, none")
			}
			p.Mode = value
		case "max_age":
			n, err := strconv.Atoi(value)
			if err != nil || !digitsOnly(value) || n > maxPolicyAge {
				return p, fmt.Errorf("dnscheck: the policy's max_age is not 0 to %d", maxPolicyAge)
			}
			p.MaxAge = time.Duration(n) * time.Second
		case "mx":
			host := cleanDomain(strings.TrimPrefix(value, "*."))
			if host == "" || len(p.MX) == maxPolicyMX {
				return p, errors.New("dnscheck: the policy has an mx that is no host, or too many")
			}
			if strings.HasPrefix(value, "*.") {
				host = "*." + host
			}
			p.MX = append(p.MX, host)
		}
	}
	for _, key := range []string{"version", "mode", "max_age"} {
		if !seen[key] {
			return p, fmt.Errorf("dnscheck: the policy has no %s", key)
		}
	}
	if len(p.MX) == 0 && p.Mode != "none" {
		return p, errors.New("dnscheck: the policy names no mx")
	}
	return p, nil
}

// Covers reports whether the policy allows a mail host; "*." stands for exactly one label (RFC 8461 section 4.1).
func (p STSPolicy) Covers(host string) bool {
	host = foldName(host)
	for _, pattern := range p.MX {
		if pattern == host || strings.HasPrefix(pattern, "*.") && parent(host) == pattern[2:] && parent(host) != "" {
			return true
		}
	}
	return false
}
