package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/store"
)

// underWay is how long mail that was signed may still be on its way: queues of other hosts try for up to five days (RFC 5321 section
// 4.5.4.1), and each of their attempts may be verified anew.
const underWay = 5 * 24 * time.Hour

// signsNow is how old a worker's word that it signs with a key may be; it says so every ten seconds.
const signsNow = 2 * time.Minute

func dkimListCmd() *cobra.Command {
	var file string
	cmd := ours(&cobra.Command{
		Use: "list", Short: "the configured keys, and what DNS shows of them", Args: cobra.NoArgs,
		Long: "Compares the record of each configured key with the key, and says which ones are in use. Exit status 3: one of them is not as it should be; a pending one without a record is.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, deps, err := configAndDNS(cmd, file)
			if err != nil {
				return err
			}
			p := printerFor(cmd)
			bad := false
			for _, q := range questionsOf(cfg) {
				if len(q.Selectors) == 0 {
					p.text("", q.Domain+": no key signs its mail.")
				}
				for _, s := range withUse(cmd.Context(), cfg, q).Selectors {
					k := dnscheck.CheckKey(cmd.Context(), deps.DNS, q.Domain, s)
					p.item(fmt.Sprintf("%-10s ", k.Status), k.Name+": "+k.Why+" ("+useSays(k.Use)+").")
					if k.Status != dnscheck.KeyMatch {
						bad = bad || k.Use != dnscheck.KeyPending || k.Status != dnscheck.KeyAbsent
						if k.Publish != "" {
							fmt.Fprintln(p.w, "           publish: "+inert(k.Publish))
						}
					}
				}
			}
			if bad {
				return &exitError{code: exitBadNews}
			}
			return nil
		},
	})
	cmd.Flags().StringVar(&file, "config", "", "the configuration `FILE`")
	return cmd
}

// configAndDNS opens what the commands about keys work with.
func configAndDNS(cmd *cobra.Command, file string) (*config.Config, dnscheck.Deps, error) {
	if file == "" {
		return nil, dnscheck.Deps{}, wrongUsage(cmd, "-config is needed: the configuration that names the keys")
	}
	cfg, err := loadFor(file)
	if err != nil {
		return nil, dnscheck.Deps{}, err
	}
	deps, err := dnsOf(cfg)
	if err != nil {
		return nil, dnscheck.Deps{}, couldNot("%v", err)
	}
	return cfg, deps, nil
}

func dkimRotateCmd() *cobra.Command {
	var file, selector, domain, dir string
	cmd := ours(&cobra.Command{
		Use: "rotate", Short: "make a new pair, and say when its records are visible and it may sign", Args: cobra.NoArgs,
		Long: "The first time it makes the pair S-rsa and S-ed and prints the records to publish. Each time, the first included, it asks the configured resolver and every authoritative server\n" +
			"of the zone; until all of them show both records it ends with exit status 3. Then it prints the lines that make the pair current. The keys in use go on signing; take them out\n" +
			"of the configuration in the same step, and retire them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !dnsLabel.MatchString(selector):
				return wrongUsage(cmd, "-selector is needed: letters, digits and -, such as r2026; a new one for each rotation")
			case !dnsDomain.MatchString(domain):
				return wrongUsage(cmd, "-domain is needed, such as example.org; an internationalised one in its xn-- form")
			case dir == "":
				return wrongUsage(cmd, "-out is needed: the folder for the two private keys")
			}
			cfg, deps, err := configAndDNS(cmd, file)
			if err != nil {
				return err
			}
			return rotate(cmd, cfg, deps, selector, domain, dir)
		},
	})
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "the configuration `FILE`")
	f.StringVar(&selector, "selector", "", "`S`, the first part of both selectors")
	f.StringVar(&domain, "domain", "", "`DOMAIN` of the From addresses")
	f.StringVar(&dir, "out", "", "`DIR` for the private keys")
	return cmd
}

