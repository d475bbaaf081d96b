# Alert History: the only door. `make` lists what it can do.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PYTHON ?= python3
MEMBERS := protos libs/common libs/client services/history services/ingest services/classifier services/publisher gateway deploy/allinone
LOCAL := $(foreach m,$(MEMBERS),-e ./$(m))
LOCKED := services/history services/ingest services/classifier services/publisher gateway deploy/allinone libs/client
NOT_LOCKED := $(foreach p,protos common client history ingest classifier publisher gateway allinone,--no-emit-package alerthistory-$(p))
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header $(NOT_LOCKED)
SETUP_STAMP := $(VENV)/.setup

.PHONY: help setup run up demo test check fmt lint types imports proto proto-check locks docs bench bench-quick bench-ingest bench-pipeline bench-queries bench-reports bench-deliveries bench-page bench-footprint bench-rules bench-docs eval learn contract kill chaos chaos-quick fuzz manifests clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(SETUP_STAMP) ## Install everything into .venv (other targets call it)

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Alert History needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=python3.x.") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment: install its venv module (Debian: apt-get install python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(SETUP_STAMP): requirements.lock $(UV) $(foreach m,$(MEMBERS),$(m)/pyproject.toml)
	@$(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation $(LOCAL)
	@touch $@

locks: $(UV) ## Resolve the hashed requirements.lock of every service and of development anew
	$(COMPILE) --group pyproject.toml:dev $(foreach m,$(MEMBERS),$(m)/pyproject.toml) -o requirements.lock
	for member in $(LOCKED); do $(COMPILE) $$member/pyproject.toml -o $$member/requirements.lock; done

fmt: $(SETUP_STAMP) ## Format Python and protos
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/buf format -w protos

GENERATED ?= protos/src
PROTOC := $(BIN)/python -m grpc_tools.protoc -I .

proto: $(SETUP_STAMP) ## Format and lint the contracts and generate the code from them
	$(BIN)/buf format -w protos
	$(BIN)/buf lint protos
	@$(MAKE) --no-print-directory generate

.PHONY: generate
generate:
	@rm -rf $(GENERATED)/alerthistory && mkdir -p $(GENERATED)
	@export PATH="$(CURDIR)/$(BIN):$$PATH"; cd protos; \
	../$(PROTOC) --python_out=../$(GENERATED) --mypy_out=quiet:../$(GENERATED) $$(find alerthistory -name '*.proto' | sort); \
	../$(PROTOC) --grpc_python_out=../$(GENERATED) --mypy_grpc_out=quiet,only_async:../$(GENERATED) $$(find alerthistory -name '*_service.proto' | sort)

run: $(SETUP_STAMP) ## Run the whole suite in one process (SQLite, no Redis, no Docker)
	@$(BIN)/alerthistory migrate
	@exec $(BIN)/alerthistory serve

up: $(SETUP_STAMP) ## Run the five services as five processes on loopback ports
	@exec $(BIN)/alerthistory-up

demo: $(SETUP_STAMP) ## Send a few minutes of realistic alerts to a running suite
	@$(BIN)/ahctl demo

test: $(SETUP_STAMP) ## Run all tests (real PostgreSQL from a wheel; Alertmanager where installed)
	$(BIN)/python -m pytest -q -n auto --dist worksteal $(ARGS)

check: $(SETUP_STAMP) lint types imports proto-check test ## Everything that CI demands

lint: $(SETUP_STAMP) ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(SETUP_STAMP) ## Check types, strictly
	$(BIN)/mypy protos/src libs/common/src libs/client/src services/*/src gateway/src deploy/allinone/src tests

imports: $(SETUP_STAMP) ## Check that imports go downward only
	$(BIN)/lint-imports

proto-check: $(SETUP_STAMP) ## Lint the contracts, look for breaks since the last release, and compare generated code
	$(BIN)/buf lint protos
	$(BIN)/buf format --diff --exit-code protos
	@tag=$$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true); \
	if [ -n "$$tag" ]; then $(BIN)/buf breaking protos --against ".git#tag=$$tag,subdir=protos"; \
	else echo "no release yet: contracts may still change"; fi
	@rm -rf build/protos && $(MAKE) --no-print-directory generate GENERATED=build/protos >/dev/null
	@diff -r -x __pycache__ -x py.typed build/protos/alerthistory protos/src/alerthistory || { echo "generated code is out of date: run make proto"; exit 1; }

clean: ## Remove what was built (not the data)
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis

docs: $(SETUP_STAMP) ## Write the settings tables into the READMEs
	$(BIN)/python -m tests.readmes

bench: bench-ingest bench-pipeline bench-deliveries bench-page bench-footprint bench-rules bench-queries bench-reports ## Measure everything (about an hour; each part also alone)

bench-quick: $(SETUP_STAMP) ## Measure how fast alerts are stored, beside the naive design and the bare statements (50 s)
	@$(BIN)/python -m tests.load.quick

bench-ingest: $(SETUP_STAMP) ## Measure alerts acknowledged per second, by webhook size and connections (1 minute)
	$(BIN)/python -m tests.load.ingest $(SECONDS_EACH)

bench-pipeline: $(SETUP_STAMP) ## Measure alerts judged and delivered per second, and how a burst drains
	$(BIN)/python -m tests.load.pipeline $(RATE)

bench-deliveries: $(SETUP_STAMP) ## Measure deliveries per second to a fast receiver, with one and with three publishers (2 minutes)
	@$(BIN)/python -m tests.load.deliveries $(ROUNDS)

bench-page: $(SETUP_STAMP) ## Measure how soon PagerDuty is told about a webhook (45 s)
	@$(BIN)/python -m tests.load.first_page $(ALERTS)

bench-footprint: $(SETUP_STAMP) ## Measure memory per process and the time to ready
	$(BIN)/python -m tests.load.footprint

bench-rules: $(SETUP_STAMP) ## Measure how many alerts the rules judge, and how soon a verdict from the cache is there (20 s)
	@$(BIN)/python -m tests.load.verdicts

bench-queries: $(SETUP_STAMP) ## Measure lists of alerts over 100 000, 1 and 10 million events (SIZES=...)
	$(BIN)/python -m tests.load.queries $(SIZES)

bench-reports: $(SETUP_STAMP) ## Measure reports over 100 000, 1 and 10 million events (SIZES=...)
	$(BIN)/python -m tests.load.reports $(SIZES)

# Not among the development dependencies: nothing else draws.
bench-docs: $(UV) ## Draw the plots and write the tables of docs/performance from the results
	$(UV) run --quiet --no-project --with matplotlib==3.11.2 python -m tests.load.render

# Over the environment, with what draws: see bench-docs.
eval: $(SETUP_STAMP) ## Judge the labelled alerts of docs/evaluation, and write the scores there (ARGS="--brief --misses")
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) run --quiet --no-project --with matplotlib==3.11.2 python -m tests.evaluation $(ARGS)

learn: $(SETUP_STAMP) ## Learn anew, from the labelled alerts, what single words speak for; writes the classifier's lexicon
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) run --quiet --no-project --with numpy==2.3.5 --with scipy==1.16.3 python -m tests.evaluation.learn

contract: $(SETUP_STAMP) ## Replay the legacy contract on both stores and in both forms (about 15 minutes)
	CONTRACT=all $(BIN)/python -m pytest -q -n auto --dist worksteal tests/contract $(ARGS)

kill: $(SETUP_STAMP) ## Kill the process 200 times while alerts are posted, and look for losses (about 8 minutes)
	$(BIN)/python -m tests.e2e.kill_rounds $(or $(ROUNDS),200)

chaos: $(SETUP_STAMP) ## Prove what is promised: kills, outages, crashes at every step, overload, restarts, ... (two hours; PARTS="providers bursts")
	@$(BIN)/python -m tests.chaos $(PARTS)

chaos-quick: $(SETUP_STAMP) ## Crash PostgreSQL twice under load for 4 s, and look for losses (under 50 s)
	@$(BIN)/python -m tests.chaos.outages 2 4

# Not among the development dependencies: it brings many of its own, and nothing else needs them.
SCHEMATHESIS := $(CURDIR)/$(UV) tool run --quiet --from schemathesis==4.32.5 schemathesis

fuzz: $(SETUP_STAMP) ## Ask the HTTP interface what its document allows, and what not, for MINUTES=10
	@$(BIN)/python -m tests.fuzz.api $(or $(MINUTES),10) "$(SCHEMATHESIS)" $(ARGS)

manifests: $(SETUP_STAMP) ## Render the Kubernetes manifests (needs kubectl)
	kubectl kustomize deploy/kustomize/base
