package main

import "regexp"

var singleDash = regexp.MustCompile(`^-[A-Za-z][A-Za-z0-9-]+(=(?s:.*))?$`)

// normalizeArgs lets flags be written with one dash or two: the documentation writes -json, the flag library wants --json and would take -json for
// -j -s -o -n. We have no flags of one letter besides -h, so nothing is lost. What follows a bare -- is left alone.
func normalizeArgs(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		if singleDash.MatchString(a) {
			a = "-" + a
		}
		out[i] = a
	}
	return out
}
