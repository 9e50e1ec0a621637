# `make bench` and `make test` need Python 3.11+ and nothing else; everything is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PROCESSES ?= auto

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_QUIET = 1
export MLFLOW_DISABLE_TELEMETRY = true
# what is imported is compiled then, once, and kept
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: bench test lint same pictures clean help

help:  ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

bench: $(VENV)/.installed  ## install, run the quick suite, say where the report is
	$(BIN)/stepscape run quick

# Work is dealt in stretches of neighbours, whose fixtures are made once, and who is done takes half of what another has left.
test: $(VENV)/.installed-dev  ## install with the development extras, run the tests; ALL=1: those that are marked, too
	$(BIN)/python -m pytest -q -n $(PROCESSES) --dist worksteal $(if $(ALL),-m "")

lint: $(VENV)/.installed-dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

same: $(VENV)/.installed  ## compare two results folders: make same BEFORE=results/old AFTER=results/new
	$(BIN)/python tests/compare_records.py $(BEFORE) $(AFTER)

pictures: $(VENV)/.installed-dev  ## the pictures of README and docs, made anew (some minutes): make pictures ONLY="report.png figures.png"
	$(BIN)/stepscape run quick
	$(BIN)/python tests/simulations/pictures.py $(ONLY)

clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist

# torch comes first: the constraint pins the CPU build, before anything else can ask for another one.
# Python compiles a file when it is first imported; pip would compile all 20,000 one after the other, a minute and more.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "stepscape needs Python 3.11 or newer; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV) (some minutes, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --no-compile -c constraints.txt torch
	@$(BIN)/pip install --no-compile -c constraints.txt -e '$(1)'
	@touch $(VENV)/.installed
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,.)

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $@
