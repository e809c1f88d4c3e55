package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/mailer/bounce/aggregate"
)

func ingestReportsCmd() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reports FILE…",
		Short: "read what receivers report about our mail: DMARC aggregate reports, TLS reports",
		Long: `Reads DMARC aggregate reports (XML) and TLS reports (JSON) and hands them to the workers, which count them. A FILE is a report, plain or in gzip or
zip, or a mail (.eml) that brought it; - is standard input.

The same report may be handed in any number of times, by file or by mail: it counts once. Whoever hands it in vouches for it: unlike a mail that
nobody signed, it may decide what a refusal means. A report about no domain of ours is refused; exit status 1 says that a FILE was not taken.`,
		Example: "  resetd ingest reports -config resetd.toml google.com!example.org!1795392000!1795478399.zip",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return wrongUsage(cmd, "ingest needs the daemon's configuration: it writes to the same store")
			}
			cfg, err := loadFor(file)
			if err != nil {
				return err
			}
			in, err := newIngest(cfg, false, newLog())
			if err != nil {
				return err
			}
			defer in.close()
			failed := 0
			for _, path := range args {
				told := handReports(cmd.Context(), cmd.InOrStdin(), cfg, in, path)
				if told.Refused != "" {
					failed++
				}
				if asJSON {
					if err := json.NewEncoder(cmd.OutOrStdout()).Encode(told); err != nil {
						return err
					}
					continue
				}
				printHanded(cmd.OutOrStdout(), told)
			}
			if failed > 0 {
				return couldNot("%d of %d files were not taken", failed, len(args))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the daemon's configuration `FILE`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object on a line for each FILE")
	return ours(cmd)
}

// handed is what became of one file.
type handed struct {
	File    string         `json:"file"`
	Refused string         `json:"refused,omitempty"` // why it was not taken; "" = it was
	Reports []handedReport `json:"reports"`
}

type handedReport struct {
	Kind   string   `json:"kind"`
	Org    string   `json:"org"`
	Domain string   `json:"domain"`
	Day    string   `json:"day"`
	Count  int64    `json:"count"` // mails, or attempts at TLS
	Ours   bool     `json:"ours"`
	Notes  []string `json:"notes,omitempty"`
}

// handReports reads one file here, so that what is wrong with it is said at once, and hands it over.
func handReports(ctx context.Context, stdin io.Reader, cfg *config.Config, in *ingest, path string) handed {
	out := handed{File: path, Reports: []handedReport{}}
	raw, err := readReport(stdin, path)
	if err != nil {
		out.Refused = reasonOf(err)
		return out
	}
	name := filepath.Base(path)
	all, err := aggregate.Read(name, raw)
	if err != nil {
		out.Refused = err.Error()
		return out
	}
	for _, r := range all {
		h := handedReport{Kind: string(r.Kind), Org: r.Org, Domain: r.Domain, Day: r.Day().Format(time.DateOnly), Notes: r.Notes, Ours: isOurs(cfg, r)}
		for _, row := range r.Rows {
			h.Count += row.Count
		}
		for _, s := range r.Sessions {
			h.Count += s.Count
		}
		out.Reports = append(out.Reports, h)
	}
	if !slices.ContainsFunc(out.Reports, func(h handedReport) bool { return h.Ours }) {
		out.Refused = "it is about no domain of ours"
		return out
	}
	one, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := in.events.keepReport(one, "file", name, raw); err != nil {
		out.Refused = err.Error()
	}
	return out
}

// readReport reads a file, a byte more than a report may have at most.
func readReport(stdin io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(stdin, aggregate.MaxInput+1))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, aggregate.MaxInput+1))
}

// isOurs says whether the workers will count a report.
func isOurs(cfg *config.Config, r aggregate.Report) bool {
	var ours []aggregate.Sender
	for _, q := range questionsOf(cfg) {
		ours = append(ours, aggregate.Sender{Domain: q.Domain})
	}
	if r.Kind == aggregate.DMARC {
		return aggregate.About(r, ours) || len(aggregate.Sort(r, ours)) > 0
	}
	return slices.ContainsFunc(r.Sessions, func(s aggregate.Sessions) bool {
		return s.Domain == cfg.SMTP.BounceDomain || slices.ContainsFunc(ours, func(o aggregate.Sender) bool { return o.Domain == s.Domain })
	})
}

func printHanded(w io.Writer, h handed) {
	for _, r := range h.Reports {
		what := "mails"
		if r.Kind == string(aggregate.TLS) {
			what = "attempts"
		}
		fmt.Fprintf(w, "%s: %s report by %s about %s, %s: %d %s\n", inert(h.File), r.Kind, inert(r.Org), cmp.Or(r.Domain, "several domains"), r.Day, r.Count, what)
		if !r.Ours {
			fmt.Fprintln(w, "  not ours: it is not counted")
		}
		for _, n := range r.Notes {
			fmt.Fprintln(w, "  "+n)
		}
	}
	if h.Refused != "" {
		fmt.Fprintf(w, "%s: not taken: %s\n", inert(h.File), inert(h.Refused))
	}
}
