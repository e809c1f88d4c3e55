package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/config"
)

// configCmd is `resetd config`: an example to start from, and what start-up would refuse.
func configCmd() *cobra.Command {
	example := ours(&cobra.Command{
		Use: "example", Short: "print an annotated configuration with every key", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Example())
			return err
		},
	})
	var asJSON bool
	check := ours(&cobra.Command{
		Use: "check FILE", Short: "say what start-up would refuse, with line and reason", Args: cobra.ExactArgs(1),
		Long: "Reads FILE, the files that it names and the RESETD_ variables, as start-up does. Exit status 3 when start-up would refuse; warnings alone are no reason to.",
		RunE: func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args[0], asJSON) },
	})
	check.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return group("config", "the configuration: an example, and a check", example, check)
}

// problemJSON is one problem for programs.
type problemJSON struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text,omitempty"`
	What   string `json:"what"`
	Try    string `json:"try,omitempty"`
}

func checkConfig(cmd *cobra.Command, file string, asJSON bool) error {
	cfg, problems := config.Check(file, os.Environ())
	if len(problems) == 0 {
		problems = hookProblems(file, cfg)
	}
	out := cmd.OutOrStdout()
	if asJSON {
		list := func(ps []config.Problem) []problemJSON {
			js := []problemJSON{}
			for _, p := range ps {
				js = append(js, problemJSON{p.File, p.Line, p.Col, p.Text, p.What, p.Try})
			}
			return js
		}
		err := json.NewEncoder(out).Encode(struct {
			OK       bool          `json:"ok"`
			Problems []problemJSON `json:"problems"`
			Warnings []problemJSON `json:"warnings"`
		}{len(problems) == 0, list(problems), list(cfg.Warnings)})
		if err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			fmt.Fprint(out, "error: ")
			p.Print(out)
		}
		for _, p := range cfg.Warnings {
			fmt.Fprint(out, "warning: ")
			p.Print(out)
		}
	}
	if len(problems) > 0 {
		return &exitError{exitBadNews, fmt.Sprintf("%s: start-up would refuse it: %s", file, counted(len(problems), "problem"))}
	}
	if !asJSON {
		if n := len(cfg.Warnings); n > 0 {
			fmt.Fprintf(out, "ok, with %s\n", counted(n, "warning"))
		} else {
			fmt.Fprintln(out, "ok")
		}
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
