# Each target sets up all it needs in a fresh clone, into $(VENV), once: stamps follow pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Compiled modules are kept, whatever the environment says: tests start hundreds of processes, and each would compile ours again.
export PYTHONDONTWRITEBYTECODE :=
PROJECT := pyproject.toml constraints.txt
UV := uv==0.13.9
# Tests that start Ray go to one worker, see tests/conftest.py. PYTEST_ARGS comes after: '-n 0' runs all in one process.
PYTEST := -m pytest -n 2

.PHONY: demo test quick test-oldest lint bench bench-engine bench-gpu docs lock clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed-demo
	$(BIN)/pagefold demo

test: $(VENV)/.installed-all
	$(BIN)/python $(PYTEST) $(PYTEST_ARGS)

# What needs neither Ray nor more than a moment; files that are left out whole are not imported, see tests/conftest.py.
quick: $(VENV)/.installed-all
	$(BIN)/python $(PYTEST) -m 'not ray and not slow' $(PYTEST_ARGS)

lint: $(VENV)/.installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Ratios and figures of this machine; see tests/README.md, Speed.
bench: $(VENV)/.installed-all
	$(BIN)/python -m tests.bench --all

# Continuous batching against one after the other and static batches, tiny model, CPU.
bench-engine: $(VENV)/.installed-all
	$(BIN)/python -m tests.bench engine $(BENCH_ARGS)

# The tests that need a CUDA GPU, and Ovis2.5-2B's sizes with random weights on it; BENCH_ARGS=--quick is done within 4 minutes.
bench-gpu: $(VENV)/.installed-all
	$(BIN)/python -m tests.bench gpu $(BENCH_ARGS)

# Refreshes what the README files generate from the code; tests/test_docs.py compares. With DEMO=1 also the pasted demo.
docs: $(VENV)/.installed-all
	$(BIN)/python -m tests.refresh_readme $(if $(DEMO),--demo)

# What the images install and are built with: every package by version and hash, for Linux on x86-64. Run after a change of the
# dependencies.
LOCK = $(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-unknown-linux-gnu --generate-hashes \
	--no-annotate --custom-compile-command 'make lock'
lock: $(VENV)/.installed-all
	$(BIN)/python -m pip install --quiet $(UV)
	$(LOCK) pyproject.toml infra/requirements.in --output-file infra/requirements-cpu.txt
	$(LOCK) pyproject.toml infra/requirements.in --extra ovis --constraint constraints.txt --output-file infra/requirements-cuda.txt
	$(LOCK) infra/requirements-build.in --output-file infra/requirements-build.txt

# The tests on the oldest versions that pyproject.toml allows (of torch, the one that is pinned), in an environment of their own.
OLDEST := .venv-oldest
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python $(PYTEST) $(PYTEST_ARGS)

$(OLDEST)/.installed: $(PROJECT)
	rm -rf $(OLDEST)
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade 'pip>=25.1' $(UV)
	$(OLDEST)/bin/uv pip compile --quiet pyproject.toml --extra ovis --resolution lowest-direct --no-annotate --no-header \
		| grep -v '^torch=' > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints.txt --constraint $(OLDEST)/constraints.txt \
		--editable '.[ovis]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) $(OLDEST) demo-out demo-out-report build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "pagefold needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# What a run needs: no torch.
$(VENV)/.installed-demo: $(PROJECT) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# Everything. torch comes first and by its constraint; --group needs pip 25.1.
$(VENV)/.installed-all: $(PROJECT) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ovis]' --group dev
	@touch $@ $(VENV)/.installed-demo
