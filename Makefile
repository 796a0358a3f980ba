# The front door. Each target is one purpose; what takes more than a line lives in xtask (Rust), in
# e2e (Python) or in web (TypeScript).

CARGO ?= cargo
# Commands always use the lock file as it is, so that two builds of one commit are the same.
LOCKED := --locked
XTASK := $(CARGO) run --quiet $(LOCKED) -p xtask --

TARGET := $(or $(CARGO_TARGET_DIR),target)
TENURE := $(TARGET)/release/tenure
DEV_DATA := $(TARGET)/dev-data
DEV_LISTEN := 127.0.0.1:8080

.DEFAULT_GOAL := help
.PHONY: help demo dev build check fmt clippy tidy licences test setup console test-rust test-e2e test-console bench bench-models demo-report gen gen-check

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Build and start the product with a living demo company
	$(TENURE) demo

dev: ## Start a debug build on an empty workspace in target/dev-data
	$(CARGO) build $(LOCKED) -p tenure
	@test -d $(DEV_DATA) || $(TARGET)/debug/tenure init --data $(DEV_DATA) --json > $(TARGET)/dev-workspace.json
	@echo "Keys of this workspace: $(TARGET)/dev-workspace.json"
	$(TARGET)/debug/tenure serve --data $(DEV_DATA) --listen $(DEV_LISTEN)

console: ## Build the console for embedding (needs Node.js 20 or newer)
	$(XTASK) console

build: console ## Build the release binary, target/release/tenure
	$(CARGO) build $(LOCKED) --release -p tenure

check: fmt clippy tidy licences ## Check format, lints, house rules and licences

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings

tidy:
	$(XTASK) tidy

licences:
	$(XTASK) licences

# The order puts what fails often and fast first. Rust tests run in the dev profile, which shares its dependencies
# with nothing else; the release binary is built once, for the reference check and the end-to-end tests.
test: ## Install what the tests need, then run everything that CI runs
	$(MAKE) setup
	$(MAKE) check
	$(MAKE) test-rust
	$(MAKE) build
	$(MAKE) gen-check
	$(MAKE) test-console
	$(MAKE) test-e2e

setup: ## Install what the end-to-end tests need (browser, Python and Node packages)
	$(XTASK) setup

test-rust: ## Run the Rust tests: units, documents, conformance, simulation
	$(CARGO) test $(LOCKED) --workspace

test-e2e: setup ## Run real clients against the release binary (make build first)
	PYTHONDONTWRITEBYTECODE=1 TENURE_BIN=$(abspath $(TENURE)) $(TARGET)/e2e-venv/bin/python -m pytest e2e

test-console: setup ## Check the console, and use it in a browser (make build first)
	cd web && npm run --silent check
	cd web && TENURE_BIN=$(abspath $(TENURE)) npm run --silent e2e

# One build for both, so that what they share is compiled once.
bench: ## Measure the release binary on this machine; writes target/bench.json
	$(CARGO) build $(LOCKED) --release -p tenure -p tenure-bench
	$(TARGET)/release/tenure-bench --server $(TENURE) --out $(TARGET)/bench.json

bench-models: ## Measure the learners on public data sets (DATA=DIR) next to baselines
	$(CARGO) run $(LOCKED) --release -p tenure-learn --example bench-models -- --data $(DATA)

demo-report: ## Measure shipped health and learned risk on the demo company, whose causes are known
	$(CARGO) run $(LOCKED) --release -p tenure-sim --example demo-report

gen: ## Write docs/reference from the release binary (make build first)
	$(XTASK) gen

gen-check:
	$(XTASK) gen --check
