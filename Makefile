# The one command set, the same by hand and in CI. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto
# Images for containers set it, and then every process that a test starts compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .build
# What a database's kind may matter to. The rest of e2e is about pages, the demo and the wheel.
STORIES := $(addprefix tests/e2e/journeys/test_,customer.py seller.py)
NO_DATABASE := $(addprefix --ignore=tests/,$(addprefix unit/,benchmarks cli demo kernel web/openapi web/ui) contract/payments)
ON_BOTH := tests/unit tests/contract tests/integration $(STORIES) $(NO_DATABASE)
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find crates -name '*.rs' -o -name Cargo.toml)

.PHONY: help setup services vendors demo serve screenshots test lint format lock bench bench-gateway crash fuzz sanitize properties reload soak wheel clean toolchains

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 20

toolchains: ## check the compilers that make can't install
	@scripts/toolchains.sh

$(STAMPS)/venv:
	@mkdir -p $(STAMPS)
	@scripts/toolchains.sh
	@scripts/make-venv.sh $(PYTHON) $(VENV)
	@touch $@

$(STAMPS)/python: $(STAMPS)/venv requirements/dev.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@rm -f $(STAMPS)/engine
	@touch $@

$(STAMPS)/engine: $(STAMPS)/python pyproject.toml $(RUST_SOURCES)
	@echo "building the engine (release; a minute or two the first time)"
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --locked --uv >$(STAMPS)/engine.log 2>&1 || { cat $(STAMPS)/engine.log; exit 1; }
	@touch $@

$(STAMPS)/assets: package-lock.json scripts/assets.sh | $(STAMPS)/venv
	@scripts/assets.sh
	@touch $@

setup: $(STAMPS)/engine $(STAMPS)/assets ## .venv with the release-built engine; quick when nothing changed

$(STAMPS)/vendors: requirements/localstripe.txt requirements/h2spec/go.sum scripts/vendors.sh | $(STAMPS)/python
	@scripts/vendors.sh $(STAMPS)
	@touch $@

vendors: $(STAMPS)/vendors ## install the emulators of vendors and the conformance suites that tests run

services: ## install the servers and the browser that tests run against (Debian packages)
	@scripts/services.sh

lock: $(STAMPS)/venv ## resolve and pin the Python dependencies
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements/dev.txt
	echo localstripe==1.15.10 | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate - -o requirements/localstripe.txt

format: $(STAMPS)/python ## format Python and Rust
	$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format --quiet . ; cargo fmt --all

lint: setup ## ruff, mypy, import-linter, rustfmt, clippy; that every test can be imported
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/mypy demo
	@$(BIN)/stubtest tollway._native >$(STAMPS)/stubtest.log || { cat $(STAMPS)/stubtest.log; exit 1; }
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest --collect-only --quiet >$(STAMPS)/collected.log || { tail -40 $(STAMPS)/collected.log; exit 1; }
	@cargo fmt --all --check
	@cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

test: setup services vendors ## every test, on SQLite and on PostgreSQL; installs what they need
	cargo test --quiet --locked --workspace --features tollway-engine/failpoints
	@scripts/fuzz.sh 20
	@scripts/pytest-both.sh $(BIN)/pytest $(ON_BOTH)

fuzz: ## every fuzz target for ten minutes
	@scripts/fuzz.sh 600

sanitize: ## what may use `unsafe`, under AddressSanitizer
	@scripts/sanitize.sh

demo: setup ## real traffic through the gateway, metered, invoiced, reconciled; ends by itself
	@$(BIN)/python -m demo

serve: setup ## open the shop: portal and console with three months of past, until Ctrl-C
	@$(BIN)/python -m demo serve

screenshots: setup services ## the pictures in docs/images, taken from the shop
	@$(BIN)/python -m demo.screenshots

bench: bench-gateway ## every benchmark

bench-gateway: setup ## CPU per request and latencies beside nginx and others (20 minutes); writes bench/results
	@$(BIN)/python -m tests.benchmarks.bench_gateway

SOAK_SECONDS ?= 3600
soak: setup ## an hour of mixed traffic; fails unless memory stays flat; writes bench/results/soak.json
	@$(BIN)/python -m tests.benchmarks.soak --seconds $(SOAK_SECONDS)

crash: setup ## the crash tests in their long form: 200 kills
	TOLLWAY_TEST_KILLS=200 $(BIN)/pytest -q tests/integration/crash

properties: setup ## the property tests of prices, periods and grants in their long form: 2,000 examples each
	TOLLWAY_TEST_PROFILE=long $(BIN)/pytest -q tests/unit/billing/rating tests/unit/billing/grants tests/unit/billing/calculators tests/unit/billing/test_periods.py

reload: setup ## upgrades and reloads under load in their long form: 20 and 100
	TOLLWAY_TEST_UPGRADES=20 TOLLWAY_TEST_RELOADS=100 $(BIN)/pytest -q -rP tests/integration/test_reload.py

wheel: setup ## a wheel in dist/ that installs without Rust
	@$(BIN)/maturin build --release --locked --out dist

clean: ## remove what make made, data folders excepted
	rm -rf $(VENV) $(STAMPS) target dist
