# Two commands for a fresh machine with Python 3.11: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
SIZE ?= small
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts unit docs notebooks audit lock clean

help:  ## Show what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime  ## Generate the sample network, train, serve it: prints the address of a page
	@$(BIN)/recsys demo --port $(PORT) --size $(SIZE)

test: lint types contracts unit  ## Check and test everything

lint: $(VENV)/.test
	@echo "== style" && $(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.test
	@echo "== types" && $(BIN)/mypy

contracts: $(VENV)/.test
	@echo "== direction of imports" && $(BIN)/lint-imports --no-logo

# Three at a time on two cores: many of them wait for a browser, a database or a service.
unit: $(VENV)/.test $(VENV)-s3/.done
	@echo "== tests" && $(BIN)/pytest -n 3 --dist worksteal -q

docs: $(VENV)/.test  ## Build the documentation into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "build/site/index.html"

notebooks: $(VENV)/.test  ## Execute the notebooks anew, outputs and all
	@$(BIN)/python notebooks/execute.py

LOCKS := requirements.lock requirements-test.lock requirements-audit.lock

audit: $(VENV)-audit/.done  ## Look up the lock files among known vulnerabilities (needs the network)
	@echo "== known vulnerabilities" && $(VENV)-audit/bin/python .ci/audit.py $(LOCKS)
	@$(VENV)-audit/bin/python .ci/audit.py requirements-s3.lock  # by itself: it has versions of its own

# The stamps are written last: an interrupted installation is done again.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	@echo "== creating $(VENV)" && $(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.python
	@echo "== installing what requirements.lock names (a few minutes the first time)"
	@$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@echo "== compiling what answers (a minute)" && $(BIN)/python -m recsys.rehearsal && touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.runtime
	@echo "== installing what requirements-test.lock names"
	@$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements-test.lock && touch $@

# In an environment of its own: what audits is no part of what is audited.
$(VENV)-audit/.done: requirements-audit.lock | $(VENV)/.python
	@echo "== creating $(VENV)-audit" && $(BIN)/python -m venv $(VENV)-audit
	@$(VENV)-audit/bin/pip install --disable-pip-version-check --quiet --require-hashes -r $< && touch $@

# An object store to test against; what it needs cannot live beside what we need.
$(VENV)-s3/.done: requirements-s3.lock | $(VENV)/.python
	@echo "== creating $(VENV)-s3" && $(BIN)/python -m venv $(VENV)-s3
	@$(VENV)-s3/bin/pip install --disable-pip-version-check --quiet --require-hashes -r $< && touch $@

lock:  ## Resolve the lock files anew from the bounds in pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --group build -o requirements.lock pyproject.toml
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --extra test --group build -c requirements.lock \
		-o requirements-test.lock pyproject.toml
	echo "pip-audit>=2.10,<3" | uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make lock" -c requirements-test.lock \
		-o requirements-audit.lock -
	echo "moto[server]>=5.1,<6" | uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make lock" -o requirements-s3.lock -

clean:  ## Remove the environment and everything that was generated
	rm -rf $(VENV) $(VENV)-audit $(VENV)-s3 var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
