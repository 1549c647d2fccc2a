# Every target sets up what it needs by itself; the only requirement is Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := build/demo
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint types layers unit format clean

## Compile ResNeXt-50 from its spec to PyTorch, ONNX and a picture, and run it.
demo: $(VENV)/.demo
	mkdir -p $(DEMO)
	$(BIN)/archdsl check specs/resnext50.arch
	$(BIN)/archdsl build specs/resnext50.arch --target torch -o $(DEMO)/resnext50.py
	$(BIN)/archdsl render specs/resnext50.arch --depth stage -o $(DEMO)/resnext50.svg
	$(BIN)/python examples/run.py specs/resnext50.arch $(DEMO)/resnext50.onnx
	@echo "Look at $(DEMO)/resnext50.py (source), resnext50.onnx (model) and resnext50.svg (picture)."

## Everything that CI checks.
test: lint types layers unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev
	$(BIN)/pytest -q -n 2 --dist worksteal

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "archdsl needs Python 3.11 or newer; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[demo]'
	touch $@

# torchvision and timm come without their dependencies, which could take another build of torch.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	$(INSTALL) --no-deps 'torchvision==0.28.*' 'timm>=1.0'
	touch $@ $(VENV)/.demo
