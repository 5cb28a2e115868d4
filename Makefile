PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test check format docs site install

demo: install  ## Run a small study to its Pareto front; an interrupted one is resumed, a finished one is shown again.
	$(BIN)/espalier launch --exist-ok studies/digits.yaml

test: install  ## Run the whole test suite.
	$(BIN)/python -m pytest

check: install  ## Check format, lint, types, the layers of the packages, and the links of the documentation.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m mkdocs build --quiet

site: install  ## Build the documentation as a site, into site/; a link that leads nowhere is an error.
	$(BIN)/python -m mkdocs build --quiet

format: install  ## Format the code, and mend what lint can mend by itself.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install  ## Write the pages on paradigms and keys, and the schema of study files, from the code.
	$(BIN)/python -m orchestrator.handbook > docs/paradigms.md
	$(BIN)/python -m orchestrator.study_keys > docs/study_keys.md
	$(BIN)/espalier schema > docs/study.schema.json

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("espalier needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --requirement requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	touch $@
