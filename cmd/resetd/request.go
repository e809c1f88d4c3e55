package main

import (
	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api"
)

// requestCmd is `resetd request`: a reset started from the back end.
func requestCmd() *cobra.Command {
	var ask api.AskBody
	var d *door
	cmd := ours(&cobra.Command{
		Use: "request LOGIN -realm REALM", Short: "start a reset from the back end", Args: cobra.ExactArgs(1),
		Long: "Starts a reset for LOGIN, as if the person had pressed the button. The mail goes only to the address that the realm's directory holds; what became of it is told by `resetd why`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if ask.Realm == "" {
				return wrongUsage(cmd, "-realm is needed: whose password is it?")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			ask.Login = args[0]
			id, err := c.Request(cmd.Context(), ask)
			if err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, map[string]any{"reset": id})
			}
			p := printerFor(cmd)
			p.strong("Recorded as " + string(id) + ".")
			p.text("", "What becomes of it: resetd why "+string(id))
			return nil
		},
	})
	d = clientFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&ask.Realm, "realm", "", "`REALM` whose password it is")
	f.StringVar(&ask.Page, "page", "", "`URL` where the person asked")
	f.StringVar(&ask.Reason, "reason", "", "why, for the audit trail")
	f.StringVar(&ask.Locale, "locale", "", "language of the mail, such as de")
	return cmd
}
