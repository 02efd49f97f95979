# `make help` lists the targets. An active virtual environment is used as it is; otherwise .venv is made.

.DEFAULT_GOAL := help
SHELL := /bin/bash

SCALE ?= laptop# smoke, laptop or paper; small with BASE=gym_pusht
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)# runs at once, one thread each
OUT ?=# directory of the sweep; by default runs/GRID-SCALE
BASE ?=# another base configuration: gym_pusht
REAL ?= $(if $(filter gym_pusht,$(BASE)),$(ALIGN_PUSHT_ZARR))# your own real demonstrations, a Zarr store in Diffusion Policy's layout
SIM ?=# your own sim demonstrations
SET ?=# more options, e.g. SET="model.site=observation trainer.max_steps=8000"
RUN ?= runs# what `make probe` and `make dashboard` look at

ENV := $(or $(VIRTUAL_ENV),.venv)
PYTHON := $(ENV)/bin/python
ALIGN := $(PYTHON) -m align.cli
READY := $(ENV)/.align-ready
PLANNING := $(ENV)/.align-planning
OVERRIDES := $(strip $(if $(REAL),data.real=$(REAL)) $(if $(SIM),data.sim=$(SIM)) $(SET))
SWEEP := --scale $(SCALE) --jobs $(JOBS) $(if $(OUT),--out $(OUT)) $(if $(BASE),--base $(BASE)) \
	$(foreach o,$(OVERRIDES),--set+=$(o))

.PHONY: help setup setup-planning demos sweep-lambda sweep-baselines sweep-methods sweep-plateau \
	sweep-alpha sweep-gap sweep-ambient sweep-ambient-arm sweep-ambient-pushing dashboard probe test lint

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24
	@echo; echo "Variables: SCALE=$(SCALE) (smoke, laptop, paper)  JOBS=$(JOBS)  OUT  BASE  REAL  SIM  SET  RUN=$(RUN)"

setup: $(READY) ## make the environment; does nothing where it exists

$(READY): setup.cfg pyproject.toml
	@echo "Setting up $(ENV): PyTorch and the rest, up to 7 GB; 3-10 minutes by network. Needed once."
	@test -x $(PYTHON) || python3 -m venv $(ENV)
	@$(PYTHON) -m pip install --quiet --no-build-isolation --no-deps --editable . 2>/dev/null \
		&& $(PYTHON) -m pip check >/dev/null && $(PYTHON) -c 'import gym_pusht, pytest, ruff' 2>/dev/null \
		|| $(PYTHON) -m pip install --quiet --editable '.[dev,pusht]'
	@touch $@

setup-planning: $(PLANNING) ## add Drake, OMPL and the Panda, for the planning worlds

$(PLANNING): $(READY)
	@echo "Adding Drake, OMPL and the Panda to $(ENV): about 400 MB. Needed once."
	@$(PYTHON) -c 'import ompl, pydrake; from importlib.metadata import version; version("example-robot-data")' \
		2>/dev/null || $(PYTHON) -m pip install --quiet --editable '.[planning]'
	@touch $@

demos: $(READY) ## make the benchmark's demonstrations into data/ (about a minute)
	@echo "Making the demonstrations of scale $(SCALE) into data/; about a minute for laptop."
	$(ALIGN) sweep experiments/lambda.yaml $(SWEEP) --demos_only true

sweep-lambda: $(READY) ## success and discernibility against λ (SCALE=smoke 1 min, laptop 25 min on 2 cores)
	@echo "λ sweep at scale $(SCALE): demonstrations, training, rollouts, probes, figures; $(JOBS) runs at a time."
	@echo "On two cores smoke takes about a minute, laptop about 25. Interrupt it freely: it resumes."
	$(ALIGN) sweep experiments/lambda.yaml $(SWEEP)

sweep-baselines: $(READY) ## co-training against real-only and sim-only (laptop 15 min on 2 cores)
	@echo "Baselines at scale $(SCALE): real data alone, sim data alone, both; $(JOBS) runs at a time."
	@echo "At scale laptop about 15 minutes on two cores. Interrupt it freely: it resumes."
	$(ALIGN) sweep experiments/baselines.yaml $(SWEEP)

sweep-methods: $(READY) ## every way to align and not to (laptop 1.5 hours on 2 cores)
	@echo "Methods at scale $(SCALE): $(JOBS) runs at a time. On two cores smoke takes 3 minutes."
	$(ALIGN) sweep experiments/methods.yaml $(SWEEP)

sweep-plateau: $(READY) ## success against the sizes of both data sets (laptop: 36 runs)
	@echo "Plateau at scale $(SCALE): |D_sim| by |D_real|, and real data alone; $(JOBS) runs at a time."
	$(ALIGN) sweep experiments/plateau.yaml $(SWEEP)

sweep-alpha: $(READY) ## success against the weight α of real data (laptop: 28 runs)
	@echo "Mixing at scale $(SCALE): seven α at each size of the data; $(JOBS) runs at a time."
	$(ALIGN) sweep experiments/alpha.yaml $(SWEEP)

sweep-gap: $(READY) ## success against visual, physics and expert gap (laptop: 26 runs)
	@echo "Gaps at scale $(SCALE): visual by physics with and without a domain label, and levels of each;"
	@echo "$(JOBS) runs at a time."
	$(ALIGN) sweep experiments/gap.yaml $(SWEEP)

sweep-ambient: $(PLANNING) ## smooth and jagged plans in a maze, and who learns what from them (laptop: 34 runs)
	@echo "Ambient diffusion in a maze at scale $(SCALE): 17 arms; $(JOBS) runs at a time."
	$(ALIGN) sweep experiments/ambient.yaml $(SWEEP)

sweep-ambient-arm: $(PLANNING) ## the same of a 7-DoF arm among shelves (laptop: 18 runs)
	@echo "Ambient diffusion of an arm at scale $(SCALE); $(JOBS) runs at a time."
	$(ALIGN) sweep experiments/ambient_arm.yaml $(SWEEP)

sweep-ambient-pushing: $(READY) ## sim trusted by noise level, with and without alignment (laptop: 20 runs)
	@echo "Ambient diffusion for pushing at scale $(SCALE): an annotation, then co-training beside gating by hand,"
	@echo "per data set and per window; $(JOBS) runs at a time."
	$(ALIGN) sweep experiments/ambient_pushing.yaml $(SWEEP)

dashboard: $(READY) ## open TensorBoard on RUN
	$(PYTHON) -m tensorboard.main --logdir $(RUN)

probe: $(READY) ## probe the embeddings of RUN again, with reports
	@echo "Probing every run below $(RUN); about 10 seconds each."
	$(ALIGN) probe $(RUN)

test: $(READY) ## run the tests (about 8 minutes on 2 cores)
	@echo "Running the tests; about 8 minutes on two cores."
	$(PYTHON) -m pytest

lint: $(READY) ## check the style
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
