VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check
PYTHON ?= python3

.PHONY: demo test container-test quality format fuzz notebooks

# The main job on the built-in study, on a fresh machine.
demo: $(VENV)/.installed
	$(VENV)/bin/sam-pet demo --out demo

# The whole test suite, on a fresh machine.
test: $(VENV)/.developed
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n 2 --dist loadscope

# The challenge container on whole-body phantoms; without docker or podman in a sandbox, as root.
container-test: $(VENV)/.developed
	OMP_WAIT_POLICY=PASSIVE $(VENV)/bin/python infer/container_test.py

quality: $(VENV)/.developed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Runs every notebook and keeps its outputs.
notebooks: $(VENV)/.developed
	$(VENV)/bin/python notebooks/run.py

# Damages every kind of file and reads it; what is not refused in one line is kept in fuzz-findings/.
MINUTES ?= 5
fuzz: $(VENV)/.developed
	$(VENV)/bin/python -m tests.fuzz.run --minutes $(MINUTES)

format: $(VENV)/.developed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt -e .
	touch $@

# `sam2` asks for torchvision, which its video predictor does not need.
$(VENV)/.developed: $(VENV)/.installed
	$(PIP) install -q -c constraints.txt -e '.[dev]' setuptools wheel
	$(PIP) install -q -c constraints.txt --no-deps --no-build-isolation sam2
	touch $@
