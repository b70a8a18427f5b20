# What each target does: make help
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go

.PHONY: help build run test lint bench fuzz guests soak
help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## bin/wasmill
	$(GO) build -trimpath -ldflags='-s -w' -o bin/wasmill ./cmd/wasmill

lint: ## gofmt, vet, staticcheck, layers
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run TestLayers .
include guests.mk
