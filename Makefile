# Each target says what it does while it takes long; `make` alone lists them.
SHELL := /bin/bash
PY := .venv/bin/python
STAMP := .venv/.installed
PEERS := .peers/.installed
FUZZ := $(wildcard tests/fuzz/fuzz_*.py)
FUZZ_S := 20

.PHONY: help install run test lint types docs bench year fuzz clean

help:
	@echo "make install   create .venv with everything"
	@echo "make run       start a whole metering system on loopback (ARGS=... for options of 'smgw up')"
	@echo "make test      lint, types and all tests"
	@echo "make lint      ruff and the floors of the house"
	@echo "make bench     all benchmarks, with their peers and limits"
	@echo "make year      a simulated year with faults; its report is .year/report.html (ARGS=\"--seed 2\" for another)"
	@echo "make fuzz      every fuzz target for FUZZ_S seconds (20), with what it found last time"
	@echo "make docs      write the generated pages below docs/"
	@echo "make clean     remove .venv, caches and the demo data"

$(STAMP): requirements/develop.txt pyproject.toml tools/install.sh
	@tools/install.sh venv

$(PEERS): requirements/peers.txt $(STAMP)
	@tools/install.sh peers

install: $(STAMP)

run: $(STAMP)
	@$(PY) -m smgw up $(ARGS)

lint: $(STAMP)
	@echo "== lint"
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports

types: $(STAMP)
	@echo "== types"
	@.venv/bin/mypy

test: $(STAMP) $(PEERS)
	@tools/install.sh browser
	@$(MAKE) --no-print-directory lint types
	@echo "== tests (a few minutes)"
	@$(PY) -m pytest -n 2 --dist worksteal -q $(ARGS)

docs: $(STAMP)
	@$(PY) -m tools.generate_docs

bench: $(STAMP)
	@tools/install.sh anchor
	@$(PY) -m bench $(ARGS)

year: $(STAMP)
	@$(PY) -m tests.scenario.year --out .year $(ARGS)

fuzz: $(STAMP)
	@for target in $(FUZZ); do \
	  name=$$(basename $$target .py); mkdir -p .fuzz/$$name; \
	  echo "== $$name ($(FUZZ_S) s)"; \
	  PYTHONPATH=. $(PY) $$target .fuzz/$$name -max_total_time=$(FUZZ_S) -artifact_prefix=.fuzz/$$name- -verbosity=0 -print_final_stats=1 \
	    2>&1 | grep -v '^INFO\|^WARNING\|^###\|^"' | tail -n 40; \
	  [ $${PIPESTATUS[0]} -eq 0 ] || exit 1; \
	done

clean:
	rm -rf .venv .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz .year smgw-data
