# The commands of the house. Everything works without a network once `make prepare` has run with one.

SHELL := /bin/bash
GO ?= go
# The store moves data between Go and DuckDB as Arrow; without the tag its driver leaves that out.
export GOFLAGS := $(GOFLAGS) -tags=duckdb_arrow
TOOL := GOFLAGS= $(GO) tool -modfile=tools.mod
PACKAGES ?= ./...

.PHONY: build demo prepare clients test lint format bench vulnerabilities clean help

help: ## what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | while IFS='|' read -r name what; do printf '  make %-16s %s\n' "$$name" "$$what"; done

build: ## bin/weir
	$(GO) build -trimpath -o bin/weir ./cmd/weir

demo: prepare build ## the whole product on this machine, with a synthetic company
	bin/weir demo

prepare: ## what the demo needs from the machine, installed where it is missing
	@.ci/prepare

clients: ## what the tests need besides: the programs with which people come to the gate
	@.ci/prepare clients

test: clients ## all tests; under CI=true a skipped test is a failure
ifeq ($(CI),true)
	@set -o pipefail; $(GO) test -json -p 2 -timeout 30m $(PACKAGES) | $(GO) run ./.ci/report
else
	$(GO) test -p 2 -timeout 30m $(PACKAGES)
endif

lint: ## the linters of .golangci.yml and the formatting
	$(TOOL) golangci-lint run $(PACKAGES)

format: ## write the formatting
	$(TOOL) golangci-lint fmt

bench: prepare ## the copy's speed into docs/benchmarks.md, then all other benchmarks, one second each
	$(GO) run ./internal/benchmark > docs/benchmarks.new
	mv docs/benchmarks.new docs/benchmarks.md
	$(GO) test -p 1 -run '^$$' -bench . -benchtime 1s -timeout 60m $(PACKAGES)

vulnerabilities: ## known vulnerabilities in what is linked in; needs a network
	$(TOOL) govulncheck -tags duckdb_arrow $(PACKAGES)

clean: ## what was built
	rm -rf bin
