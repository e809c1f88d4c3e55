# `make help` lists what can be made. What CI runs is in .ci/run.

GO          ?= go
FUZZTIME    ?= 3s
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages with pages or golden files that `go test -update` writes, and what it writes there.
WRITERS      = $(sort $(dir $(shell grep -rl --include='*_test.go' 'flag.Bool."update"' cmd diag internal mailer worker)))
WRITTEN      = docs/causes.md docs/config.md diag/reply/RULES.md '*testdata*'

.PHONY: help build demo check test fuzz bench corpus scenarios update
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

build: ## a static binary, bin/resetd
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/resetd ./cmd/resetd

demo: ## the whole product in one process, nothing to install
	$(GO) run ./cmd/resetd demo

check: ## format, modules, vet, staticcheck, generated pages, a short fuzz of every parser
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w is wanted for: $$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@$(MAKE) --no-print-directory update
	@git diff --exit-code -- $(WRITTEN) || { echo "Generated files have changed: look at them, then commit them."; exit 1; }
	.ci/fuzz $(FUZZTIME)

test: ## everything: installs the servers that tests need where it may, then go test -race, then the browser's tests
	.ci/deps
	.ci/test

fuzz: ## every fuzz target for FUZZTIME (3s)
	.ci/fuzz $(FUZZTIME)

bench: ## every benchmark, without tests
	$(GO) test -run='^$$' -bench=. -benchmem ./...

corpus: ## what the corpora beside the checkout say of the parsers, in tables
	$(GO) test -count=1 -v -run=Corpus $(sort $(dir $(shell grep -rl --include='*_test.go' '^func TestCorpus' diag mailer internal cmd | sed 's|^|./|')))

scenarios: ## every story, with simulated time: what was expected against what was said, and which causes have no story
	@file=$$(mktemp); $(GO) test -count=1 -run='^TestScenarios$$' ./internal/scenario -table=$$file; failed=$$?; cat $$file; rm -f $$file; exit $$failed

update: ## write generated pages and golden files anew
	$(GO) test -count=1 $(addprefix ./,$(WRITERS)) -update
