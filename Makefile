# Every target creates its environment: `make demo` and `make test` need only Python 3.11+. Written
# for GNU make 3.81, the one that macOS ships.

# The first that is new enough is used; `make PYTHON=/path/to/python3.12 test` selects one.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
VENV ?= .venv
# Test processes; the suite is balanced for two cores.
JOBS ?= 2
# Options for the server: `make serve SERVE="--port 9000 --demo"`.
SERVE ?=
# Options for the benchmarks: `make bench BENCH="--quick core lanes"`.
RESULTS := benchmarks/results
BENCH ?= --json $(RESULTS)/last.json --html $(RESULTS)/last.html

# The sans-IO core is covered completely, except lines that only random input reaches.
CORE := realtime_trio/_core/*,realtime_trio/_handlers/*,realtime_trio/_processor.py,realtime_trio/events/*

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Selects the environment for pyright, which ignores --pythonpath with --verifytypes.
IN_VENV := PATH="$(abspath $(BIN)):$$PATH"

# pyright comes from its wheel, so it need not check the network for a newer version.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo serve test test-lowest soak check bench bench-peers docs plots pictures dist clean

help:
	@echo 'make demo         a conversation with the embedded server, in this terminal'
	@echo 'make serve        the embedded server, to develop against; SERVE="--demo" answers more'
	@echo 'make test         the test suite with its coverage gate'
	@echo 'make check        format, lint, types, documentation'
	@echo 'make test-lowest  the suite with the lowest allowed version of every dependency'
	@echo 'make soak         the long forms of the tests of the journal and the fleet: kills, damage'
	@echo 'make bench        the benchmark suite'
	@echo 'make bench-peers  the same for other libraries, in a separate environment'
	@echo 'make docs         the documentation, into docs/_build/html'
	@echo 'make plots        the pictures of the benchmark report, from its tables'
	@echo 'make pictures     the pictures of the terminal, from the real commands'
	@echo 'make dist         the wheel and the source distribution, into dist'
	@echo 'make clean        remove all generated files, including $(VENV)'

demo: $(VENV)/.demo
	@$(BIN)/realtime-trio demo

serve: $(VENV)/.demo
	@exec $(BIN)/realtime-trio serve $(SERVE)

test: $(VENV)/.suite
	@$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report=term
	@$(BIN)/python -m coverage report --include='$(CORE)' --fail-under=99 --show-missing

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(IN_VENV) pyright
	$(IN_VENV) pyright --verifytypes realtime_trio --ignoreexternal
	$(BIN)/towncrier build --draft --version next >/dev/null
	$(BIN)/sphinx-build -n -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/sphinx-build -n -W --keep-going -q -b doctest docs docs/_build/doctest

soak: $(VENV)/.suite
	@$(BIN)/python -m tests.journal.killing 100
	@REALTIME_TRIO_SOAK=20 $(BIN)/python -m pytest --no-cov -n $(JOBS) tests/journal
	@FLEET_SOAK=200 $(BIN)/python -m pytest --no-cov -s tests/fleet/test_processes.py

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks $(BENCH)

bench-peers: .venv-peers/.peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --upgrade openai pipecat-ai
	@.venv-peers/bin/python -m benchmarks --peers $(BENCH)

# The suite's own pytest is newer than what users of the fixtures need, so that comes second.
# pip has no option for this; uv installs as a wheel, so nothing of the system changes.
test-lowest: $(VENV)/.made
	@$(PIP_INSTALL) uv
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lowest
	@$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[suite]'
	@.venv-lowest/bin/python -m pytest -n $(JOBS)
	@$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
	    --upgrade-package pytest -e '.[testing]'
	@.venv-lowest/bin/python -m pytest -c tests/older_pytest.ini --rootdir . -n $(JOBS) tests/testing

dist: $(VENV)/.made
	@$(PIP_INSTALL) build twine
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .
	@$(BIN)/python -m twine check --strict dist/*

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -n -W --keep-going -b html docs docs/_build/html

plots: $(VENV)/.bench
	@$(BIN)/python -m benchmarks.report_pictures docs/benchmark-report.md docs/pictures/benchmarks

pictures: $(VENV)/.dev
	@$(BIN)/python docs/_tools/pictures.py

clean:
	rm -rf $(VENV) .venv-peers .venv-lowest docs/_build build dist htmlcov .coverage .coverage.*
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- environments ------------------------------------------------------------------------

# One stamp per set of packages, updated when pyproject.toml changes.
$(VENV)/.demo: EXTRAS := cli
$(VENV)/.suite: EXTRAS := suite
$(VENV)/.dev: EXTRAS := dev
$(VENV)/.bench: EXTRAS := audio,bench,cli,fast
$(VENV)/.docs: EXTRAS := docs

$(VENV)/.demo $(VENV)/.suite $(VENV)/.dev $(VENV)/.bench $(VENV)/.docs: pyproject.toml $(VENV)/.made
	@echo 'installing realtime-trio[$(EXTRAS)] into $(VENV)'
	@$(PIP_INSTALL) -e '.[$(EXTRAS)]'
	@touch $@

.venv-peers/.peers: pyproject.toml
	@$(MAKE) VENV=.venv-peers .venv-peers/.made
	@echo 'installing realtime-trio[peers] into .venv-peers'
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench,cli,fast,peers]'
	@touch $@

$(VENV)/.made:
	@for candidate in $(PYTHON); do \
	    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 || { lacking=$$candidate; continue; }; \
	    echo "creating $(VENV) with $$candidate";  \
	    "$$candidate" -m venv --clear $(VENV) || exit 1; \
	    touch $@; exit 0; \
	done; \
	if [ -n "$$lacking" ]; then \
	    echo "error: $$lacking cannot create virtual environments, because its ensurepip module is missing." >&2; \
	    echo "On Debian and Ubuntu: apt install python3-venv. Then run make again." >&2; \
	else \
	    echo "error: no Python 3.11 or newer among: $(PYTHON)." >&2; \
	    echo "Install one, or select one: make PYTHON=/path/to/python3.12 ..." >&2; \
	fi; \
	exit 1
