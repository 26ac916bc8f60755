# make app     everything set up, the demo built, served on http://127.0.0.1:8501
# make test    every test, the browser's included
# make setup   only .venv

PYTHON ?= python3
PORT ?= 8501
VENV := .venv
PY := $(VENV)/bin/python
# Byte code is made when a module is first imported: half of the packages' files never are. It has
# to be kept then, or each process would compile torch anew.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(PY) -m pip install --quiet --no-compile --disable-pip-version-check
DEMO := $(or $(WINNOW_PROJECTS),projects)/demo

.PHONY: app setup test lint types format clean distclean

app: setup $(DEMO)/demo.json
	@$(PY) -m pages.ui.serve --server.port $(PORT)

setup: $(VENV)/.importable

# The stamp comes last, so that an interrupted set-up goes on next time; a broken .venv is remade.
$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Winnow needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing packages into $(VENV) (2 GB; a minute or two) …"
	@$(PIP) -r requirements.txt
	@touch $@

# The Python of .venv finds `core` from anywhere.
$(VENV)/.importable: Makefile $(VENV)/.installed
	@$(PY) -c 'import os, pathlib, sysconfig as s; pathlib.Path(s.get_path("purelib"), "winnow.pth").write_text(os.getcwd(), "utf-8")'
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(PIP) -r requirements.txt -r requirements-dev.txt
	@touch $@

$(DEMO)/demo.json: | $(VENV)/.installed
	@$(PY) -m core demo $(DEMO)

# Two at a time: a browser leaves half of the machine idle. tests/conftest.py says what stays
# together; the browser's tests come first, since they take longest.
test: $(VENV)/.installed-dev
	@$(PY) -m pytest -n 2 --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: $(VENV)/.installed-dev
	@$(PY) -m mypy

format: $(VENV)/.installed-dev
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(DEMO)
