# SPDX-FileCopyrightText: The trapbpf authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything a person or CI does with this tree. Needs Go; nothing else for build,
# run and test. `make check` and `make generate` also want what .ci/run installs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# sudo's secure_path leaves out where Go's own archive puts it.
GO := $(or $(shell command -v go),$(wildcard /usr/local/go/bin/go),go)
export PATH := $(PATH):$(patsubst %/go,%,$(filter /%,$(GO)))

# The version is told by -ldflags; stamping would fail in a clone that another
# user owns.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Tools are pinned in a module of their own, so that they decide nothing about the
# agent's dependencies.
TOOL := $(GO) tool -modfile=tools/go.mod
CLANG_FORMAT := clang-format-19
BPF_SOURCES = $(wildcard bpf/*.c bpf/*.h)
GENERATED := internal/wire internal/hook

# Root on a kernel with BTF can run every test: there a skip hides a broken one.
CAN_ALL := $(shell [ "$$(id -u)" = 0 ] && [ -r /sys/kernel/btf/vmlinux ] && echo 1)
export TRAPBPF_MUST_PRIVILEGED ?= $(CAN_ALL)
TALLY := $(GO) run ./internal/tally $(if $(filter 1,$(TRAPBPF_MUST_PRIVILEGED)),-noskip)
# Privileged tests of different packages wait for each other; the limit covers the
# waiting, too. Tests side by side wait for timers, not for processors.
TEST := $(GO) test -count=1 -timeout=40m -parallel=6
FUZZTIME ?= 20s
OUT ?= bin/trapbpf

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build bin/trapbpf, one static binary (GOARCH=arm64 for the other architecture)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(OUT) ./cmd/trapbpf

.PHONY: run
run: build ## build, then watch this host (as root: sudo make run)
	@if [ "$$(id -u)" != 0 ]; then \
		echo 'bin/trapbpf is built. Watching loads programs into the kernel, which needs root: sudo make run' >&2; \
		exit 1; \
	fi
	bin/trapbpf watch

.PHONY: test
test: ## run every test that this machine can run (as root: privileged and lab tests, too)
	@$(if $(filter 1,$(TRAPBPF_MUST_PRIVILEGED)),,echo 'Not root on a kernel with BTF: privileged and lab tests are skipped.' >&2;) \
	$(TEST) -json ./... | $(TALLY)

.PHONY: test-kernels
test-kernels: ## run the agent on other kernels, in virtual machines (KERNELS=all for everything; needs qemu)
	$(GO) run ./internal/vm/cmd/kernels run $(if $(KERNELS),-kernels $(KERNELS),-kernels ci -brief -bare)

# The lab runs the built binary, image and arch only read the tree: nothing to race.
.PHONY: race
race: ## run the tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(TEST) -race -json $$($(GO) list ./... | grep -v -E '/internal/(lab|vm|image|arch)(/|$$)') | $(TALLY)

.PHONY: check
check: check-format check-vet check-lint check-mod check-shell check-generated check-arch check-chart ## all that CI holds besides the tests

.PHONY: check-format
check-format: ## gofmt and clang-format agree with the tree
	@unformatted=$$(gofmt -l cmd internal pkg tools deploy); [ -z "$$unformatted" ] || { echo "run make fmt:" $$unformatted >&2; exit 1; }
	$(CLANG_FORMAT) --dry-run --Werror $(BPF_SOURCES)

.PHONY: check-vet
check-vet: ## go vet, for both architectures
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...

.PHONY: check-lint
check-lint: ## the linters of .golangci.yaml
	$(TOOL) golangci-lint run

.PHONY: check-mod
check-mod: ## go.mod is tidy and the modules are what go.sum says
	$(GO) mod tidy -diff
	$(GO) mod verify

.PHONY: check-shell
check-shell: ## shellcheck of every script
	shellcheck .ci/run deploy/packages/deb/p* deploy/packages/rpm/*

# In a copy, so that a check changes nothing and two of them do not meet.
.PHONY: check-generated
check-generated: ## the committed BPF objects and Go mirrors are what the sources give
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	tar -c --exclude=./.git --exclude=./bin --exclude=./.cache . | tar -x -C "$$copy"; \
	(cd "$$copy" && $(MAKE) generate); \
	for room in $(GENERATED); do diff -r "$$room" "$$copy/$$room" || { echo "run make generate, and commit what it wrote" >&2; exit 1; }; done; \
	echo 'the committed BPF objects are what the sources give'

.PHONY: check-arch
check-arch: ## the order of the rooms, sizes, licence lines, the documents' commands
	$(TEST) ./internal/arch ./internal/image

# A module of its own: Helm and Kubernetes decide nothing about the agent's dependencies.
.PHONY: check-chart
check-chart: ## the Helm chart, by Helm's linter and Kubernetes' own types
	cd deploy/helm/test && $(GO) vet . && $(TEST) .

.PHONY: generate
generate: ## rebuild the BPF objects and their Go mirrors (clang-19, llvm-strip-19, libbpf-dev)
	$(GO) generate $(GENERATED:%=./%)

.PHONY: fmt
fmt: ## format the Go and C sources
	gofmt -w cmd internal pkg tools deploy
	$(CLANG_FORMAT) -i $(BPF_SOURCES)

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run='^$$' -bench=. -benchmem ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (20s)
	@grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' internal pkg | while IFS=: read -r file _ target; do \
		$(GO) test -run='^$$' -fuzz="^$${target#func }\$$" -fuzztime=$(FUZZTIME) "./$$(dirname "$$file")"; \
	done

.PHONY: lab
lab: build ## run every lab scenario against the real kernel (root)
	bin/trapbpf lab run --all

.PHONY: cover
cover: ## run the tests with coverage; .cache/cover.html shows the lines
	@mkdir -p .cache
	$(TEST) -coverpkg=./internal/...,./pkg/... -coverprofile=.cache/cover.out ./...
	$(GO) tool cover -html=.cache/cover.out -o .cache/cover.html
	$(GO) tool cover -func=.cache/cover.out | tail -n 1

.PHONY: sbom
sbom: build ## list what is in bin/trapbpf, as CycloneDX JSON beside it
	$(TOOL) cyclonedx-gomod bin -json -std -notimestamp -noserial -version "$(VERSION)" -output $(OUT).cdx.json $(OUT)

# What the packages hold besides the binary comes from a binary that runs here.
STAGE := .cache/stage
PACKAGES ?= bin/packages
ARCHITECTURES ?= amd64 arm64
# A version as Debian and rpm order it: v1.2.3 is 1.2.3, five commits later 1.2.3+5.gabc;
# without a tag it is older than every release.
export PACKAGE_VERSION := $(shell echo "$(VERSION)" | sed -E 's/^v([0-9]+[.][0-9]+[.][0-9]+)-([0-9]+)-/\1+\2./; s/^v//; t; s/^/0.0.0~/' | tr - .)

.PHONY: packages
packages: ## build the .deb and .rpm for amd64 and arm64 in bin/packages
	rm -rf $(STAGE) && mkdir -p $(STAGE)/completion $(PACKAGES)
	$(MAKE) build OUT=$(STAGE)/here GOARCH=
	$(STAGE)/here config default > $(STAGE)/trapbpf.yaml
	$(STAGE)/here man --dir $(STAGE)/man && gzip -9n $(STAGE)/man/*.8
	for shell in bash zsh fish; do $(STAGE)/here completion $$shell > $(STAGE)/completion/$$shell; done
	for arch in $(ARCHITECTURES); do $(MAKE) packages-of ARCHITECTURE=$$arch; done

# A part of packages. Lines with $(MAKE) run under make -n, too: they do nothing else.
.PHONY: packages-of
packages-of:
	$(MAKE) build OUT=$(STAGE)/trapbpf GOARCH=$(ARCHITECTURE)
	$(TOOL) cyclonedx-gomod bin -json -std -notimestamp -noserial -version "$(VERSION)" -output $(STAGE)/sbom.cdx.json $(STAGE)/trapbpf
	for kind in deb rpm; do PACKAGE_ARCH=$(ARCHITECTURE) $(TOOL) nfpm package -f deploy/packages/nfpm.yaml -p $$kind -t $(PACKAGES)/; done
	cp $(STAGE)/sbom.cdx.json $(PACKAGES)/trapbpf_$(ARCHITECTURE).cdx.json

.PHONY: image
image: ## build the container image (needs docker or podman)
	$$(command -v docker || command -v podman || echo docker) build --build-arg VERSION=$(VERSION) -t trapbpf:$(VERSION) .

.PHONY: clean
clean: ## remove what the targets made
	rm -rf bin .cache