func rotate(cmd *cobra.Command, cfg *config.Config, deps dnscheck.Deps, selector, domain, dir string) error {
	for _, s := range cfg.DKIM(domain) {
		if s.Selector == selector+"-rsa" || s.Selector == selector+"-ed" {
			return wrongUsage(cmd, "the selector is in use already; a rotation needs a new one")
		}
	}
	keys, err := readPair(selector, dir)
	if errors.Is(err, fs.ErrNotExist) {
		if keys, err = makePair(selector, dir); err == nil {
			err = writePair(keys, dir)
		}
	}
	if err != nil {
		return couldNot("%v", err)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "; In the zone of %s:\n", domain)
	printRecords(out, keys, domain)
	fmt.Fprintln(out)
	v := dnscheck.Everywhere{DNS: deps.DNS}
	if cfg.SMTP.AllowPrivateAddresses {
		v.Allow = func(netip.Addr) bool { return true }
	}
	p := printerFor(cmd)
	missing := 0
	for _, k := range keys {
		for _, s := range v.CheckKey(cmd.Context(), domain, k.asSelector()) {
			p.item(fmt.Sprintf("%-10s ", s.Key.Status), s.Where+", "+k.selector+": "+s.Key.Why+".")
			if s.Key.Status != dnscheck.KeyMatch {
				missing++
			}
		}
	}
	fmt.Fprintln(out)
	if missing > 0 {
		return &exitError{exitBadNews, "the records are not visible everywhere yet, so the pair must not sign. Publish them, and run this again"}
	}
	fmt.Fprintln(out, "# The records are visible everywhere that was asked. Put these lines in place of the old keys', and restart resetd:")
	printTables(out, keys, domain)
	return nil
}

func dkimRetireCmd() *cobra.Command {
	var file, domain string
	cmd := ours(&cobra.Command{
		Use: "retire SELECTOR", Short: "check that nothing signs with a key any more, and say how to revoke it", Args: cobra.ExactArgs(1),
		Long: "Refuses, with exit status 3, while the configuration names the key or a worker signs with it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !dnsLabel.MatchString(args[0]):
				return wrongUsage(cmd, "SELECTOR is none: letters, digits and -")
			case !dnsDomain.MatchString(domain):
				return wrongUsage(cmd, "-domain is needed, such as example.org")
			}
			cfg, _, err := configAndDNS(cmd, file)
			if err != nil {
				return err
			}
			return retire(cmd, cfg, args[0], strings.ToLower(domain))
		},
	})
	cmd.Flags().StringVar(&file, "config", "", "the configuration `FILE`")
	cmd.Flags().StringVar(&domain, "domain", "", "`DOMAIN` that the key signs for")
	return cmd
}

func retire(cmd *cobra.Command, cfg *config.Config, selector, domain string) error {
	for _, s := range cfg.DKIM(domain) {
		if strings.EqualFold(s.Selector, selector) {
			return &exitError{exitBadNews, "the configuration names this key, so mail is signed with it. Take its [[domain.dkim]] table out and restart resetd on every host first"}
		}
	}
	name := selector + "._domainkey." + domain
	last, asked, err := lastSigned(cmd.Context(), cfg, name)
	if err != nil {
		return couldNot("whether a worker signs with the key is not known: %v", err)
	}
	p := printerFor(cmd)
	since := time.Since(last)
	switch {
	case !asked:
		p.text("", "Only the configuration was asked, as its store runs inside of the daemon: make sure that no daemon with an older one runs.")
	case last.IsZero():
		p.text("", "No worker is known to have signed with this key.")
	case since < signsNow:
		return &exitError{exitBadNews, "a worker signs with this key: it runs with an older configuration. Restart it first"}
	case since < underWay:
		p.text("", "A worker signed with it last at "+words.Time(last)+". Mail from then may be under way until "+words.Time(last.Add(underWay))+": leave the record in place until then.")
	default:
		p.text("", "A worker signed with it last at "+words.Time(last)+"; that mail is no longer under way.")
	}
	p.text("", "Then revoke it, by publishing an empty key in place of the record (RFC 6376 section 3.6.1); the private key's file can be deleted:")
	fmt.Fprintf(cmd.OutOrStdout(), "\n%s. 3600 IN TXT \"v=DKIM1; p=\"\n", name)
	return nil
}

// lastSigned asks the store when a worker last signed with a key; asked is false where the store is a child of the daemon.
func lastSigned(ctx context.Context, cfg *config.Config, name string) (last time.Time, asked bool, err error) {
	if cfg.Store.Redis == "" {
		return time.Time{}, false, nil
	}
	rdb, err := store.Open(string(cfg.Store.Redis))
	if err != nil {
		return time.Time{}, false, err
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := store.New(rdb, store.Options{Durability: "memory"}).Signing(ctx)
	return all[name], true, err
}
