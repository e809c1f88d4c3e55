package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// The exit statuses of every command. 0 is "answered".
const (
	exitCould   = 1 // could not
	exitUsage   = 2 // wrong usage
	exitBadNews = 3 // answered, and the answer is bad news
)

// exitError ends the program with a status of its own. main prints msg to standard error.
type exitError struct {
	code int
	msg  string
}

func (e *exitError) Error() string { return e.msg }

func couldNot(format string, args ...any) error {
	return &exitError{exitCould, fmt.Sprintf(format, args...)}
}

func wrongUsage(cmd *cobra.Command, format string, args ...any) error {
	return &exitError{exitUsage, fmt.Sprintf(format, args...) + "\ntry: " + cmd.CommandPath() + " -help"}
}

// ours gives a command our way to fail: exit status 2 for wrong usage, and no text of cobra's own.
func ours(cmd *cobra.Command) *cobra.Command {
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return wrongUsage(c, "%s", err) })
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return wrongUsage(c, "%s", err)
			}
			return nil
		}
	}
	return cmd
}

// group is a command that only holds others: by itself, or with a name that none of them has, it is wrong usage.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return wrongUsage(c, "%s has no command %q", c.CommandPath(), args[0])
		}
		return wrongUsage(c, "%s what?", c.CommandPath())
	}}
	cmd.AddCommand(subs...)
	return ours(cmd)
}
