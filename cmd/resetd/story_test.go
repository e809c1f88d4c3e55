package main

import (
	"os"
	"strings"
	"testing"
)

// docs/story.md shows commands, and parts of what the demo prints for each: every line of them must stand in what it prints.
func storyIsTrue(t *testing.T, url, key string) {
	page, err := os.ReadFile("../../docs/story.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, lines := 0, 0
	said := ""
	inside := false
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		command, isCommand := strings.CutPrefix(line, "$ resetd ")
		switch {
		case line == "```":
			inside, said = !inside, ""
		case !inside || line == "":
		case isCommand:
			out, code, msg := runCLI2(t, append(strings.Fields(command), "-url", url, "-key", key)...)
			if code != 0 {
				t.Errorf("%s: status %d, %s", line, code, msg)
			}
			said = flat(out)
			commands++
		case said != "":
			if lines++; !strings.Contains(said, flat(line)) {
				t.Errorf("nowhere in what it prints: %q\n%s", line, said)
			}
		}
	}
	if commands < 8 || lines < 20 {
		t.Errorf("only %d commands and %d lines were looked at", commands, lines)
	}
}

// flat is text without its line breaks and indents.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }
