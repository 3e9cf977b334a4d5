# Two commands matter: `make demo` watches the engine decide, `make test` proves it. Both set up what they need.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
ORACLES := .venv-oracles
QUIX := .venv-quixstreams
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test bench quality chaos fuzz lint clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

demo: $(STAMP) ## run the main job: Kafka, the engine, and a simulated fleet (ARGS="--seconds 60 --headless")
	$(VENV)/bin/decision-stream demo $(ARGS)

test: $(STAMP) ## run all tests, on a real Kafka (ARGS="-k name")
	$(VENV)/bin/python -m pytest $(ARGS)

bench: $(STAMP) $(QUIX)/.installed ## measure CPU per insight and latency, bare Faust and quixstreams beside them, against goals
	$(VENV)/bin/python -m bench $(ARGS)

quality: $(ORACLES)/.installed ## measure decision quality against known truth, goal by goal (ARGS="--quick"); writes docs/quality.md
	$(ORACLES)/bin/python -m bench.quality $(ARGS)

chaos: $(STAMP) ## faults on a real Kafka under load, then an oracle reads everything (ARGS="--quick")
	$(VENV)/bin/python -m bench.chaos $(ARGS)

fuzz: $(STAMP) ## Schemathesis against the REST API, thousands of requests for each role (ARGS="20" for fewer)
	$(VENV)/bin/python -m tests.edge.api_fuzz $(ARGS)

lint: $(STAMP) ## check style, imports and types
	$(VENV)/bin/ruff check decision_stream tests bench
	$(VENV)/bin/ruff format --check decision_stream tests bench
	$(VENV)/bin/mypy

clean: ## remove the environment and what runs left behind
	rm -rf $(VENV) $(ORACLES) $(QUIX) .decision_stream .pytest_cache .hypothesis .ruff_cache

# The environment is made again when the lock or the project changes.
$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, found " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "setting up $(VENV): about 80 packages, a minute or two the first time"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --progress-bar on --require-hashes -r requirements-dev.lock
	$(VENV)/bin/python -m pip install --no-deps --no-build-isolation --quiet -e .
	@touch $@

# The peers of the statistics are large, so they have an environment of their own. One that does not install on this
# Python must not keep the rest from being measured: its rows then say that it is missing.
$(ORACLES)/.installed: requirements-oracles.lock requirements-dev.lock pyproject.toml
	@echo "setting up $(ORACLES): about 130 packages, a minute or two the first time"
	$(PYTHON) -m venv $(ORACLES)
	$(ORACLES)/bin/python -m pip install --progress-bar on --require-hashes -r requirements-oracles.lock \
	  || { echo "a peer does not install here: measuring without the peers"; \
	       $(ORACLES)/bin/python -m pip install --quiet --require-hashes -r requirements-dev.lock; }
	$(ORACLES)/bin/python -m pip install --no-deps --no-build-isolation --quiet -e .
	@touch $@

# quixstreams wants an older pydantic than the engine; one that does not install keeps nothing else from being measured.
$(QUIX)/.installed: bench/requirements-quixstreams.lock
	@echo "setting up $(QUIX): about 40 packages"
	$(PYTHON) -m venv $(QUIX)
	$(QUIX)/bin/python -m pip install --quiet --require-hashes -r bench/requirements-quixstreams.lock \
	  || { echo "quixstreams does not install here: measuring without it"; rm -rf $(QUIX); mkdir $(QUIX); }
	@touch $@
