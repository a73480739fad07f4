# Two commands do everything: `make run` and `make test`. Both create the virtual environment
# .venv first and need no system package.
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
PAGES := web/pages
# Tests run in as many processes, a file in one of them, in the order of tests/conftest.py.
# One more than processors: many tests wait for a browser or a service.
WORKERS ?= 3
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Folders whose tests ask no service and no browser.
QUICK := $(addprefix tests/,align gallery house network recognition scoring train utils)
# Installs a file of requirements, with a line for each package as it comes.
define install
@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -r $(1) \
  | { grep --line-buffered -oE '^((Collecting|Processing) [^ ]+|Installing collected packages)' || true; }; \
  exit $${PIPESTATUS[0]}
endef
# What `make accuracy` measures, on which data, and where the tables go.
CARDS := $(wildcard best_model/*/card.json)
DUET_SHARED_DATA ?= ../shared/data
TABLES := docs/measurements/tables
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help run api test quick accuracy lint lint-js unit test-js coverage screenshots fmt fmt-js clean

help: ## print what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: .venv/installed ## start the service with Swagger UI on http://127.0.0.1:5000
	$(BIN)/python app_web.py

api: .venv/installed ## start the JSON API alone
	$(BIN)/python app.py

test: lint unit test-js ## check style and types, run every test

quick: lint test-js ## check style and types, run the tests that need no TensorFlow, browser, service or PostgreSQL
	$(BIN)/python -m pytest $(PARALLEL) -m "not (tf or postgres or slow)" $(QUICK)

# A table that is newer than the cards is not measured again, so an interruption costs one.
accuracy: $(TABLES)/liveness.md $(TABLES)/digits.md $(TABLES)/room.md $(TABLES)/clips.md $(TABLES)/open_set.md ## measure the models in use again (an hour or more, goes on where it stopped)

$(TABLES)/room.md: $(CARDS) | .venv/installed
	$(BIN)/python cli.py evaluate room --model-dir best_model --out $@

$(TABLES)/digits.md: liveness/challenge.py speech/digits.py speech/transcriber_whisper.py | .venv/installed
	$(BIN)/python cli.py evaluate digits --out $@

$(TABLES)/liveness.md: liveness/mouth_motion.py $(wildcard best_model/liveness/*/card.json) | .venv/installed
	$(BIN)/python cli.py evaluate liveness --out $@

$(TABLES)/open_set.md: $(CARDS) | .venv/installed
	$(BIN)/python cli.py evaluate open-set --model-dir best_model --out $@

$(TABLES)/clips.md: $(CARDS) | .venv/installed
	$(BIN)/python cli.py evaluate clips $(DUET_SHARED_DATA)/clips/people --model-dir best_model --out $@

lint: .venv/installed-dev lint-js ## check style, format and types, also of the pages' scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: .venv/installed-dev ## run every test
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_OPTIONS)

coverage: .venv/installed-dev ## run every test and count the lines that none runs (a third slower)
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term

screenshots: .venv/installed-dev ## photograph every state of the pages into runs/screenshots (needs Chromium)
	SCREENSHOTS=runs/screenshots $(BIN)/python -m pytest -n 0 tests/browser
	@echo "Open runs/screenshots/index.html"

fmt: .venv/installed-dev fmt-js ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

ifeq ($(shell sh -c 'command -v npm'),)
lint-js test-js fmt-js:
	@echo "$@: the scripts of the pages were left out, as npm is not installed."
else
lint-js: $(PAGES)/node_modules/.package-lock.json ## check style and types of the pages' scripts
	npm --prefix $(PAGES) run --silent lint

test-js: ## run the tests of the pages' scripts
	npm --prefix $(PAGES) run --silent test

fmt-js: $(PAGES)/node_modules/.package-lock.json
	npm --prefix $(PAGES) run --silent format
endif

clean: ## remove the virtual environment and caches (never the data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache $(PAGES)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed: TensorFlow has no package for others." \
	    "Received: $$($(PYTHON) --version). Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

.venv/installed: requirements.txt | $(BIN)/python
	@echo "Installing the packages of requirements.txt (once, a minute or two) ..."
	$(call install,requirements.txt)
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(call install,requirements-dev.txt)
	@touch $@

$(PAGES)/node_modules/.package-lock.json: $(PAGES)/package-lock.json
	npm --prefix $(PAGES) ci --loglevel=error --no-audit --no-fund
	@touch $@
