VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check
PYTHON ?= python3
# Two processes, a file of tests to each; in order, for reordered the longest files come last and run alone.
TWO := -n 2 --dist loadscope --no-loadscope-reorder

.PHONY: demo test test-lowest test-newest coverage container-test app app-test app-logic quality format docs fuzz notebooks

# The main job on the built-in study, on a fresh machine.
demo: $(VENV)/.installed
	$(VENV)/bin/sam-pet demo --out demo

# The whole test suite, on a fresh machine.
test: $(VENV)/.developed
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest $(TWO)

# The quick part of the suite against the oldest dependencies that pyproject.toml allows, and against the newest there
# are, in environments of their own (about 6 GB of disk each: no index has old builds of torch for CPUs alone;
# two minutes to install). Torchvision is for a whole SAM 3 of old transformers, which tests make.
WHOLE := $(addprefix tests/test_,full_disk.py left_over.py notebooks.py repeated.py reports.py)
QUICK := $(filter-out $(WHOLE),$(wildcard tests/test_*.py)) tests/session tests/scores tests/readers tests/cli tests/dicom tests/models tests/proposers

TESTERS := 'anywidget>=0.9' 'check-jsonschema>=0.36' 'hypothesis>=6.100' 'ipykernel>=6.29' 'ipywidgets>=8.1' 'nbclient>=0.10' \
	'pytest>=8.3' 'pytest-xdist>=3.6' 'rt-utils>=1.2.7' 'slicerio>=1.1' 'torchvision>=0.21'

test-lowest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-lowest test-newest:
	test -x .venv-uv/bin/uv || { $(PYTHON) -m venv .venv-uv && .venv-uv/bin/pip install -q uv; }
	.venv-uv/bin/uv venv -q --clear --python $(PYTHON) .venv-$@
	VIRTUAL_ENV=.venv-$@ .venv-uv/bin/uv pip install -q --resolution $(RESOLUTION) -e '.[dicom,train]' $(TESTERS)
	OMP_NUM_THREADS=1 .venv-$@/bin/python -m pytest -q -n 2 --dist loadscope -p no:cacheprovider $(QUICK)

# Which lines and branches of sam_pet the suite runs; fails below what held when it was last measured.
coverage: $(VENV)/.developed
	$(VENV)/bin/coverage erase
	OMP_NUM_THREADS=1 $(VENV)/bin/coverage run -m pytest -q $(TWO)
	$(VENV)/bin/coverage combine -q
	$(VENV)/bin/coverage report --skip-covered

# The page of `sam-pet serve`: built into the package, from where it is committed. Needs Node 20.19 or later.
app: app/node_modules/.installed
	cd app && npm run --silent build

# The page's logic, the server, and whole readings in Chromium with a PACS (Debian: chromium, orthanc, orthanc-dicomweb).
app-test: $(VENV)/.developed app-logic
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -q tests/app tests/page

app-logic: app/node_modules/.installed
	cd app && npm test --silent

app/node_modules/.installed: app/package.json app/package-lock.json
	cd app && npm install --no-save --silent --no-audit --no-fund
	touch $@

# The site of docs/, in site/, with the page of errors as they are in the code; needs no network.
docs: $(VENV)/.developed
	OMP_NUM_THREADS=1 $(VENV)/bin/python docs/errors_page.py
	$(VENV)/bin/mkdocs build --strict --quiet

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

# `sam2` and nnU-Net (by way of timm) ask for torchvision, which nothing here needs of them.
NNUNET := nnunetv2 dynamic-network-architectures batchgenerators batchgeneratorsv2 acvl-utils
$(VENV)/.developed: $(VENV)/.installed
	$(PIP) install -q -c constraints.txt -e '.[dev]' setuptools wheel
	$(PIP) install -q -c constraints.txt --no-deps --no-build-isolation sam2 $(NNUNET)
	touch $@
