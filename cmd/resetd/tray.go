package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

// trayCmd is `resetd tray`: returned mail that a person must look at.
func trayCmd() *cobra.Command {
	var d *door
	var answered bool
	cmd := ours(&cobra.Command{
		Use: "tray", Short: "returned mail that could not be read: look at it, say what it means", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			all := []store.TrayItem{}
			for cursor := ""; ; {
				items, next, err := c.Tray(cmd.Context(), cursor)
				if err != nil {
					return d.failed(err)
				}
				for _, t := range items {
					if t.Answer == nil || answered {
						all = append(all, t)
					}
				}
				if next == "" {
					break
				}
				cursor = next
			}
			if d.json {
				return printJSON(cmd, map[string]any{"items": all, "next_cursor": ""})
			}
			p := printerFor(cmd)
			if len(all) == 0 {
				p.text("", "The tray is empty: all that came back was read.")
			}
			for _, t := range all {
				p.printTrayItem(t)
			}
			return nil
		},
	})
	d = clientFlags(cmd)
	cmd.Flags().BoolVar(&answered, "answered", false, "also what was answered already, with its rules")
	cmd.AddCommand(d.answerCmd())
	return cmd
}

func (d *door) answerCmd() *cobra.Command {
	var a api.AnswerBody
	cmd := ours(&cobra.Command{
		Use: "answer RETURN -reason WORD", Short: "say what a return means", Args: cobra.ExactArgs(1),
		Long: "Says what RETURN (ret_…) means. The verdict about its mail changes at once, and a rule is printed: put into the file of\n" +
			"[diag] rules_file, it reads such a return from the next start on. With -action none it is no report at all, and needs no reason.\n\nThe words for -reason: " + strings.Join(desk.ReturnReasons(), ", ") + ".",
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.Reason == "" && a.Action != "none" {
				return wrongUsage(cmd, "-reason is needed: what does the return mean? -action none says that it is no report")
			}
			c, err := d.client(cmd)
			if err != nil {
				return err
			}
			t, err := c.AnswerReturn(cmd.Context(), args[0], a)
			if err != nil {
				return d.failed(err)
			}
			if d.json {
				return printJSON(cmd, t)
			}
			p := printerFor(cmd)
			p.text("", "Recorded. `resetd why` goes by it from now on.")
			p.printRule(t)
			return nil
		},
	})
	f := cmd.Flags()
	f.StringVar(&a.Reason, "reason", "", "a `WORD` of the list above")
	f.StringVar(&a.Action, "action", "", "failed, delayed or none (no report); else as the return says")
	f.StringVar(&a.Words, "words", "", "the `WORDS` of the return that say so, to make the rule of; else its diagnostic lines")
	f.StringVar(&a.Note, "note", "", "for colleagues and the audit trail")
	return cmd
}

func (p *printer) printTrayItem(t store.TrayItem) {
	p.heading(string(t.ID))
	p.text("  ", words.Time(t.At)+", "+words.Tray(t.Why))
	for _, row := range []struct{ name, value string }{
		{"reset", string(t.Reset)}, {"subject", t.Subject}, {"from", t.From}, {"about", t.Recipient}, {"host", t.Host}, {"status", t.Status},
	} {
		if row.value != "" {
			p.item(fmt.Sprintf("  %-9s", row.name), row.value)
		}
	}
	for _, l := range t.Lines {
		p.quote("  | ", l)
	}
	for _, l := range t.Notice {
		p.quote("  > ", l)
	}
	for _, u := range t.Unread {
		p.item("  - ", "not read: "+u)
	}
	if n := t.Answer; n != nil {
		what := n.Reason
		if what == "" {
			what = "no report"
		}
		if n.Note != "" {
			what += ": " + n.Note
		}
		p.item("  answer   ", fmt.Sprintf("%s, by %s, %s", what, n.By, words.Time(n.At)))
		p.printRule(t)
	}
}

// printRule prints the rule of an answer as it is, to be copied.
func (p *printer) printRule(t store.TrayItem) {
	switch {
	case t.Answer == nil || t.Answer.Reason == "":
	case t.Answer.Rule == "":
		p.text("", "No rule could be made of it: there are no words to go by. -words names them.")
	default:
		p.text("", "The rule, for the file of [diag] rules_file; `resetd explain -rules FILE` tries it:")
		fmt.Fprintln(p.w)
		for line := range strings.Lines(t.Answer.Rule) {
			indent := len(line) - len(strings.TrimLeft(line, " "))
			fmt.Fprintln(p.w, line[:indent]+inert(strings.TrimSpace(line)))
		}
	}
}
