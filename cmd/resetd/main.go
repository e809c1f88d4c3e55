// Command resetd says why a password-reset mail never arrived, and what to do now.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// version is set by the build, see Makefile.
var version = "development"

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is the program with its arguments; it returns the exit status.
func run(args []string) int {
	root := rootCmd()
	root.SetArgs(normalizeArgs(args))
	err := root.Execute()
	if err == nil {
		return 0
	}
	var e *exitError
	if errors.As(err, &e) {
		if e.msg != "" {
			fmt.Fprintln(os.Stderr, "resetd: "+e.msg)
		}
		return e.code
	}
	fmt.Fprintln(os.Stderr, "resetd: "+err.Error())
	return exitCould
}

func rootCmd() *cobra.Command {
	root := ours(&cobra.Command{
		Use:   "resetd",
		Short: "Why did the reset mail never arrive, and what do I do now?",
		Long: `resetd takes requests for password resets, sends the mails, records what every mail host says, and tells support why a user got nothing,
whose move it is, and whether sending again will help.

Begin with:  resetd demo`,
		Version: version,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(demoCmd(), serveCmd(), configCmd(), keysCmd(),
		explainCmd(), checkCmd(), probeCmd(), requestCmd(), whyCmd(), resendCmd(), queueCmd(), suppressionsCmd(), incidentsCmd(), trayCmd(), auditCmd(), ingestCmd(), reportsCmd())
	return root
}
