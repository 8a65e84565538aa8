# Everything is installed into .venv. Outside the repository nothing is changed, except that `make test` installs
# Debian's chromium where it is absent and that is allowed.

PYTHON ?= python3
PORT ?= 8501
# More arguments for the command behind a target, for example: make test ARGS="-k images"
ARGS ?=

# The folder that holds utkface/ and fer2013/.
FACETRAITS_DATA ?= $(abspath $(if $(wildcard ../shared/data/.),../shared/data,data))
export FACETRAITS_DATA

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
TRAIN_STAMP := $(VENV)/.installed-train

.DEFAULT_GOAL := help
.PHONY: help run test check format train evaluate benchmark chromium clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN_STAMP) ## start the app on http://localhost:8501 (PORT=... for another port)
	$(BIN)/python -m streamlit run app.py --server.port $(PORT) $(ARGS)

test: $(DEV_STAMP) chromium ## run all tests
	$(BIN)/python -m pytest $(ARGS)

check: $(DEV_STAMP) ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV_STAMP) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(TRAIN_STAMP) ## train the networks (hours; needs the data sets in FACETRAITS_DATA)
	$(BIN)/python -m facetraits train $(ARGS)

evaluate: $(RUN_STAMP) ## measure the exported networks on their test splits
	$(BIN)/python -m facetraits evaluate $(ARGS)

benchmark: $(DEV_STAMP) ## measure time and memory, beside other packages
	$(BIN)/python benchmarks/photo.py $(ARGS)

clean: ## remove .venv and caches; build/ (prepared data, checkpoints) stays: it takes hours to make
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the requirements it was installed from, so that a second `make` installs nothing. The
# environment is named after `|` because only its absence matters: its date is that of the interpreter it links to.
$(RUN_STAMP): requirements.txt requirements-serving.txt | $(BIN)/pip
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(TRAIN_STAMP): requirements-train.txt $(RUN_STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-train.txt
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "facetraits needs Python 3.11 or newer; name one that you have: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	    echo "No virtual environment could be made; on Debian and Ubuntu, first: apt install python3-venv"; exit 1; }

# The browser tests look for chromium themselves and skip without it: this target never fails.
chromium:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then \
	    exit 0; \
	elif ! command -v apt-get >/dev/null; then \
	    echo "Browser tests will be skipped: there is no chromium, and without apt-get none can be installed."; exit 0; \
	elif [ "$$(id -u)" = 0 ]; then sudo=; \
	elif sudo -n true 2>/dev/null; then sudo="sudo -n"; \
	else \
	    echo "Browser tests will be skipped: there is no chromium, and installing it needs root (apt-get install chromium)."; \
	    exit 0; \
	fi; \
	echo "Installing chromium for the browser tests"; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
	    || echo "Browser tests will be skipped: chromium could not be installed; apt-get says why above."
