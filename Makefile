# agenticd: `make help` lists the targets. A fresh machine needs Python 3.11 or newer and make; all else goes into .venv.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
CALLS  ?= 1

BIN := $(VENV)/bin
PY  := $(BIN)/python
UV  := $(BIN)/uv

# The tests start hundreds of daemons. Where this is set, each of them compiles seven hundred modules again.
unexport PYTHONDONTWRITEBYTECODE

# numpy's BLAS starts a thread per core when it is imported; nothing here multiplies matrices.
OPENBLAS_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check lint types units proto-check proto proto-baseline proof explore chaos chaos-defects soak bench wheels test-foreign test-clients clients-proto lock version ci clean

help: ## Show this list
	@awk -F ': .*## |: *## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2} /^##/{print substr($$0, 3)}' Makefile

## Try it
demo: ## A whole call on the built-in emulator: no phone, no account, no network
	@$(PY) -m agenticd demo $(ARGS)

## Work on it
test: ## All tests; some of them: make test ARGS="tests/core -k turn"
	@$(PY) -m pytest -n 8 --dist worksteal $(ARGS)

test-foreign: ## Published frameworks and Twilio's library on `agenticd emulate`; several calls at once: make test-foreign CALLS=4
	@AGENTICD_FOREIGN_CALLS=$(CALLS) $(PY) -m pytest -n 2 --dist worksteal -m foreign tests/foreign $(ARGS)

# Python's own tests and lint are those of `make test lint`.
test-clients: ## Build and check every client, and tell the story with each; one of them: make test-client-go
	@AGENTICD_CLIENTS="go typescript java rust" $(call CLIENTS,build lint test proto-check)
	@$(PY) -m pytest -n 4 --dist worksteal -m client tests/clients $(ARGS)

test-client-%: $(DEV)
	@AGENTICD_CLIENTS=$* $(call CLIENTS,build lint test proto-check)
	@AGENTICD_CLIENTS=$* $(PY) -m pytest -n 2 --dist worksteal -m client tests/clients $(ARGS)

clients-proto: ## Generate the code of every client from proto/
	@$(call CLIENTS,proto)

check: lint types units proto-check ## All that is checked without running the daemon

lint: ## ruff, formatting, who may import whom, the contract's style
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/buf lint proto
	@$(BIN)/buf format proto --diff --exit-code

types: ## mypy --strict
	@$(PY) -m mypy agenticd clients/python/agentic clients/python/agentctl $(wildcard bench tools tests clients/python/tests clients/python/examples clients/python/story)

units: ## What systemd has to say about systemd/: nothing, and an exposure of at most 1.5
	@$(PY) tools/check_units.py

proto: ## Generate the Python code in clients/python/agentic/v1 from proto/
	@rm -f $(GENERATED)/*_pb2*
	@$(call GENERATE,clients/python)

proto-check: ## Fail if that code is stale, or if the contract breaks its clients
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; $(call GENERATE,"$$tmp") || exit 1; \
	  diff -rq -x __init__.py -x __pycache__ "$$tmp/agentic/v1" $(GENERATED) >&2 || \
	  { echo "$(GENERATED) is not what proto/ says: run 'make proto' and commit the result" >&2; exit 1; }
	@if [ -f proto/baseline.binpb ]; then $(BIN)/buf breaking proto --against proto/baseline.binpb; fi

proto-baseline: ## Freeze the contract: what it is now is what it must stay compatible with
	@$(BIN)/buf build proto --exclude-source-info -o proto/baseline.binpb

proof: ## The long form of the proofs: twenty calls of a minute at once, held to the byte
	@AGENTICD_PROOF_SECONDS=60 $(PY) -m pytest tests/e2e/test_many.py $(ARGS)

explore: ## Millions of random inputs through the pure machines, held to the rules; a seed again: make explore ARGS="--one SEED"
	@$(PY) -m tests.explore $(ARGS)

chaos: ## Kill the daemon and its subscribers 1,000 times: nothing lost, nothing twice; in CI: make chaos ARGS="--kills 25 --seed 7"
	@$(PY) -m tests.chaos $(ARGS)

chaos-defects: ## Chaos is tried on daemons with a defect, which it must find
	@$(PY) -m pytest -n 2 -m defect tests/chaos $(ARGS)

soak: ## Churn of calls for 15 minutes: memory, descriptors and tasks come back
	@$(PY) -m bench soak --fill $(ARGS)

bench: ## Measure what the daemon adds to a call; also: make bench ARGS=bargein, pcm24, log, emulator or startup
	@$(PY) -m bench $(ARGS)

wheels: ## Build both wheels into dist/, install them in a throw-away environment and run them
	@$(PY) tools/wheels.py

lock: ## Remake requirements/*.txt, keeping what still fits; newer versions: make lock ARGS=--upgrade
	@$(call COMPILE,uv) --group bootstrap
	@$(call COMPILE,runtime) pyproject.toml --extra emulator
	@$(call COMPILE,dev) pyproject.toml --extra emulator --extra voice --extra recognition --group dev -c requirements/runtime.txt
	@for name in $(FOREIGN_PYTHON); do $(call COMPILE_FOREIGN,$$name) || exit 1; done
	@if command -v npm >/dev/null; then cd $(FOREIGN_NODE) && npm install --package-lock-only --loglevel=error; \
	  else echo "agenticd: npm is not installed; $(FOREIGN_NODE)/package-lock.json stays as it is"; fi

version: ## Set the version of the daemon and all clients: make version V=0.2.0
	@[ -n "$(V)" ] || { echo "say which: make version V=0.2.0" >&2; exit 1; }
	@$(PY) -m tools.version $(V)

ci: ## What CI runs
	@.ci/run

clean: ## Back to a fresh clone: remove .venv, dist and caches
	@rm -rf $(VENV) $(FOREIGN) $(FOREIGN_NODE)/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@for client in clients/*/Makefile; do $(MAKE) --no-print-directory -C "$${client%/Makefile}" clean; done
	@find agenticd clients tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the contract's Python code -------------------------------------------------------------------------------------
