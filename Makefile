# One verb each. `make demo` and `make test` do all set-up; the others expect the environment that they made.
PYTHON ?= python3
VENV ?= .venv
# On Linux, PyPI's torch is a CUDA build of several GB; name an index of CPU builds here to avoid it (see README).
TORCH_INDEX ?=
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt \
      $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: demo install test check docs bench bench-statistics bench-decisions bench-prompts bench-harness bench-audit bench-metrics bench-real bench-rag bench-retrieval bench-tuning bench-consistency bench-report bench-diagnosis bench-nano clean

demo: $(VENV)/.installed-demo
	$(BIN)/rung demo --folder runs/demo
	$(BIN)/rung demo catalogue --folder runs/demo-catalogue
	$(BIN)/rung demo ticket-replies --folder runs/demo-tuned

install: $(VENV)/.installed-test

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-test
	$(BIN)/python -m docs.generate

bench: bench-statistics bench-decisions bench-prompts bench-harness bench-audit bench-metrics bench-real bench-rag bench-retrieval bench-tuning bench-consistency bench-report bench-diagnosis bench-nano

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

clean:
	rm -rf $(VENV) build dist src/*.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing rung with its embedded model (a few minutes the first time)"
	$(PIP) -e '.[tune]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing rung and everything its tests need (a few minutes the first time)"
	$(PIP) -e '.[tune,text,sql,files,docs,static,lance,embed,optimize,dev]'
	@touch $@ $(VENV)/.installed-demo
