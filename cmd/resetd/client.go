package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/internal/api"
)

// defaultURL is where a daemon and the demo listen unless they are told otherwise.
const defaultURL = "http://127.0.0.1:8025"

// door is how a client command reaches a daemon.
type door struct {
	url, key string
	json     bool
}

// clientFlags gives a command, and those below it, the flags of a client.
func clientFlags(cmd *cobra.Command) *door {
	d := &door{}
	f := cmd.PersistentFlags()
	f.StringVar(&d.url, "url", "", "`URL` of the daemon; else RESETD_URL, else "+defaultURL)
	f.StringVar(&d.key, "key", "", "API `KEY`; better RESETD_KEY, which no list of processes shows")
	f.BoolVar(&d.json, "json", false, "print JSON for programs")
	return d
}

// client makes the client, once the flags are read.
func (d *door) client(cmd *cobra.Command) (*api.Client, error) {
	if d.url == "" {
		d.url = os.Getenv("RESETD_URL")
	}
	if d.url == "" {
		d.url = defaultURL
	}
	if u, err := url.Parse(d.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, wrongUsage(cmd, "the daemon's URL is none: set RESETD_URL or -url to something like %s", defaultURL)
	}
	if d.key == "" {
		d.key = os.Getenv("RESETD_KEY")
	}
	if d.key == "" {
		return nil, wrongUsage(cmd, "there is no API key: set RESETD_KEY, or give -key. `resetd keys api` makes one, `resetd demo` prints some")
	}
	return &api.Client{URL: d.url, Key: d.key}, nil
}

// failed turns a client's error into words and a hint what to try next.
func (d *door) failed(err error) error {
	var p *api.Problem
	var dns *net.DNSError
	var slow net.Error
	switch {
	case errors.As(err, &p) && p.Status == 401:
		return couldNot("%s does not know this API key.\nhint: keys stand in the daemon's [[api_key]] tables as SHA-256; is RESETD_KEY the secret itself, and of this daemon?", d.url)
	case errors.As(err, &p) && p.Status == 403 && p.Code == "forbidden":
		return couldNot("the role of this API key may not do that.\nhint: use a key of a role that may; `resetd help` and openapi.yaml say which.")
	case errors.As(err, &p):
		return couldNot("%s (%s)", inert(p.Detail), inert(p.Code))
	case errors.Is(err, syscall.ECONNREFUSED):
		return couldNot("nobody listens at %s.\nhint: is the daemon running there? Set RESETD_URL or -url to its address; `resetd demo` starts one to play with.", d.url)
	case errors.As(err, &dns):
		return couldNot("the host of %s is not found.\nhint: set RESETD_URL or -url to the daemon's address, such as %s.", d.url, defaultURL)
	case errors.Is(err, api.ErrNotResetd):
		return couldNot("%s: %s.\nhint: -url is the daemon's public_url or its [http] listen address, without a path.", d.url, inert(err.Error()))
	case errors.As(err, &slow) && slow.Timeout():
		return couldNot("%s did not answer in time.\nhint: its log and %s/readyz may say why.", d.url, d.url)
	}
	return couldNot("%s", inert(err.Error()))
}

// printJSON prints one object for programs.
func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
