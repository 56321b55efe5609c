# Everything a person types here. Nothing asks a question; every target works from a bare checkout and twice in a row.
#
#   make app      the dashboard on 127.0.0.1 (PORT=8600 for another port, HOST=… to publish it)
#   make test     lint, format, types, import contract, unit tests, page tests, browser tests
#   make setup    prepares .venv and nothing else
#   make lint     the checks of `make test` that run no test
#   make format   rewrites the files in the house format
#   make bench    latency and memory in a real browser, and comparisons
#   make test-peers    compares the numbers with other libraries, in an environment of its own (.venv-peers)
#   make bench-peers   compares the speed with them (BENCH="--dtype float64 --threads 2 --large" for more)
#   make lock     renews constraints.txt from a clean environment
#   make clean    removes what builds and tests left behind (not .venv)

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules
.PHONY: help app test setup lint check-lint check-format check-types check-contract format unit pages browser bench test-peers bench-peers lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL := install --quiet --no-input --disable-pip-version-check

# Tests in two processes, each with a server and a browser of its own where it needs one; WORKERS=0 runs them one by one.
WORKERS ?= 2
SIDE_BY_SIDE = --numprocesses $(WORKERS)

# The first interpreter that is 3.11 or newer; PYTHON=… overrides it.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "fimcore needs Python 3.11 or newer; none was found (set PYTHON=…)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -f $(BIN)/python; \
		echo "Making $(VENV) failed. On Debian and Ubuntu the package python3-venv is needed." >&2; exit 1; }

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; a minute or two) …"
	@$(BIN)/python -m pip $(PIP_INSTALL) --constraint constraints.txt --editable '.[test,dev]'
	@touch $@

setup: $(STAMP)

app: $(STAMP)
	@$(BIN)/python -m fimcore app $(if $(PORT),--port $(PORT)) $(if $(HOST),--host $(HOST))

# Four targets, so that `make --keep-going` shows the faults of all of them.
lint: check-lint check-format check-types check-contract

check-lint: $(STAMP)
	@echo "== lint" && $(BIN)/python -m ruff check .

check-format: $(STAMP)
	@echo "== format" && $(BIN)/python -m ruff format --check .

check-types: $(STAMP)
	@echo "== types" && $(BIN)/python -m mypy

check-contract: $(STAMP)
	@echo "== import contract" && $(BIN)/lint-imports --no-cache

format: $(STAMP)
	@$(BIN)/python -m ruff check --fix . ; $(BIN)/python -m ruff format .

unit: $(STAMP)
	@echo "== unit tests" && $(BIN)/python -m pytest tests --ignore=tests/app --ignore=tests/browser $(SIDE_BY_SIDE)

pages: $(STAMP)
	@echo "== page tests" && $(BIN)/python -m pytest tests/app $(SIDE_BY_SIDE)

# A process of its own: the browser driver keeps an event loop, which other tests should not meet.
browser: $(STAMP)
	@echo "== browser tests" && $(BIN)/python -m pytest tests/browser $(SIDE_BY_SIDE)

test: lint unit pages browser

bench: $(STAMP)
	@$(BIN)/python -m pytest tests/benchmarks -s -p no:cacheprovider

# Other libraries need other versions, so they live beside the environment of the tests and never in it.
PEERS_BIN := .venv-peers/bin
PEERS_STAMP := .venv-peers/.installed

$(PEERS_STAMP): pyproject.toml constraints.txt tests/peers/requirements.txt tests/peers/requirements-beside.txt
	@test -n "$(PYTHON)" || { echo "fimcore needs Python 3.11 or newer; none was found (set PYTHON=…)." >&2; exit 1; }
	@echo "Installing fimcore and the libraries it is compared with into .venv-peers (once; a minute or two) …"
	@$(PYTHON) -m venv .venv-peers
	@$(PEERS_BIN)/python -m pip $(PIP_INSTALL) --constraint constraints.txt --editable . \
		--requirement tests/peers/requirements-beside.txt
	@$(PEERS_BIN)/python -m pip $(PIP_INSTALL) --no-deps --requirement tests/peers/requirements.txt
	@touch $@

test-peers: $(PEERS_STAMP)
	@echo "== other libraries" && $(PEERS_BIN)/python -m pytest tests/peers -p no:cacheprovider

bench-peers: $(PEERS_STAMP)
	@$(PEERS_BIN)/python -m tests.benchmarks.against_peers $(BENCH)

lock: | $(BIN)/python
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(PYTHON) -m venv "$$folder/venv" && \
	"$$folder/venv/bin/python" -m pip $(PIP_INSTALL) '.[test,dev]' && \
	{ echo "# The versions the tests pass with. Renewed by \`make lock\`; the ranges are in pyproject.toml."; \
	  "$$folder/venv/bin/python" -m pip list --format=freeze --disable-pip-version-check \
	  | sed -E 's/\+[A-Za-z0-9.]+$$//' | grep -viE '^(fimcore|pip|wheel|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' \
	  | LC_ALL=C sort -f; } > "$$folder/constraints.txt" && \
	mv "$$folder/constraints.txt" constraints.txt && wc -l constraints.txt

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis tests/browser/out
	find fimcore app tests -name __pycache__ -type d -prune -exec rm -rf {} +
