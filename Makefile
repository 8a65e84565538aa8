# Everything is installed into .venv. Outside the repository nothing is changed, except that `make test` installs
# Debian's chromium, coturn and postgresql where they are absent and that is allowed.

PYTHON ?= python3
PORT ?= 8501
REPLICAS ?= 3
# More arguments for the command behind a target, for example: make test ARGS="-k images"
ARGS ?=

# The folder that holds the data sets, as README.md lays them out.
FACETRAITS_DATA ?= data
export FACETRAITS_DATA

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
TRAIN_STAMP := $(VENV)/.installed-train

.DEFAULT_GOAL := help
.PHONY: help run replicas test check format train evaluate benchmark benchmark-webcam benchmark-visitors hostile lock chromium coturn postgresql clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN_STAMP) ## start the app on http://localhost:8501 (PORT=... for another port)
	$(BIN)/python -m streamlit run app.py --server.port $(PORT) $(ARGS)

replicas: $(RUN_STAMP) ## start several replicas of the app behind Caddy on one port (PORT=..., REPLICAS=3)
	$(BIN)/python -m deploy.replicas --replicas $(REPLICAS) --port $(PORT)

test: $(DEV_STAMP) chromium coturn postgresql ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

hostile: $(DEV_STAMP) ## stress tests: 10,000 damaged files (half an hour), and many visitors at once
	$(BIN)/python -m tests.hostile.corpus $(ARGS)
	$(BIN)/python -m benchmarks.server

check: $(DEV_STAMP) ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV_STAMP) ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(TRAIN_STAMP) ## train the networks (hours; needs the data sets in FACETRAITS_DATA; ARGS=--references for those)
	$(BIN)/python -m facetraits train $(ARGS)

evaluate: $(TRAIN_STAMP) ## measure ours, the references and other packages on the test splits; rewrite README and cards
	$(BIN)/python -m facetraits datasets
	$(BIN)/python -m facetraits evaluate
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m facetraits report

benchmark: $(DEV_STAMP) ## measure time and memory, compared with other packages
	$(BIN)/python -m benchmarks.photo $(ARGS)

benchmark-webcam: $(DEV_STAMP) chromium ## measure the Webcam page in a browser, compared with a page that only passes video through (40 minutes)
	$(BIN)/python -m benchmarks.webcam $(ARGS)

benchmark-visitors: $(DEV_STAMP) ## measure the speed of video files, a log of 100,000 visits, and sales files
	$(BIN)/python -m benchmarks.video $(ARGS)
	$(BIN)/python -m benchmarks.visitors $(ARGS)
	$(BIN)/python -m benchmarks.sales $(ARGS)

clean: ## remove .venv and caches; build/ (prepared data, checkpoints) stays: it takes hours to make
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the requirements it was installed from, so that a second `make` installs nothing. The
# environment is named after `|` because only its absence matters: its date is that of the interpreter it links to.
$(RUN_STAMP): requirements.txt | $(BIN)/pip
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Without checksums: a machine may have a build of PyTorch for its own processor or GPU.
$(TRAIN_STAMP): requirements-train.txt $(RUN_STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-train.txt
	@touch $@

# Each from pyproject.toml, for all systems and versions of Python at once; the same version of a package in all of them.
LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --custom-compile-command "make lock"
lock: $(DEV_STAMP) ## regenerate requirements*.txt from pyproject.toml
	$(LOCK) --generate-hashes --extra serve --extra gradients --extra distributed --extra dev -o requirements-dev.txt
	$(LOCK) --generate-hashes --extra serve --extra gradients -c requirements-dev.txt -o requirements.txt
	$(LOCK) --generate-hashes --extra serve -c requirements-dev.txt -o requirements-serving.txt
	$(LOCK) --generate-hashes --extra serve --extra distributed -c requirements-dev.txt -o requirements-distributed.txt
	$(LOCK) --no-annotate --no-deps --extra train -o requirements-train.txt

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "facetraits needs Python 3.11 or newer; name one that you have: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	    echo "No virtual environment could be made; on Debian and Ubuntu, first: apt install python3-venv"; exit 1; }

# The tests look for these programs themselves and skip without them: these targets never fail. `before` and `after` are
# what root runs around the installation.
before :=
after :=
chromium:
	@$(call debian_package,chromium,chromium chromium-browser google-chrome,Browser tests)

# coturn is there to be started by a test, not to serve: its unit is masked while it is installed, then disabled.
coturn: before := ln -s /dev/null /etc/systemd/system/coturn.service 2>/dev/null && masked=yes;
coturn: after := [ -z "$$masked" ] || rm -f /etc/systemd/system/coturn.service; \
    { systemctl disable coturn || update-rc.d coturn disable; invoke-rc.d coturn stop; } >/dev/null 2>&1;
coturn:
	@$(call debian_package,coturn,turnserver,Tests of the relay)

# The tests start a server of their own: without this file the package would make one and start it.
postgresql: before := conf=/etc/postgresql-common/createcluster.d; mkdir -p $$conf && \
    echo "create_main_cluster = false" > $$conf/facetraits.conf;
postgresql: after := rm -f $$conf/facetraits.conf; rmdir $$conf 2>/dev/null;
postgresql:
	@$(call debian_package,postgresql,initdb /usr/lib/postgresql/*/bin/initdb,Tests of the visitors' log on PostgreSQL)

# $(1): package, $(2): programs of which one is enough, $(3): the tests that need it.
define debian_package
for program in $(2); do if command -v $$program >/dev/null; then exit 0; fi; done; \
if ! command -v apt-get >/dev/null; then \
    echo "$(3) will be skipped: there is no $(1), and without apt-get none can be installed."; exit 0; \
elif [ "$$(id -u)" = 0 ]; then sudo=; \
elif sudo -n true 2>/dev/null; then sudo="sudo -n"; \
else \
    echo "$(3) will be skipped: there is no $(1), and installing it needs root (apt-get install $(1))."; exit 0; \
fi; \
echo "Installing $(1) for the tests"; \
$$sudo env DEBIAN_FRONTEND=noninteractive sh -c '$(before) apt-get update -qq && \
    apt-get install -y -qq --no-install-recommends $(1); code=$$?; $(after) exit $$code' \
    || echo "$(3) will be skipped: $(1) could not be installed; apt-get says why above."
endef
