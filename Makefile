# The two commands are `make demo` and `make test`. Everything they need is installed into .venv by this file.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
DATA ?= $(or $(BACKSTOCK_DATA_DIR),.data)
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# One more than there are cores: tests wait for browsers, servers and clocks.
WORKERS ?= $(shell echo $$(( $$(nproc) + 1 )))

.PHONY: help demo demo-reset test test-faults test-fuzz lint format bench migrate clean
help:
	@echo "make demo        start the demo on http://127.0.0.1:$(PORT)  (PORT=, DATA= can be set)"
	@echo "make demo-reset  the same, with fresh data"
	@echo "make test        install what the tests need and run all of them"
	@echo "make test-faults the fault tests at full size, hours (ONLY=\"F6 F7\" for some), with a report"
	@echo "make test-fuzz   strange requests at every operation of the API, and broken files at every upload (EACH=200)"
	@echo "make lint        the linters CI runs"
	@echo "make bench       the benchmarks (ONLY=group, JSON=path)"

# Two stamps, so that a demo does not wait for the test tools.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Backstock needs Python 3.11 or newer; $(PYTHON) is older. Use make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv --clear $(VENV); \
	  else echo "Python's venv module is missing. As root: apt-get install python3-venv"; exit 1; fi; }
	@touch $@
$(VENV)/.demo: requirements.txt $(VENV)/.made
	@echo "Installing the packages (hash-checked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
$(VENV)/.dev: requirements-dev.txt $(VENV)/.made
	@echo "Installing the packages and the test tools (hash-checked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	@BACKSTOCK_DATA_DIR="$(DATA)" $(BIN)/backstock demo --port $(PORT)
demo-reset: $(VENV)/.demo
	@BACKSTOCK_DATA_DIR="$(DATA)" $(BIN)/backstock demo --port $(PORT) --reset

test: $(VENV)/.dev
	@tests/chromium.sh
	@# In the order of the folders: the browser's few long tests begin first, and are not what everybody waits for at the end.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-faults: $(VENV)/.dev
	@$(BIN)/python -m tests.faults $(if $(ONLY),--only $(ONLY))

test-fuzz: $(VENV)/.dev
	@BACKSTOCK_FUZZ=$(or $(EACH),200) $(BIN)/python -m pytest -n0 -s tests/marketplace/test_fuzzing.py

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint web/templates --profile=jinja --quiet --lint --ignore J018,H015
	@$(BIN)/backstock contracts check

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON))

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
