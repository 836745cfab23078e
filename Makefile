# Every target says what it is for; `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help build demo devnet test lint generate bench gas fuzz clean node-modules

export CI ?=
GO ?= go
BIN := bin
# An image in this machine's Docker engine for `make bench`; any with `echo` will do.
BENCH_IMAGE ?= busybox

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## the lode binary, and the demo job as WebAssembly, in bin/
	$(GO) build -trimpath -o $(BIN)/lode ./cmd/lode
	GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -ldflags '-s -w' -o $(BIN)/spirals.wasm ./testnet/spirals/job

demo: build ## watch compute being sold: three providers, twelve jobs, a settlement; see demo-out/
	$(BIN)/lode demo --wasm $(BIN)/spirals.wasm --out demo-out

devnet: build ## a market on this machine, until Ctrl-C
	$(BIN)/lode devnet --dir devnet

test: node-modules ## all tests: go vet, forge, Go with the race detector (10 minutes)
	$(GO) vet ./...
	cd contracts && ./forge.js test
	@docker version >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] || \
		echo "no Docker engine answers, or this is not root: the tests of containers are skipped"
	$(GO) test -run '^TestWasmWorkerOutOfMemory$$' ./node/run # the race detector takes the memory for itself
	$(GO) test -race -timeout 40m ./...

lint: node-modules ## formatting, vet, the message definitions' own lint
	@unformatted=$$(gofmt -l cmd node market contracts/*.go proto testnet); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) mod tidy -diff
	cd proto && npx --no-install buf lint && npx --no-install buf format --diff --exit-code
	cd contracts && ./forge.js fmt --check

generate: node-modules ## messages, API stubs and contract bindings, from their sources
	cd proto && npx --no-install buf generate
	contracts/generate.sh

bench: build ## measure on this machine: one JSON line for each figure, beside its limit
	GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -o $(BIN)/hello.wasm ./testnet/hello
	$(BIN)/lode bench --hello $(BIN)/hello.wasm --gas contracts/snapshots/Channels.json --image "$(BENCH_IMAGE)"

gas: node-modules ## the gas of each contract call, checked against its committed snapshot
	cd contracts && ./forge.js test --match-contract Gas --isolate

fuzz: ## each fuzz target for a while (FUZZTIME=30s)
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} $$p || exit 1; done; done

node-modules: contracts/node_modules/.package-lock.json proto/node_modules/.package-lock.json

contracts/node_modules/.package-lock.json: contracts/package-lock.json
	cd contracts && npm ci --no-audit --no-fund
	@touch $@

proto/node_modules/.package-lock.json: proto/package-lock.json
	cd proto && npm ci --no-audit --no-fund
	@touch $@

clean: ## remove what make made
	rm -rf $(BIN) demo-out devnet contracts/out contracts/cache contracts/node_modules proto/node_modules
