# Everything runs inside .venv; nothing else on the machine is touched, but by `make redis` and `make chromium`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
endif
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: report
report: setup ## Set up, build the sample warehouse and write the quarterly risk report
	@$(BIN)/assay report --template quarterly --no-input; code=$$?; \
	if [ $$code -eq 3 ]; then exit 0; else exit $$code; fi

.PHONY: test
test: setup ## Set up and check everything: format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: redis
redis: ## Put Debian's Redis 7 on this machine, for the tests of the checkpointer (needs root and apt)
	@if command -v redis-server >/dev/null 2>&1; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then \
		echo "make redis needs root and apt; the tests on Redis 7 are skipped without it." >&2; exit 0; fi; \
	dpkg --configure -a >/dev/null 2>&1 || true; \
	apt-get update -qq >/dev/null 2>&1 || true; \
	: "runlevel 1: no service is started" ; \
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null \
		|| echo "redis-server could not be installed; the tests on Redis 7 are skipped." >&2

.PHONY: chromium
chromium: ## Put Debian's Chromium on this machine, for the tests of the pages (needs root and apt)
	@if chromium --version >/dev/null 2>&1 || chromium-browser --version >/dev/null 2>&1; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then \
		echo "make chromium needs root and apt; no page is tested in a browser without it." >&2; exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	: "an installation that was interrupted is finished first" ; \
	dpkg --configure -a >/dev/null 2>&1 || true; \
	apt-get update -qq >/dev/null 2>&1 || true; \
	apt-get -o DPkg::Lock::Timeout=120 install -y -qq --fix-broken --no-install-recommends chromium >/dev/null \
		&& chromium --version >&2 \
		|| echo "CHROMIUM COULD NOT BE INSTALLED; NO PAGE IS TESTED IN A BROWSER." >&2

.PHONY: setup
setup: $(STAMP) ## Install the pinned dependencies into .venv

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "Assay needs Python 3.11 or newer on the PATH." >&2; exit 2; fi
	@if command -v uv >/dev/null 2>&1; then \
		echo "installing with uv ..." >&2 && \
		{ [ -x $(BIN)/python ] || uv venv --quiet --python "$(PYTHON)" .venv; } && \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock && \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
		echo "installing with pip (about a minute) ..." >&2 && \
		{ [ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv; } && \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --require-hashes -r requirements.lock && \
		{ : "on every core, as pip does not; some packages ship files that no Python reads" ; \
		$(BIN)/python -m compileall -qq -j 0 .venv/lib >/dev/null 2>&1 || true; } && \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(STAMP)

.PHONY: format
format: setup ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: setup ## Measure a report, step by step, the checkpointer beside its peers, and runs per second
	$(BIN)/python bench/report.py
	$(BIN)/python bench/checkpoint.py
	$(BIN)/python bench/runs.py

.PHONY: fuzz
fuzz: setup ## Throw 100,000 random statements at the guard, and ask DuckDB about each it accepts
	$(BIN)/python tests/sql_guard/fuzz/fuzz.py --cases 100000

.PHONY: chaos
chaos: setup ## Kill workers, web server and store 500 times at random, and check that nothing was lost or done twice
	$(BIN)/python tests/chaos/chaos.py --kills 500
	$(BIN)/python tests/chaos/chaos.py --sweep
	$(BIN)/pytest -m slow -n 0

.PHONY: lock
lock: ## Pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
		--group dev --output-file requirements.lock pyproject.toml

.PHONY: clean
clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
