# Needs Python 3.11 or newer, git and make; everything else goes into .venv. `make help` lists the targets.

# The first Python on the path that is new enough; `make PYTHON=/some/python demo` takes another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && exit; done; \
	echo python3)
# For `make test` and `make bench`. Its size depends on the package index: see CONTRIBUTING.md.
TORCH = torch==2.13.0
TORCH_OPTIONS =

VENV = .venv
BIN = $(VENV)/bin
# Bytecode is made when a module is first used: that is a third of the time of an installation.
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input install --no-compile
LOCKED = $(PIP) --require-hashes
# The package itself, in place: its sources are used where they lie, and nothing is fetched or compiled.
ITSELF = $(PIP) --no-index --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL = help
.PHONY: help demo test test-core check bench lock clean
# A recipe that fails or is interrupted leaves no stamp behind.
.DELETE_ON_ERROR:

help:
	@echo 'make demo    set up, then sound -> spectrogram -> sound from the recordings that ship: demo/index.html'
	@echo 'make test    set up what the tests need, torch included, and run them'
	@echo 'make test-core  the same without torch: everything but training'
	@echo 'make check   lint, format, types, floors, tests'
	@echo 'make bench   measure against librosa and torch, and write docs/bench.md'
	@echo 'make lock    choose the versions in requirements/*.lock anew'
	@echo 'make clean   remove .venv, demo and all caches'

demo: $(VENV)/.core
	$(BIN)/specloom demo -o demo

test: $(VENV)/.train
	$(BIN)/python -m pytest -n 2 -rfEs

# Also where torch is installed: tests/without_torch.py makes every import of it fail.
test-core: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m pytest -p without_torch -n 2 -rfEs

check: $(VENV)/.train
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 -rfEs

bench: $(VENV)/.train
	$(BIN)/python bench/run.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	  "Specloom needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1); install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.core: requirements/core.lock pyproject.toml | $(VENV)/.python
	@echo 'Installing numpy, scipy, numba, matplotlib and what they need (about 160 MB to download, once) ...'
	@$(LOCKED) -r requirements/core.lock
	@$(ITSELF)
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements/dev.lock requirements/pesq.lock
	@echo 'Installing what the tests need: pytest, hypothesis, librosa, mypy, ruff ...'
	@$(LOCKED) -r requirements/dev.lock
	@log=$(VENV)/pesq.log; \
	$(LOCKED) --no-build-isolation --no-deps -r requirements/pesq.lock >$$log 2>&1 || \
	echo "PESQ could not be compiled (see $$log): its tests will say that they skip."
# librosa compiles functions when it is first imported, and two processes that do so at the same time can leave a
# cache that crashes Python from then on: the tests run in two.
	@echo 'Letting librosa compile, once ...'
	@EAGER_IMPORT=1 $(BIN)/python -c 'import librosa'
	@touch $@

$(VENV)/.train: $(VENV)/.dev requirements/train.lock
	@echo 'Installing $(TORCH) (190 MB for the processor only, several GB where the index has builds for GPUs) ...'
	@$(PIP) $(TORCH_OPTIONS) $(TORCH)
	@$(LOCKED) -r requirements/train.lock
	@touch $@

# What pyproject.toml asks for, in versions and hashes for every Python from 3.11 on and every system.
COMPILE = $(VENV)/lock-tools/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade
lock: | $(VENV)/.python
	$(BIN)/python -m venv $(VENV)/lock-tools
	$(VENV)/lock-tools/bin/python -m pip --quiet install uv
	$(COMPILE) pyproject.toml requirements/build.in --output-file requirements/core.lock
	$(COMPILE) pyproject.toml --extra dev requirements/build.in requirements/dev.in \
	  --constraints requirements/core.lock --output-file requirements/dev.lock
	$(COMPILE) --no-deps requirements/pesq.in --output-file requirements/pesq.lock
	$(COMPILE) requirements/train.in --constraints requirements/dev.lock --output-file requirements/train.lock

clean:
	rm -rf $(VENV) demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
