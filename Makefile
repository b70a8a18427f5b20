# What each target does: make help
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go

.PHONY: help build run test lint bench nexmark fuzz guests soak
help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## bin/wasmill
	$(GO) build -trimpath -ldflags='-s -w' -o bin/wasmill ./cmd/wasmill

run: build guests-quakes ## the main example: a week's strong earthquakes; needs Go only
	bin/wasmill run examples/quakes/job.yaml
	@echo; cat examples/quakes/out/part-*
	@echo; echo "$$(cat examples/quakes/out/part-* | wc -l) strong earthquakes in examples/quakes/out"

test: guests ## every test, the SDKs' included (guests.mk)
	$(GO) test -timeout 30m ./...

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME
	@grep -roE --include='*_test.go' --exclude-dir='.*' '^func Fuzz\w+' * | sed 's/:func / /' | while read -r file target; do \
		echo "$$target in $$file"; \
		(cd $${file%/*} && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) || exit 1; done

soak: guests ## every test in its long form, then every fuzz target for half a minute: an hour
	WASMILL_SOAK=1 $(GO) test -count 1 -timeout 2h ./...
	$(MAKE) fuzz FUZZTIME=30s

lint: ## gofmt, vet, staticcheck, layers
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run TestLayers .

bench: build sdk/c/example/pass.wasm sdk/go/example/pass.wasm cmd/wasmill-bench/guests/loop.wasm ## every figure beside its bar, into bench.json
	$(GO) run ./cmd/wasmill-bench -o bench.json $(BENCH)

nexmark: build guests-nexmark ## the queries of Nexmark: their rows checked, their speed measured, into docs/nexmark.md; ARGS="-only q5 -runs 1"
	$(GO) run ./cmd/wasmill-nexmark $(ARGS)

include guests.mk
include store.mk
