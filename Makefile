# The newcomer's commands. Everything runs from .venv, which is made from exact versions.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DATA ?= data
PORT ?= 8470

.PHONY: serve test setup lint types contracts unit docs slow compat transformers agreement race crash soak memory bench lock clean
.DEFAULT_GOAL := help

help:  ## Say what can be done
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

serve: .venv/.run  ## Set up, then run Imprint with a small sample repository on the loopback address
	@exec $(BIN)/imprint serve --data $(DATA) --port $(PORT) --sample

test: .venv/.dev lint types contracts unit  ## Set up, then pass lint, types, import contracts and the fast suite

setup: .venv/.run  ## Only build the environment: .venv/bin/imprint

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

contracts: .venv/.dev
	$(BIN)/lint-imports --no-logo

unit: .venv/.dev
	$(BIN)/pytest -n 2 --dist worksteal -m 'not slow'

slow: .venv/.dev  ## The slow suite: a longer run of the store's state machine
	$(BIN)/pytest -n 2 -m slow --ignore tests/compat --timeout 1200

compat: .venv/.compat  ## Every client at hand against a real server, with counts (GITS=, LIBGIT2=, JSON=)
	GIT_VERSIONS_DIR=$(GITS) LIBGIT2_SOURCE=$(LIBGIT2) COMPAT_JSON=$(JSON) $(BIN)/pytest -n 2 -q tests/compat --timeout 600

transformers: .venv/.transformers  ## sentence-transformers models as encoders (installs torch): their tests
	$(BIN)/pytest -q tests/contracts/test_encoder.py tests/semantic/embedding

agreement: .venv/.dev  ## Push the whole corpus to git receive-pack and to Imprint, and compare
	PYTHONPATH=tests $(BIN)/python -m agreement

race: .venv/.dev  ## 128 real clients race on the same refs, through one server and through two
	$(BIN)/python tests/durability/race.py --clients $(or $(CLIENTS),128) --servers 1
	$(BIN)/python tests/durability/race.py --clients $(or $(CLIENTS),128) --servers 2

crash: .venv/.dev  ## 1,000 processes die at seeded points, and every promise is checked (CRASH_RUNS=, SEED=)
	$(BIN)/python tests/durability/crash.py --runs $(or $(CRASH_RUNS),1000) --seed $(or $(SEED),1)

memory: .venv/.dev  ## Push and clone 2 GB, and print what each process took (needs 8 GB of disk)
	$(BIN)/python bench/memory.py --folder $(or $(FOLDER),/tmp)

soak: .venv/.dev  ## Real clients on a server that is maintained, ended and killed for 10 minutes (MINUTES=)
	$(BIN)/python tests/durability/soak.py --minutes $(or $(MINUTES),10) $(if $(REPORT),--report $(REPORT))

bench: .venv/.dev  ## Measure transport and blame beside git's own (needs nginx and fcgiwrap)
	$(BIN)/python bench/thread.py --repository $(or $(REPOSITORY),$(error say make bench REPOSITORY=PATH_OF_A_BARE_REPOSITORY))

docs: .venv/.dev  ## Write the generated reference pages anew
	$(BIN)/python -m imprint.cli.reference

lock:  ## Resolve the dependencies anew and pin them
	requirements/lock.sh

clean:  ## Remove the environment and the sample data
	rm -rf .venv $(DATA) $(DATA).key

.venv/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imprint needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/dev.txt
	@touch $@

.venv/.compat: .venv/.dev requirements/compat.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/compat.txt
	@touch $@

# torch first, and alone: what it is built for (CPU or GPU) is the package index's choice
.venv/.transformers: .venv/.dev requirements/transformers.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/transformers.txt
	@touch $@
