# One verb each. `make demo` and `make test` do all set-up; the others expect the environment that they made.
PYTHON ?= python3
VENV ?= .venv
# On Linux, PyPI's torch is a CUDA build of several GB; name an index of CPU builds here to avoid it (see README).
TORCH_INDEX ?=
# What a target runs is this repository's own: nobody is asked about it.
export RUNG_TRUST = 1
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt \
      $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: demo demo-real install test-quick test nightly check docs site bench bench-statistics bench-decisions bench-prompts bench-harness bench-audit bench-metrics bench-real bench-rag bench-retrieval bench-tuning bench-consistency bench-report bench-diagnosis bench-nano bench-imports bench-quick-tests bench-money mutants fuzz chaos lock sbom clean

demo: $(VENV)/.installed-demo
	$(BIN)/rung demo --folder runs/demo
	$(BIN)/rung demo catalogue --folder runs/demo-catalogue
	$(BIN)/rung demo ticket-replies --folder runs/demo-tuned

# The same on real weights, which are fetched once (100 MB) into RUNG_WEIGHTS or the user's cache folder.
demo-real: $(VENV)/.installed-demo
	$(BIN)/rung demo real --folder runs/demo-real

install: $(VENV)/.installed-test

# Tests come in three tiers, by folder and marker (pyproject.toml lists the markers).
# test-quick: tests/unit, offline, without torch, fewer random cases; under a minute of CPU time. Run it after every change.
# test: everything, four processes at once (JOBS), since many tests wait. Run it before a merge; continuous integration does.
# nightly: the same with 25 times the random cases, longer texts and whole data sets (`tests/tiers.py`).
JOBS ?= 4
# A file's tests stay with one process, so that what they share (a climb, a tuned model) is made once.
BY_FILE = --dist loadfile --no-loadscope-reorder
# One computing thread a process: the processes share the cores already, and results must not depend on how many there are.
# Compiled tests are kept for the next run, whatever the shell says: compiling them is a tenth of the quick ones.
TEST_ENV = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

test-quick: $(VENV)/.installed-test
	$(TEST_ENV) $(BIN)/python -m pytest tests/unit -m "not slow and not extra and not real" --hypothesis-profile=quick

test: $(VENV)/.installed-test
	$(TEST_ENV) $(BIN)/python -m pytest -n $(JOBS) $(BY_FILE)

nightly: $(VENV)/.installed-test
	$(TEST_ENV) $(BIN)/python -m pytest -n $(JOBS) $(BY_FILE) --hypothesis-profile=nightly

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-test
	$(BIN)/python -m docs.generate

# The documentation as pages in build/site, from docs/ and mkdocs.yml; a link that leads nowhere is an error.
site: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: bench-statistics bench-decisions bench-prompts bench-harness bench-audit bench-metrics bench-real bench-rag bench-retrieval bench-tuning bench-consistency bench-report bench-diagnosis bench-nano bench-imports

bench-statistics: $(VENV)/.installed-test
	$(BIN)/python -m bench.statistics

bench-decisions: $(VENV)/.installed-test
	$(BIN)/python -m bench.decisions

bench-prompts: $(VENV)/.installed-test
	$(BIN)/python -m bench.prompts --save

bench-harness: $(VENV)/.installed-test
	$(BIN)/python -m bench.harness

# The next three read the shared data sets; name their folder in RUNG_SHARED where it is not ../shared.
bench-audit: $(VENV)/.installed-test
	$(BIN)/python -m bench.audit

bench-metrics: $(VENV)/.installed-test
	$(BIN)/python -m bench.metrics

bench-real: $(VENV)/.installed-test
	$(BIN)/python -m bench.real
	$(BIN)/python -m bench.real.tuned

bench-retrieval: $(VENV)/.installed-test
	$(PIP) -e '.[bench]'
	$(BIN)/python -m bench.retrieval quality
	$(BIN)/python -m bench.retrieval speed
	$(BIN)/python -m bench.retrieval large

bench-tuning: $(VENV)/.installed-test
	$(BIN)/python -m bench.tuning
	$(BIN)/python -m bench.tuning.step

bench-consistency: $(VENV)/.installed-test
	$(BIN)/python -m bench.consistency

bench-rag: $(VENV)/.installed-test
	$(BIN)/python -m bench.rag

bench-report: $(VENV)/.installed-test
	$(BIN)/python -m bench.report

bench-diagnosis: $(VENV)/.installed-test
	$(BIN)/python -m bench.diagnosis
	$(BIN)/python -m bench.diagnosis.worlds

bench-nano: $(VENV)/.installed-test
	$(BIN)/python -m bench.nano.measure --model nano-s
	$(BIN)/python -m bench.nano_speed

bench-imports: $(VENV)/.installed-test
	$(BIN)/python -m bench.imports

bench-quick-tests: $(VENV)/.installed-test
	$(TEST_ENV) $(BIN)/python -m bench.quick_tests

# Small faults put into the code that decides: which do the tests notice? About half an hour of CPU time.
mutants: $(VENV)/.installed-test
	$(TEST_ENV) nice -n 10 $(BIN)/python -m bench.mutation --seed 7 --sample 400

# Inputs found by coverage for every door for text from outside; CPython on Linux and macOS. The corpus is kept in WORK.
MINUTES ?= 60
fuzz: $(VENV)/.installed-test
	$(PIP) atheris
	$(TEST_ENV) nice -n 15 $(BIN)/python -m bench.fuzz --minutes $(MINUTES) $(if $(WORK),--work $(WORK))

# Kills, limits, full disks and damaged files against whole climbs; Linux. What is done is kept in WORK and not done again.
chaos: $(VENV)/.installed-test
	$(TEST_ENV) nice -n 15 $(BIN)/python -m bench.chaos $(if $(WORK),--work $(WORK))

# What whole climbs pay and write down under endpoints that bill, tell and obey in odd ways; Linux.
bench-money: $(VENV)/.installed-test
	$(TEST_ENV) nice -n 10 $(BIN)/python -m bench.money

# After a change of constraints.txt or of the core's dependencies.
lock: $(VENV)/.installed-test
	$(PIP) uv
	$(BIN)/python -m supply.lock

# The core's wheel and its bill of materials (CycloneDX), in dist/.
sbom: $(VENV)/.installed-test
	rm -rf build dist/rung-*
	$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m supply.bill dist/rung-*.whl

clean:
	rm -rf $(VENV) build dist src/*.egg-info packages/rung-nano/build packages/rung-nano/dist packages/rung-nano/src/*.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(VENV)/bin/python pyproject.toml packages/rung-nano/pyproject.toml constraints.txt
	@echo "Installing rung with its bundled model (a few minutes the first time)"
	$(PIP) -e '.[tune]' -e packages/rung-nano
	@touch $@

$(VENV)/.installed-test: $(VENV)/bin/python pyproject.toml packages/rung-nano/pyproject.toml constraints.txt
	@echo "Installing rung and everything its tests need (a few minutes the first time)"
	$(PIP) -e '.[tune,text,sql,files,docs,static,onnx,lance,embed,optimize,site,dev]' -e packages/rung-nano
	@touch $@ $(VENV)/.installed-demo
