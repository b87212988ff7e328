# Every target begins with `make setup`, which does nothing when it is up to date.
# `make bench ARGS=…` hands its arguments on.
# Needed: make and Python 3.11 or later (choose one with PYTHON=…). Everything else comes into .venv.

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
# Four for two cores: some tests wait most of the time.
JOBS ?= 4
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python

# Tests and commands start many processes: each would compile Dagster anew where this is set.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo up test check format bench faults lock
.DEFAULT_GOAL := setup

setup: $(STAMP)
	@grep -qsE '^[[:space:]]*DAGSTER_HOME[[:space:]]*=' .env || $(BIN)/python -m orchestration.instance

# uv does not read pip's settings: where pip was told of another index, folder or certificate, so is uv.
define AS_PIP
	export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}}"; \
	export UV_INDEX="$${UV_INDEX:-$${PIP_EXTRA_INDEX_URL:-}}"; \
	export UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-}}"; \
	export SSL_CERT_FILE="$${SSL_CERT_FILE:-$${PIP_CERT:-}}"; \
	for name in UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS SSL_CERT_FILE; do \
		eval "test -n \"\$$$$name\"" || unset $$name; \
	done
endef

define FIND_PYTHON
	for python in $(PYTHONS) none; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	done; \
	test $$python != none || { \
		echo "error: no Python 3.11 or later was found: install one, or name it with make PYTHON=…" >&2; exit 1; }
endef

$(STAMP): requirements.lock pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(FIND_PYTHON); $$python -m venv --clear $(VENV) || { \
		rm -rf $(VENV); \
		echo "error: $$python -m venv failed: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(AS_PIP); $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(AS_PIP); $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	@$(BIN)/orders demo

up: setup
	@$(BIN)/orders up

test: setup
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	ORDERS_FAULTS=bounded $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

faults: setup
	ORDERS_FAULTS=full $(BIN)/python -m pytest -m faults -n $(JOBS) --dist load

lock: setup
	@$(AS_PIP); $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--all-extras pyproject.toml -o requirements.lock
