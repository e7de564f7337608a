# Everything that can be done with the source. `make help` lists it.

PREFIX   ?= /usr/local
FUZZTIME ?= 20s
# What the tests keep between runs: Debian's root, the kernel of the vm lane.
E2E_CACHE ?= /var/cache/gocker-e2e
export E2E_CACHE

# A fresh machine has Go's archive unpacked but nothing in PATH yet.
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin
GO ?= go

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
SOURCES := $(shell find cmd cgroup container image layers network \( -name '*.go' -o -name '*.s' -o -name '*.html' \) ! -name '*_test.go') go.mod go.sum
PACKAGES = $$($(GO) list ./... | grep -v '/e2e$$')

GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: build
build: bin/gocker ## build bin/gocker, one static binary

bin/gocker: $(SOURCES) | go
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/gocker

# go.mod says which Go is needed; from 1.21 on, an older one fetches it itself.
.PHONY: go
go:
	@command -v $(GO) >/dev/null || { \
	  echo "make: there is no go command; unpack Go $$(awk '$$1=="go"{print $$2}' go.mod) or later" \
	       "from https://go.dev/dl/ into /usr/local/go" >&2; exit 1; }
	@$(GO) mod edit -json >/dev/null 2>&1 && $(GO) version >/dev/null 2>&1 || { \
	  echo "make: $$(cd / && $(GO) version) is too old; go.mod needs" \
	       "Go $$(awk '$$1=="go"{print $$2}' go.mod) (https://go.dev/dl/)" >&2; exit 1; }

.PHONY: man
man: go ## write the manual pages into bin/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} \
	  $(GO) run -tags man -ldflags '-X main.version=$(VERSION)' ./cmd/gocker man bin/man

.PHONY: install
install: build man ## install gocker, its manual pages and completions for bash, zsh and fish below $(PREFIX)
	install -D -m 755 bin/gocker '$(DESTDIR)$(PREFIX)/bin/gocker'
	install -d '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' \
	  '$(DESTDIR)$(PREFIX)/share/zsh/site-functions' '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	install -m 644 bin/man/*.1 '$(DESTDIR)$(PREFIX)/share/man/man1'
	bin/gocker completion bash >'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/gocker'
	bin/gocker completion zsh >'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gocker'
	bin/gocker completion fish >'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gocker.fish'

.PHONY: demo
demo: build ## pull, run, ps and rm with a registry on loopback; IMAGE=alpine for Docker Hub
	e2e/deps.sh demo
	GO='$(GO)' IMAGE='$(IMAGE)' e2e/demo.sh bin/gocker

.PHONY: test
test: unit e2e ## all tests that this machine's kernel can run

.PHONY: unit
unit: go ## tests of the packages; UNITFLAGS=-v for each test's name
	e2e/deps.sh unit
	$(GO) test $(UNITFLAGS) $(PACKAGES)
	$(GO) test -race ./container/step

.PHONY: e2e
e2e: build ## the scripts in e2e/testdata and the tutorial; RUN=pull for those with pull in their names
	e2e/deps.sh e2e
	GOCKER='$(CURDIR)/bin/gocker' E2E_RESULTS='$(CURDIR)/bin/e2e-host.tsv' \
	  $(GO) test -count=1 -timeout 15m $(if $(RUN),-run '/.*$(RUN)') ./e2e

.PHONY: e2e-vm
e2e-vm: build ## the same scripts, and the kernel tests, on a kernel with cgroup v2 only
	e2e/deps.sh vm
	GO='$(GO)' RUN='$(RUN)' e2e/vm/lane.sh bin/gocker bin/e2e-vm.tsv

.PHONY: bench
bench: build ## start, throughput and memory beside runc and docker
	e2e/deps.sh bench
	GO='$(GO)' e2e/bench/bench.sh bin/gocker

.PHONY: fuzz
fuzz: go ## each fuzz target for FUZZTIME (20s)
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "fuzz $$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
	  done; \
	done

.PHONY: lint
lint: go ## gofumpt, go vet for two architectures, staticcheck, tidy, shellcheck, govulncheck
	@echo gofumpt; unformatted=$$($(GO) run $(GOFUMPT) -l .) && [ -z "$$unformatted" ] || \
	  { echo "$$unformatted"; echo "make: gofumpt would change these (go run $(GOFUMPT) -w .)" >&2; exit 1; }
	GOARCH=amd64 $(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	$(GO) vet -tags man ./cmd/gocker
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	e2e/deps.sh lint
	shellcheck .ci/run $$(find e2e -name '*.sh')
	@echo govulncheck; mkdir -p bin; $(GO) run $(GOVULNCHECK) ./... >bin/govulncheck.log 2>&1 && exit; \
	  case $$(tail -n 1 bin/govulncheck.log) in \
	  "exit status 3") cat bin/govulncheck.log; exit 1 ;; \
	  *) tail -n 2 bin/govulncheck.log; echo "govulncheck: left out, because it could not be run or its database is out of reach" ;; \
	  esac

.PHONY: clean
clean: ## remove bin
	rm -rf bin

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
	  while IFS='|' read -r target what; do printf '  %-9s %s\n' "$$target" "$$what"; done