# Not by `buf generate`: the gRPC plugin for Python exists only inside grpcio-tools' protoc. Both generators are locked, so
# the same proto/ gives the same bytes everywhere. $(1): the folder to write to.
GENERATED := clients/python/agentic/v1
GENERATE = $(PY) -m grpc_tools.protoc -I proto \
  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
  --python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) proto/agentic/v1/*.proto

# --- the clients ----------------------------------------------------------------------------------------------------
# $(1): targets of their Makefiles.
CLIENTS = PY="$(abspath $(PY))" BUF="$(abspath $(BIN)/buf)" $(PY) -m tools.clients $(1)

# --- the environment ------------------------------------------------------------------------------------------------
# Two sizes of one environment, each with a stamp: what the demo needs, and with the developer's tools. The larger serves
# for the smaller. A stamp is stale when a lock or a pyproject.toml changed; else it costs nothing.
PROJECTS := pyproject.toml clients/python/pyproject.toml
RUNTIME  := $(VENV)/.stamp-runtime
DEV      := $(VENV)/.stamp-dev

demo wheels: $(if $(wildcard $(DEV)),$(DEV),$(RUNTIME))
test lint types units proto proto-check proto-baseline proof explore chaos chaos-defects soak bench lock version test-foreign test-clients clients-proto: $(DEV)

$(RUNTIME): $(UV) requirements/runtime.txt $(PROJECTS)
	@$(call INSTALL,requirements/runtime.txt)
	@touch $@

$(DEV): $(UV) requirements/dev.txt $(PROJECTS)
	@$(call INSTALL,requirements/dev.txt)
	@touch $@ $(RUNTIME)

# Exactly what is locked, by hash, wheels only. uv does not read pip's settings: where a machine reaches its packages only
# through those (a mirror, a certificate), pip does the same, slower. Ours come last and need no network: see pyproject.toml.
# No --compile-bytecode: measured, it costs 4 s, and the demo's imports compile what they need in 0.7 s.
INSTALL = echo "agenticd: installing $(1) into $(VENV)" && \
  { $(UV) pip sync -q --python $(PY) --require-hashes --no-build requirements/uv.txt $(1) || \
    { echo "agenticd: uv could not; trying pip" && $(PIP) -r $(1); }; } && \
  $(UV) pip install -q --python $(PY) --offline --no-deps -e clients/python -e .
PIP = $(PY) -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all:

$(UV): requirements/uv.txt
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "agenticd: there is no '$(PYTHON)' here. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "agenticd: Python 3.11 or newer is needed; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "agenticd: '$(PYTHON)' cannot make virtual environments. Install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "agenticd: making $(VENV) (once)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) -r requirements/uv.txt
	@touch $@

# $(1): the lock's name. Universal: one lock for all Pythons and platforms. agenticd-client is ours.
COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-emit-package agenticd-client --custom-compile-command "make lock" \
  -o requirements/$(1).txt $(ARGS)

# --- environments of others' ----------------------------------------------------------------------------------------
# What tests/foreign runs on: a folder there is an environment, locked beside what runs in it, exactly as ours. They share
# nothing with ours. `node_modules/.package-lock.json` is npm's own stamp.
FOREIGN        := .venv-foreign
FOREIGN_PYTHON := pipecat helper_library
FOREIGN_NODE   := tests/foreign/openai_agents
FOREIGN_STAMPS := $(FOREIGN_PYTHON:%=$(FOREIGN)/%/.stamp)
ifneq ($(shell command -v npm),)
FOREIGN_STAMPS += $(FOREIGN_NODE)/node_modules/.package-lock.json
endif

test-foreign: $(FOREIGN_STAMPS)

$(FOREIGN)/%/.stamp: tests/foreign/%/requirements.txt | $(DEV)
	@echo "agenticd: installing $< into $(@D)"
	@"$(PYTHON)" -m venv --clear $(@D)
	@$(UV) pip sync -q --python $(@D)/bin/python --require-hashes --no-build $< || \
	  { echo "agenticd: uv could not; trying pip" && \
	    $(@D)/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $<; }
	@touch $@

$(FOREIGN_NODE)/node_modules/.package-lock.json: $(FOREIGN_NODE)/package-lock.json
	@echo "agenticd: installing $< into $(FOREIGN_NODE)/node_modules"
	@cd $(FOREIGN_NODE) && npm ci --loglevel=error
	@touch $@

# docopt has no wheel, and only the command line of num2words uses it.
COMPILE_FOREIGN = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-emit-package docopt --custom-compile-command "make lock" \
  -o tests/foreign/$(1)/requirements.txt $(ARGS) tests/foreign/$(1)/requirements.in
