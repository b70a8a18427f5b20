# What each target does: make help
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go

.PHONY: help build run test lint bench fuzz guests soak
help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## bin/wasmill
	$(GO) build -trimpath -ldflags='-s -w' -o bin/wasmill ./cmd/wasmill

run: build guests-quakes ## the main example: a week's strong earthquakes; needs Go only
	bin/wasmill run examples/quakes/job.yaml
	@echo; cat examples/quakes/out/part-*
	@echo; echo "$$(cat examples/quakes/out/part-* | wc -l) strong earthquakes in examples/quakes/out"

test: guests ## every test, the SDKs' included (guests.mk)
	$(GO) test -timeout 9m ./...

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME
	@grep -roE --include='*_test.go' --exclude-dir='.*' '^func Fuzz\w+' * | sed 's/:func / /' | while read -r file target; do \
		echo "$$target in $$file"; \
		(cd $${file%/*} && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) || exit 1; done

SOAK ?= 20
soak: guests ## every test SOAK times, then every fuzz target for five minutes
	WASMILL_SOAK=1 $(GO) test -count $(SOAK) -timeout 3h ./...
	$(MAKE) fuzz FUZZTIME=5m

lint: ## gofmt, vet, staticcheck, layers
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run TestLayers .

bench: build sdk/c/example/pass.wasm sdk/go/example/pass.wasm cmd/wasmill-bench/guests/loop.wasm ## every figure beside its bar, into bench.json
	$(GO) run ./cmd/wasmill-bench -o bench.json $(BENCH)

include guests.mk
include store.mk
