# SPDX-License-Identifier: Apache-2.0
#
# make demo    set everything up, then run the demonstration; it ends with a bitstream for the
#              iCEBreaker, with BOARD=colorlight-i9 for that board, with BOARD= for none
# make test    set everything up, then run the linters and the whole regression
# make lint    ruff and mypy only
# make clean   remove what was built (the virtual environment stays)
#
# PYTHON=python3.12 make ... chooses the interpreter of the virtual environment.

PYTHON ?= python3
BOARD ?= icebreaker
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml scripts/setup_system.sh
	@sh scripts/setup_system.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
	@touch $@

demo: setup
	$(BIN)/weft demo $(if $(BOARD),--board $(BOARD))

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/weft regress

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
