# Two commands: `make serve` shows it running, `make test` proves it. Python 3.11 or newer is all they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := model_store/demo
PETS   := model_store/pets
BUILD  := build
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: serve demo test lint docs bench clean

serve: $(VENV)/.serve
	@exec $(BIN)/shopcat serve $(DEMO) $(PETS)

test: $(VENV)/.test lint
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python -m scripts.write_reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site: build/site/index.html"

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.train_rate --bfloat16
	test -z "$$SHOPCAT_DATA" || $(BIN)/python -m benchmarks.features_rate
	$(BIN)/python -m benchmarks.request_latency $(DEMO)
	$(BIN)/python -m benchmarks.serve_sales $(DEMO)
	$(BIN)/python -m benchmarks.telemetry_cost $(DEMO)
	$(BIN)/python -m benchmarks.heatmap_cost $(PETS)
	$(BIN)/python -m benchmarks.serve_pets $(PETS)
	$(BIN)/python -m benchmarks.overload $(PETS)
	$(BIN)/python -m benchmarks.soak $(DEMO) $(PETS)
	test -z "$$SHOPCAT_DATA" || $(BIN)/python -m benchmarks.heatmap_quality $(PETS) "$$SHOPCAT_DATA/oxford-iiit-pet"

clean:
	rm -rf $(VENV) $(BUILD) model_store/archives

# Train the demonstration bundle again, from synthetic tables. float32: bfloat16 would depend on the machine.
demo: $(VENV)/.serve
	rm -rf $(BUILD)/demo-tables
	$(BIN)/shopcat demo $(BUILD)/demo-tables --stores 20
	$(BIN)/shopcat train sales $(BUILD)/demo-tables --layers 128,64 --float32 --fresh --force \
		--out $(DEMO) --report $(BUILD)/demo-report

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Installed in full or, after an interruption, again: the stamp comes last.
$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) '.[test]'
	@touch $@ $(VENV)/.serve

$(VENV)/.docs: $(VENV)/.serve
	$(PIP) '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) '.[bench]'
	@touch $@
