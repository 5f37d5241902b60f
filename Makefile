# The front door of PanaversityFS: `make` lists what there is; every target first makes what it needs.
# Holds no logic of its own: each target is one command of `panaversity`, `panaversity-fs` or a developer tool.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-print-directory

# -- what may be overridden: make ingest BOOK_ID=my-book SOURCE_DIR=docs -----------------------------------------------
PYTHON      ?= python3
VENV        ?= .venv
BOOK_ID     ?= $(or $(PANAVERSITY_BOOK_ID),panaversityfs-guide)
SOURCE_DIR  ?= $(or $(PANAVERSITY_SOURCE_DIR),examples/book)
SITE_DIR    ?= examples/learn-app
OUTPUT_DIR  ?= $(or $(PANAVERSITY_OUTPUT_DIR),$(SITE_DIR)/book)
STORE       := .panaversity/store
ARGS        :=
PYTEST_ARGS :=
BENCH_ARGS  :=

BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip --disable-pip-version-check --quiet install
ifndef SEED
SEED        := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
WORKERS     ?= auto
PYTEST      := $(BIN)/python -m pytest --hypothesis-seed=$(SEED) -n $(WORKERS) --dist loadfile
BUILD       := $(BIN)/panaversity build --book-id "$(BOOK_ID)" --source-dir "$(SOURCE_DIR)" \
               --output-dir "$(OUTPUT_DIR)" --site-dir "$(SITE_DIR)"

# Stamps: a step is repeated only when what it read has changed.
RUNTIME     := $(VENV)/.stamp-runtime
DEVELOPMENT := $(VENV)/.stamp-development
NODE        := node_modules/.stamp

.PHONY: help
help: ## list the targets
	@echo "usage: make TARGET [BOOK_ID=…] [SOURCE_DIR=…] [OUTPUT_DIR=…] [SITE_DIR=…] [PYTHON=python3.12]"; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: install install-dev
install: $(RUNTIME) $(NODE) ## make the virtual environment and node_modules from the lock files
install-dev: $(DEVELOPMENT) $(NODE) ## the same, with the tools for check and test

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "install: $(PYTHON): is not installed. Install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "install: $(PYTHON): is older than Python 3.11. Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "install: $(PYTHON): has no module venv. Install the package python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv "$(VENV)"

$(RUNTIME): requirements/build.txt requirements/server.txt pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements/build.txt -r requirements/server.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements/dev.txt $(RUNTIME)
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(NODE): package-lock.json package.json learn-app-hooks/package.json $(wildcard examples/*/package.json tests/*/package.json)
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null || { \
	  echo "install: node: Node 20 or newer with npm is not installed. Install it, for example from your distribution" >&2; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@

.PHONY: ingest hydrate local-build full-rebuild watch serve
ingest: $(RUNTIME) ## make the book equal SOURCE_DIR
	$(BIN)/panaversity ingest --book-id "$(BOOK_ID)" --source-dir "$(SOURCE_DIR)" $(ARGS)

hydrate: $(RUNTIME) ## make OUTPUT_DIR equal the book
	$(BIN)/panaversity hydrate --book-id "$(BOOK_ID)" --output-dir "$(OUTPUT_DIR)" $(ARGS)

# Empty, not unset: an empty variable also hides one that a .env file would set.
local-build: export PANAVERSITY_MCP_URL :=
local-build: $(RUNTIME) $(NODE) ## ingest, hydrate and build the site, with the embedded server
	$(BUILD) $(ARGS)

full-rebuild: $(RUNTIME) $(NODE) ## the same from nothing: every file is fetched and the site is rendered again
	$(BUILD) --full-rebuild --rebuild docusaurus $(ARGS)

watch: export PANAVERSITY_MCP_URL :=
watch: $(RUNTIME) $(NODE) ## show the site in a browser and bring every saved lesson there, until Ctrl-C
	$(BIN)/panaversity watch --serve --book-id "$(BOOK_ID)" --source-dir "$(SOURCE_DIR)" \
	  --output-dir "$(OUTPUT_DIR)" --site-dir "$(SITE_DIR)" $(ARGS)

serve: $(RUNTIME) ## serve the local store on loopback
	$(BIN)/panaversity-fs serve --store "$(STORE)" $(ARGS)

.PHONY: test test-full test-cloud check bench clean show-actions
test: $(DEVELOPMENT) $(NODE) ## run the tests with sampled counts; the seed is printed (SEED=… repeats a run)
	$(PYTEST) $(PYTEST_ARGS)

test-full: $(DEVELOPMENT) $(NODE) ## run the tests with exhaustive counts
	PANAVERSITY_TEST_FULL=1 $(PYTEST) --timeout=1800 $(PYTEST_ARGS)

# Real servers are started by the tests; TEST_DATABASE_URL names a PostgreSQL of yours instead.
CLOUD_TESTS ?= tests/unit/library tests/unit/store tests/property tests/contract tests/integration \
  tests/faults/test_interleavings.py tests/faults/test_library_faults.py tests/faults/test_gc_races.py \
  tests/faults/test_gc_interleavings.py tests/faults/test_fsck_damage.py tests/faults/test_fsck_lost_database.py \
  tests/faults/test_audit_tampering.py tests/faults/test_site_cache_races.py tests/faults/test_postgres_chaos.py \
  tests/security/test_hostile_arguments.py
test-cloud: $(DEVELOPMENT) $(NODE) ## run the tests of the server over PostgreSQL and an object store
	PANAVERSITY_TEST_STACK=cloud $(PYTEST) --timeout=900 $(PYTEST_ARGS) $(CLOUD_TESTS)

check: $(DEVELOPMENT) ## lint, format, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd github-actions/step && "$(abspath $(BIN))/mypy" --config-file= --strict .
	$(BIN)/zizmor --offline --quiet --persona auditor .github github-actions github-actions/examples/*.yml

show-actions: $(DEVELOPMENT) ## show the job summaries of a cold, a delta and an unchanged job
	PYTHONPATH=tests $(BIN)/python tests/actions/show.py

bench: $(DEVELOPMENT) $(NODE) ## measure: one line a figure
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

clean: ## remove caches and what a build made; never .panaversity (the local store) and never OUTPUT_DIR elsewhere
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	rm -rf examples/learn-app/build examples/learn-app/.docusaurus examples/learn-app/book
	find server builder tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
