# Guests: wasm modules of examples, SDKs and the conformance suite. A guest is a folder
# with a main.go, main.c, main.cpp or main.ts; it is built into FOLDER.wasm beside it.
# Toolchains live in .tools/; nothing outside the tree is written but Go's own caches.

GUEST_FOLDERS := examples/*/* sdk/go/example/* sdk/c/example/* sdk/assemblyscript/example/* sdk/tck/guests/* cmd/wasmill-bench/guests/* cmd/wasmill/testdata/guests/*
guests_of = $(patsubst %/main.$(1),%.wasm,$(wildcard $(addsuffix /main.$(1),$(GUEST_FOLDERS))))

TOOLS := $(CURDIR)/.tools
ZIG_VERSION := 0.17.0
ZIG := ZIG_GLOBAL_CACHE_DIR=$(TOOLS)/zig-cache ZIG_LOCAL_CACHE_DIR=$(TOOLS)/zig-cache $(TOOLS)/zig/bin/python -m ziglang
ASC := node $(TOOLS)/assemblyscript/node_modules/assemblyscript/bin/asc.js

WASM_CPU := -mcpu=mvp+bulk_memory+sign_ext+multivalue+nontrapping_fptoint+reference_types+simd128
C_FLAGS := $(WASM_CPU) -O3 -s -Wall -Wextra -Werror -Isdk/c

# Queries of Nexmark: one file each, over the library beside them.
NEXMARK := examples/nexmark
NEXMARK_GUESTS := $(patsubst $(NEXMARK)/queries/%.cpp,$(NEXMARK)/%.wasm,$(wildcard $(NEXMARK)/queries/*.cpp))
NEXMARK_GO_GUESTS := $(patsubst $(NEXMARK)/go/%/main.go,$(NEXMARK)/%-go.wasm,$(wildcard $(NEXMARK)/go/*/main.go))

.PHONY: guests guests-go guests-quakes guests-nexmark
guests: guests-go guests-nexmark $(foreach l,c cpp ts,$(call guests_of,$(l))) ## toolchains into .tools/, every guest's module
guests-nexmark: $(NEXMARK_GUESTS) $(NEXMARK_GO_GUESTS)
guests-go: $(call guests_of,go)
guests-quakes: $(filter examples/quakes/%,$(call guests_of,go))

bench: $(filter cmd/wasmill-bench/guests/%,$(call guests_of,c) $(call guests_of,go)) sdk/c/example/running.wasm sdk/go/example/running.wasm minio

.SECONDEXPANSION:

%.wasm: %/main.go $$(wildcard $$*/*.go) $(wildcard sdk/go/*.go sdk/go/config/*.go sdk/go/go.mod) go.mod
	cd $* && GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -ldflags='-s -w' -buildmode=c-shared -o $(CURDIR)/$@ .

%.wasm: %/main.c $$(wildcard $$*/*.c $$*/*.h $$(dir $$*)*.h) $(wildcard sdk/c/*.h) .tools/zig/installed-$(ZIG_VERSION)
	$(ZIG) cc -target wasm32-freestanding $(C_FLAGS) -std=c11 -nostdlib -Wl,--no-entry -Wl,-z,stack-size=65536 -o $@ $<

%.wasm: %/main.cpp $$(wildcard $$*/*.cpp $$*/*.h) $(wildcard sdk/c/*.h) .tools/zig/installed-$(ZIG_VERSION)
	$(ZIG) c++ -target wasm32-wasi -mexec-model=reactor $(C_FLAGS) -std=c++20 -Wno-missing-designated-field-initializers -fno-exceptions -fno-rtti -Wl,-z,stack-size=262144 -o $@ $<

$(NEXMARK_GUESTS): $(NEXMARK)/%.wasm: $(NEXMARK)/queries/%.cpp $(wildcard $(NEXMARK)/lib/*.hpp) $(wildcard sdk/c/*.h) .tools/zig/installed-$(ZIG_VERSION)
	$(ZIG) c++ -target wasm32-freestanding $(C_FLAGS) -I$(NEXMARK)/lib -std=c++20 -Wno-missing-designated-field-initializers -fno-exceptions -fno-rtti -nostdlib -Wl,--no-entry -Wl,-z,stack-size=65536 -o $@ $<

$(NEXMARK_GO_GUESTS): $(NEXMARK)/%-go.wasm: $(NEXMARK)/go/%/main.go $(wildcard $(NEXMARK)/go/nexmark/*.go) $$(wildcard $(NEXMARK)/go/$$*/*.go) $(wildcard sdk/go/*.go sdk/go/config/*.go sdk/go/go.mod) go.mod
	cd $(NEXMARK)/go/$* && GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -ldflags='-s -w' -buildmode=c-shared -o $(CURDIR)/$@ .

%.wasm: %/main.ts $$(wildcard $$*/*.ts) $(wildcard sdk/assemblyscript/*.ts) .tools/assemblyscript/installed
	$(ASC) $< -o $@ -O3 --runtime incremental --use abort= --enable simd,bulk-memory

.tools/zig/installed-$(ZIG_VERSION):
	python3 -m venv .tools/zig
	.tools/zig/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir ziglang==$(ZIG_VERSION)
	touch $@

.tools/assemblyscript/installed: sdk/assemblyscript/package.json sdk/assemblyscript/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --cache $(TOOLS)/npm-cache --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: test-sdk
test: guests test-sdk
test-sdk: test-sdk-go test-sdk-c test-sdk-assemblyscript ## the SDKs' own tests

lint: lint-sdk
lint-sdk:
	staticcheck=$$($(GO) tool -n staticcheck) && cd sdk/go && $(GO) vet ./... && $$staticcheck ./... && \
		GOOS=wasip1 GOARCH=wasm $(GO) vet ./...

.PHONY: test-sdk-go test-sdk-c test-sdk-assemblyscript lint-sdk
test-sdk-go:
	cd sdk/go && $(GO) vet ./... && $(GO) test ./...

C_TESTS := $(wildcard sdk/c/test/*_test.c sdk/c/example/*/*_test.c examples/*/*/*_test.c)
test-sdk-c: .tools/zig/installed-$(ZIG_VERSION)
	@mkdir -p .tools/test
	@for t in $(C_TESTS); do echo "$$t"; \
		$(ZIG) cc -std=c11 -O1 -fsanitize=undefined -Wall -Wextra -Werror -Isdk/c -o .tools/test/c $$t && \
		.tools/test/c runtime/record/testdata/golden.json || exit 1; done
	@for t in $(NEXMARK)/lib/*_test.cpp; do echo "$$t"; \
		$(ZIG) c++ -std=c++20 -O1 -fsanitize=undefined -Wall -Wextra -Werror -Wno-missing-designated-field-initializers -Isdk/c -o .tools/test/cpp $$t && \
		.tools/test/cpp || exit 1; done

test-sdk-assemblyscript: $(patsubst %/main.ts,%.wasm,$(wildcard sdk/assemblyscript/example/*/main.ts))
	node --test --test-reporter=dot sdk/assemblyscript/test/*.test.mjs
