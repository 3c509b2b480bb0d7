# Each target does all of its own set-up, and skips what is done.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BOARD := $(addprefix tests/test_,board.py databases.py forgeries.py migrations.py recording.py verify.py)

.PHONY: demo test test-slow test-postgres check format clean

demo: $(READY)  ## install, train the default MNIST baseline, show the board
	$(BIN)/kit baseline mnist

test: $(READY)  ## the fast tests
	$(BIN)/pytest -n auto -m "not slow"

test-slow: $(READY)  ## the tests that take minutes
	$(BIN)/pytest -m slow

test-postgres: $(READY)  ## the board's tests on a PostgreSQL server that is started for them
	tests/with_postgres.sh $(BIN)/pytest $(BOARD) -m "not slow"

check: format  ## everything a change must pass: format, lint, types, tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(READY)
	$(BIN)/ruff format .

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[deepshape,dev,postgres,ray,text]'
	touch $@
