# make up      build the one binary and run everything in one process
# make test    every test, on real Postgres, NATS and a browser
# make check   what a change must pass before the tests: vet, lint, rules, docs
.DEFAULT_GOAL := build

MODULES := proto migrations controlplane dataplane portal deploy scripts
BIN     := $(CURDIR)/.bin
BUF_DIR := $(CURDIR)/.cache/buf
export PATH := $(BIN):$(BUF_DIR)/node_modules/.bin:$(PATH)

TEMPL_VERSION       := v0.3.977
OAPI_VERSION        := v2.8.2
PROTOC_GEN_VERSION  := v1.36.12
STATICCHECK_VERSION := v0.8.2
BUF_VERSION         := 1.75.0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
# What go list needs to name every package of every module.
PACKAGES = $(foreach m,$(MODULES),./$(m)/...)

.PHONY: build
build: ## one static binary: bin/tollgate
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/tollgate ./deploy/tollgate

.PHONY: programs
programs: ## each program alone, without what `tollgate up` embeds
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ \
		./controlplane/cmd/controlplane ./dataplane/cmd/dataplane ./portal/cmd/portal

.PHONY: up
up: build ## run everything; Ctrl-C stops it
	@exec bin/tollgate up

.PHONY: test
test: ## every test; installs what it needs as root on Debian, else says what is missing
	@scripts/setup.sh
	go test -vet=off -timeout 15m -p 2 $$(go list $(PACKAGES) | grep -vxE '$(STACK_RE)')
	go test -vet=off -timeout 15m -p 1 -count=1 $(STACK)
	go test -vet=off -timeout 10m -p 2 -race $(RACE)

# Tests that build the binary and run it: an earlier result says nothing of
# today's product, and each needs the machine to itself.
STACK := ./deploy/tollgate ./scripts/chaos ./scripts/e2e
STACK_RE := github.com/tollgate/tollgate/(deploy/tollgate|scripts/chaos|scripts/e2e)

# The packages whose goroutines share state; the race detector makes the
# others slow and shows nothing there.
RACE := ./controlplane/internal/publish/... ./controlplane/internal/ingest/... \
	./dataplane/internal/tenantconfig/... ./dataplane/internal/meter/... \
	./dataplane/internal/pipeline/... ./dataplane/internal/provider/... \
	./deploy/internal/natsembed/...

.PHONY: check
check: tidy-check format-check vet staticcheck generate-check proto-check rules ## everything but the tests

.PHONY: vet
vet:
	go vet $(PACKAGES)

.PHONY: staticcheck
staticcheck: $(BIN)/staticcheck-$(STATICCHECK_VERSION)
	staticcheck $(PACKAGES)

.PHONY: format-check
format-check:
	@bad=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$bad" ]; then echo "gofmt -w these:"; echo "$$bad"; exit 1; fi

.PHONY: tidy-check
tidy-check:
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff) || { echo "run: cd $$m && GOWORK=off go mod tidy"; exit 1; }; done

# Import rules, sizes, package docs, the compose file, and the runnable blocks
# of the documentation against a running product.
.PHONY: rules
rules:
	cd scripts && go test -count=1 ./check/... ./genpages/...

.PHONY: generate
generate: generate-go generate-proto

.PHONY: generate-go
generate-go: $(BIN)/templ-$(TEMPL_VERSION) $(BIN)/oapi-codegen-$(OAPI_VERSION)
	cd portal/internal/view && templ generate -log-level error
	cd proto/openapi && oapi-codegen -config server.yaml openapi.yaml && oapi-codegen -config client.yaml openapi.yaml
	go run ./scripts/genpages

.PHONY: generate-proto
generate-proto: $(BIN)/protoc-gen-go-$(PROTOC_GEN_VERSION) $(BUF_DIR)/$(BUF_VERSION)
	cd proto && buf generate

# Generated code is committed; what the generators write now must be that.
GENERATED := 'portal/**/*_templ.go' 'proto/**/*.pb.go' 'proto/**/*.gen.go' 'docs/errors' 'docs/providers'

.PHONY: generate-check
generate-check:
	@scripts/fresh.sh $(GENERATED)

.PHONY: proto-check
proto-check: $(BUF_DIR)/$(BUF_VERSION)
	cd proto && buf lint
	@if git rev-parse --quiet --verify HEAD^ >/dev/null && git cat-file -e HEAD^:proto/buf.yaml 2>/dev/null; \
	then buf breaking proto --against '.git#ref=HEAD^,subdir=proto'; \
	else echo "proto: no earlier contract to compare with"; fi

.PHONY: bench
bench: ## CPU per request against nginx as a plain proxy, and ingest
	@scripts/setup.sh
	go run ./scripts/bench

.PHONY: chaos
chaos: ## kill everything under load and compare the ledger with the provider's log
	@scripts/setup.sh
	go run ./scripts/chaos

.PHONY: reset
reset: ## forget the data of `make up` (asks first)
	@scripts/reset.sh

# Tools, each under its version, so that a new version is a new target.
$(BIN)/templ-$(TEMPL_VERSION):
	GOBIN=$(BIN) go install github.com/a-h/templ/cmd/templ@$(TEMPL_VERSION) && touch $@
$(BIN)/oapi-codegen-$(OAPI_VERSION):
	GOBIN=$(BIN) go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@$(OAPI_VERSION) && touch $@
$(BIN)/protoc-gen-go-$(PROTOC_GEN_VERSION):
	GOBIN=$(BIN) go install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_VERSION) && touch $@
$(BIN)/staticcheck-$(STATICCHECK_VERSION):
	GOBIN=$(BIN) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) && touch $@
# buf takes minutes to compile; npm has it ready.
$(BUF_DIR)/$(BUF_VERSION):
	mkdir -p $(BUF_DIR)/node_modules/.bin
	if command -v npm >/dev/null; then npm install --prefix $(BUF_DIR) --no-save --silent @bufbuild/buf@$(BUF_VERSION); \
	else GOBIN=$(BUF_DIR)/node_modules/.bin go install github.com/bufbuild/buf/cmd/buf@v$(BUF_VERSION); fi
	touch $@
