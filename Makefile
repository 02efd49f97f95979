# `make help` lists the targets. An active virtual environment is used as it is; otherwise .venv is made.

.DEFAULT_GOAL := help
SHELL := /bin/bash

SCALE ?= laptop# smoke, laptop or paper; small with BASE=gym_pusht
JOBS ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || sysctl -n hw.ncpu)# runs at once, one thread each; by default one a core
OUT ?=# directory of the sweep; by default runs/GRID-SCALE, or runs/GRID-SCALE-BASE
BASE ?=# another base configuration: own (your own stores, no world), mujoco or gym_pusht
REAL ?= $(if $(filter gym_pusht,$(BASE)),$(ALIGN_PUSHT_ZARR))# your own real demonstrations, or several stores, REAL="a b"
SIM ?=# your own sim demonstrations
SET ?=# more options, e.g. SET="model.site=observation trainer.max_steps=8000"
OTHER ?= python3.13# another Python, for `make test-python`
SEEDS ?=# training seeds of each arm, e.g. SEEDS=5; by default those of the grid
REUSE ?=# other sweeps whose finished runs are taken over where they are the same, REUSE="a b"
RUN ?= runs# what `make probe` and `make dashboard` look at

ENV := $(or $(VIRTUAL_ENV),.venv)
PYTHON := $(ENV)/bin/python
ALIGN := $(ENV)/bin/align
READY := $(ENV)/.align-ready
PLANNING := $(ENV)/.align-planning
COMMA := ,
SPACE := $(subst ,, )
stores = $(if $(word 2,$(1)),[$(subst $(SPACE),$(COMMA),$(strip $(1)))],$(1))
OVERRIDES := $(strip $(if $(REAL),data.real=$(call stores,$(REAL))) $(if $(SIM),data.sim=$(call stores,$(SIM))) $(SET))
OPTIONS := --scale $(SCALE) --jobs $(JOBS) $(if $(OUT),--out $(OUT)) $(if $(BASE),--base $(BASE)) \
	$(if $(SEEDS),--seeds $(SEEDS)) $(if $(REUSE),--reuse $(call stores,$(REUSE))) $(foreach o,$(OVERRIDES),--set+=$(o))

# Every grid of experiments/ is a sweep; its `title` says what it asks, `takes` how long that is.
GRIDS := $(shell grep -l '^axes:' experiments/*.yaml)
sweeps = $(subst _,-,$(patsubst experiments/%.yaml,sweep-%,$(1)))
SWEEPS := $(call sweeps,$(GRIDS))
PLANNED := $(call sweeps,$(shell grep -lE '^base: (maze|arm)\.yaml' $(GRIDS)))# those that need Drake and OMPL

.PHONY: help setup setup-planning demos $(SWEEPS) dashboard probe test test-python torture conformance docs recorded benchmark lint

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24
	@awk -F'"' '/^title:/ { title = $$2 } /^takes:/ { name = FILENAME; gsub(/.*\/|\.yaml/, "", name); \
		gsub("_", "-", name); printf "%-24s%s (%s)\n", "sweep-" name, title, $$2 }' $(GRIDS)
	@echo; echo "Variables, with what they are unless given:"
	@sed -nE 's/^([A-Z]+) \?= ?([a-z0-9.]*)[^#]*# ?(.*)/\1=\2\t\3/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(READY) ## make the environment; does nothing where it exists

$(READY): setup.cfg pyproject.toml
	@echo "Setting up $(ENV): PyTorch and the rest, up to 7 GB; 3-10 minutes by network. Needed once."
	@test -x $(PYTHON) || python3 -m venv $(ENV)
	@$(PYTHON) -m pip install --quiet --no-build-isolation --no-deps --editable . 2>/dev/null \
		&& $(PYTHON) -m pip check >/dev/null && $(PYTHON) -c 'import av, gym_pusht, h5py, mujoco, onnx, onnxruntime, ot, pyarrow, pytest, ruff, submitit, xdist' 2>/dev/null \
		|| $(PYTHON) -m pip install --quiet --editable '.[dev,pusht]'
	@touch $@

setup-planning: $(PLANNING) ## add Drake, OMPL and the Panda, for the planning worlds

$(PLANNING): $(READY)
	@echo "Adding Drake, OMPL and the Panda to $(ENV): about 400 MB. Needed once."
	@$(PYTHON) -c 'import ompl, pydrake; from importlib.metadata import version; version("example-robot-data")' \
		2>/dev/null || $(PYTHON) -m pip install --quiet --editable '.[planning]'
	@touch $@

demos: $(READY) ## make the benchmark's demonstrations into data/ (about a minute)
	$(ALIGN) sweep lambda $(OPTIONS) --demos_only true

$(SWEEPS): sweep-%: $(READY)
	$(ALIGN) sweep $(subst -,_,$*) $(OPTIONS)

$(PLANNED): $(PLANNING)

dashboard: $(READY) ## open TensorBoard on RUN
	@test -e "$(RUN)" || { echo "RUN=$(RUN): no such folder; expected a run, a sweep or a folder of them" >&2; exit 2; }
	$(PYTHON) -m tensorboard.main --logdir $(RUN)

probe: $(READY) ## probe the embeddings of RUN again, with reports (about 10 seconds a run)
	$(ALIGN) probe $(RUN) --jobs $(JOBS)

test: $(READY) ## run the tests (about 15 minutes on 2 cores); some only wait for processes they start, hence one more
	$(PYTHON) -m pytest -n $$(($(JOBS) + 1)) --dist loadfile --no-loadscope-reorder

torture: $(READY) ## break it on purpose: bad inputs, tampered files, kills, full disks (hours)
	ALIGN_TORTURE=all $(PYTHON) -m pytest -n $(JOBS) --dist loadfile tests/torture

test-python: ## what depends on Python's version, on another one: OTHER=python3.13; makes .OTHER (up to 7 GB)
	@test -x .$(notdir $(OTHER))/bin/python || $(OTHER) -m venv .$(notdir $(OTHER))
	.$(notdir $(OTHER))/bin/python -m pip install --quiet --editable '.[dev,pusht]'
	.$(notdir $(OTHER))/bin/python -m pytest tests/test_imports.py tests/alignment tests/data tests/diffusion/test_schedule.py \
		tests/diffusion/test_denoising.py tests/networks tests/command tests/test_cli.py

conformance: $(READY) ## check against lerobot itself, in .conformance (needs Python 3.12, 8 GB)
	$(PYTHON) tests/conformance/check.py

docs: $(READY) ## fill in the numbers of README and docs/ from results/, and write docs/reference.md
	$(PYTHON) docs/values.py
	$(PYTHON) docs/reference.py

recorded: $(READY) ## do again what rests on several recorded sweeps (claims, mechanism, select), and the pages with it
	for name in mechanism select; do PATH="$(abspath $(ENV))/bin:$$PATH" $(SHELL) results/$$name/command.txt || exit 1; done
	$(ALIGN) claims results
	$(PYTHON) docs/values.py

benchmark: $(READY) ## measure how fast everything is here, beside others (at most eight minutes; OUT=folder SMALL=true)
	$(PYTHON) benchmarks/benchmark.py $(if $(OUT),--out $(OUT)) $(if $(SMALL),--small true)

lint: $(READY) ## check the style
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
