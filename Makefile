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

.PHONY: help setup run up demo test test-fast check fmt lint types imports proto proto-check locks docs bench manifests clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(SETUP_STAMP) ## Install everything into .venv (other targets call it)

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Alert History needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=python3.x.") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment: install its venv module (Debian: apt-get install python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(SETUP_STAMP): requirements.lock $(UV) $(foreach m,$(MEMBERS),$(m)/pyproject.toml)
	@$(UV) pip sync --quiet --require-hashes requirements.lock
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
PROTOC := $(BIN)/python -m grpc_tools.protoc -I protos

proto: $(SETUP_STAMP) ## Format and lint the contracts and generate the code from them
	$(BIN)/buf format -w protos
	$(BIN)/buf lint protos
	rm -rf $(GENERATED)/alerthistory
	@mkdir -p $(GENERATED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PROTOC) --python_out=$(GENERATED) --mypy_out=quiet:$(GENERATED) $$(cd protos && find alerthistory -name '*.proto' | sort)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PROTOC) --grpc_python_out=$(GENERATED) --mypy_grpc_out=quiet,only_async:$(GENERATED) $$(cd protos && find alerthistory -name '*_service.proto' | sort)
