# Everything a newcomer needs. Requires Python 3.11 or newer with venv; nothing else, no root.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet
# Programs that a test starts inherit that a warning is an error; pip, in tests/packaging, must not.
PYTEST  = PYTHONWARNINGS=error $(BIN)/python -m pytest
SEEDS  ?= 0-499
COVERED = $(PYTEST) --cov --cov-report= -n auto --dist loadgroup
COVERAGE = $(BIN)/python -m coverage report
PARSER  = atdriver/tokens.py,atdriver/framer.py,atdriver/stages.py,atdriver/flight.py,atdriver/answering.py,atdriver/engine.py,atdriver/trailer.py,atdriver/resync.py,atdriver/syntax.py,atdriver/exchange.py,atdriver/dialect.py,atdriver/events.py,atdriver/channel.py,atdriver/command_queue.py
# All of it is reached; the tracing of Python 3.11 leaves out what follows an await in which an exception
# was caught, that of newer ones does not (docs/reliability.md, R2).
REACHED = 99.9
DRIVERS = 99
RUNS   ?= 1000000
# Most tests wait more than they work, so they share the machine; what judges CPU or real time runs
# alone behind them. Both are run in any case, and a failure in either fails the command.
IN_TWO  = failed=0; \
	$(PYTEST) --ignore=tests/packaging -n auto --dist loadgroup -m "not serial$(1)" $(2) || failed=1; \
	$(PYTEST) --ignore=tests/packaging -m "serial$(1)" $(2) || failed=1; \
	exit $$failed

.PHONY: help demo test gates coverage coverage-all mutants nightly fuzz lint types layers package check mutation simulation bench bench-compare diagrams clean

help:            ## Show this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/.runtime   ## Fetch a page and echo a datagram through two simulated modules
	$(BIN)/atdriver demo

test: $(VENV)/.test      ## Run the tests (under 10 minutes on 2 cores)
	@$(call IN_TWO, and not nightly and not gate)

gates: $(VENV)/.test     ## What each commit is asked beside `make test` (see docs/reliability.md)
	@$(call IN_TWO, and gate and not nightly,--timeout=1800)

coverage: $(VENV)/.test  ## Lines and branches of parser, engine and drivers that their own tests reach
	@rm -rf out/coverage && mkdir -p out/coverage
	$(COVERED) -m "not serial and not gate and not nightly" tests/engine tests/drivers tests/faults tests/recovery tests/ppp tests/cmux tests/mesh
	$(COVERED) --cov-append -k what_failed_once tests/simulation
	$(COVERAGE) --include="$(PARSER)" --fail-under=$(REACHED)
	$(COVERAGE) --include="modems/*" --fail-under=$(DRIVERS)

coverage-all: $(VENV)/.test  ## The same of everything, by everything that `make test` runs (long)
	@rm -rf out/coverage && mkdir -p out/coverage
	$(COVERED) --ignore=tests/packaging -m "not serial and not gate and not nightly"
	$(COVERAGE) --include="$(PARSER)" --fail-under=$(REACHED)
	$(COVERAGE) --fail-under=95

nightly: $(VENV)/.test   ## Also the long ones
	@$(call IN_TWO,,--timeout=3600)

lint: $(VENV)/.lint      ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint     ## Types
	$(BIN)/mypy

layers: $(VENV)/.lint    ## Who imports whom
	$(BIN)/lint-imports

package: $(VENV)/.lint   ## Build the wheel, install it elsewhere, look inside
	$(BIN)/python -W error -m pytest --timeout=600 tests/packaging

check: lint types layers package  ## All static checks

mutation: $(VENV)/.test  ## Change every fact of the fakes, and the driver where each fault test says: a test must fail (long)
	$(BIN)/python -m tests.faults.changes
	$(BIN)/python -m tests.mutation

mutants: $(VENV)/.test  ## mutmut's mutants of parser and engine; NAMES="framer.py" for some, NAMES=--drivers for the drivers (long)
	$(BIN)/python -m tests.mutation.driver $(NAMES)

simulation: $(VENV)/.test  ## Driver and module under faults in virtual time, SEEDS=0-499; on all cores
	$(BIN)/python -m tests.simulation --all --shrink $(SEEDS)

fuzz: $(VENV)/.test      ## Fuzz parser and engine, guided by coverage, RUNS=1000000 of each
	$(BIN)/python -m tests.fuzz parser --runs $(RUNS)
	$(BIN)/python -m tests.fuzz differential --runs $(RUNS)

bench: $(VENV)/.test     ## Measure (15 minutes); rewrites docs/performance.*; PARTS="wire push" only prints
	$(BIN)/python -m benchmarks $(QUICK) $(PARTS)

bench-compare: $(VENV)/.test  ## Is the working tree slower than BASE=revision? Status 1 if it is
	$(BIN)/python -m benchmarks.compare $(BASE)

diagrams: $(VENV)/.test  ## Redraw the diagrams in docs/architecture.md
	$(BIN)/python -m docs.diagrams

clean:           ## Remove what these commands made
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	$(PIP) install --constraint constraints.txt --group test
	-$(PIP) install --constraint constraints.txt --no-deps --group foreign
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PIP) install --constraint constraints.txt --group lint
	@touch $@
