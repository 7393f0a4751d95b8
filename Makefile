# Every target is a line or two: the work is in `deployments/`, which can also be called by hand.
# CATALOG, PORT and friends reach the programs through the environment, so a path may hold spaces or quotes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

export CATALOG ITEMS PORT DETACH

VENV := .venv
PYTHON := $(VENV)/bin/python
SYSTEM_PYTHON ?= python3
UV_VERSION := 0.13.9
# Much of a flow's test is waiting, so two share a core well; a file stays whole, for its server and its store.
WORKERS ?= 3
# Exactly one FAISS may be installed; the gpu extra is taken where the NVIDIA driver answers.
ACCELERATOR ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
INSTALLED := $(VENV)/installed-$(ACCELERATOR)

# Long forms of the benchmarks: those that take arguments.
BENCH ?= $(basename $(notdir $(shell grep -l argparse benchmarks/*.py)))

.PHONY: help
help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(INSTALLED) ## create .venv with the pinned versions (nothing to do when it is current)

$(INSTALLED): pyproject.toml constraints.txt
	@$(SYSTEM_PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else \
	"Python %d.%d found, 3.11 or newer needed: run make SYSTEM_PYTHON=/path/to/python3.11 setup" % v[:2])'
	@test -x $(PYTHON) || $(SYSTEM_PYTHON) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet uv==$(UV_VERSION)
	$(PYTHON) -m uv pip uninstall --quiet --python $(PYTHON) $(if $(filter gpu,$(ACCELERATOR)),faiss-cpu,faiss-gpu-cuvs)
	$(PYTHON) -m uv pip install --quiet --python $(PYTHON) -c constraints.txt -e ".[$(ACCELERATOR),dev]"
	@rm -f $(VENV)/installed-* && touch $@

.PHONY: demo
demo: setup ## whole product on this machine: sample shop, or CATALOG=path-or-uri; PORT=7860 DETACH=1 FLAGS=
	@$(PYTHON) -m deployments.demo $(FLAGS)

.PHONY: pipeline
pipeline: setup ## run every step once and print the figures: CATALOG=path-or-uri FLAGS=; no service stays on
	@$(PYTHON) -m deployments.run_pipeline $(FLAGS)

.PHONY: stop
stop: setup ## stop everything that `make demo` started
	@$(PYTHON) -m deployments.stop

.PHONY: doctor
doctor: setup ## check this machine and say what to do about each finding
	@$(PYTHON) -m deployments.doctor

.PHONY: test
test: setup ## run the tests, WORKERS files at a time
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: bench
bench: setup ## run the benchmarks one after another, hours in all: BENCH="index_quality serve_load" FLAGS=
	@missed=; for name in $(BENCH); do \
		echo "== $$name"; $(PYTHON) -m benchmarks.$$name $(FLAGS) || missed+=" $$name"; \
	done; test -z "$$missed" || { echo "missed:$$missed"; exit 1; }

.PHONY: lint
lint: setup ## ruff, mypy, the import rules and the pages
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry .
	$(PYTHON) -m docs.tools.configuration --check
	$(PYTHON) -m docs.tools.references

.PHONY: docs
docs: setup docs-config ## build the pages as a site in var/site
	$(PYTHON) -m docs.tools.references
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet --strict

.PHONY: docs-config
docs-config: setup ## write docs/configuration.md from the models
	$(PYTHON) -m docs.tools.configuration

.PHONY: format
format: setup ## sort imports and format
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: lock
lock: setup ## resolve constraints.txt again from pyproject.toml (keeps the versions that still fit)
	$(PYTHON) -m uv pip compile --quiet --all-extras --no-header --no-annotate -o constraints.txt pyproject.toml

.PHONY: clean
clean: ## remove caches and build leftovers (keeps .venv and var)
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
