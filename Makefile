# Every target makes the environment that it needs and does nothing that is already done.
PYTHON ?= python3
PORT ?= 8000
KILLS ?= 200
JOBS ?= 2
# The databases that the tests run on, and what else to tell pytest: make test ARGS="-k fence"
DATABASES ?= sqlite postgresql
ARGS ?=
PARALLEL = -n $(JOBS) --dist worksteal
STORE_TESTS = $(if $(ARGS),,$(shell find tests/store -name "test_*.py" 2>/dev/null))

# The interpreter's version chooses the pinned requirements; another interpreter gets an environment of its own.
DESCRIBE = import sys; v = sys.version_info; \
	print("%d.%d" % v[:2], "py313-django61" if v >= (3, 13) else "py311-django52" if v >= (3, 11) else "")
VERSION_AND_PINS := $(shell $(PYTHON) -c '$(DESCRIBE)' 2>/dev/null)
VERSION := $(word 1,$(VERSION_AND_PINS))
PINS := $(word 2,$(VERSION_AND_PINS))
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(VERSION))
PY := $(VENV)/bin/python
# An environment does not survive a move to another folder, nor another version of the interpreter.
PLACE := $(word 1,$(shell echo "$(CURDIR)" | cksum))
STAMP := $(VENV)/.installed-$(VERSION)-$(PLACE)

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# What is compiled once serves every process that the tests start, whatever the machine's images are set to.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run test lint bench torture screenshots

help:
	@echo "make install                make the environment ($(VENV))"
	@echo "make run PORT=8000          the reference shop with demo data"
	@echo "make test                   all tests, on SQLite and PostgreSQL (ARGS=, DATABASES=, PYTHON=python3.13)"
	@echo "make lint                   ruff, mypy, import-linter, missing migrations"
	@echo "make bench FIGURES=\"...\"    measure (all figures, or those named)"
	@echo "make screenshots            take the pictures of the docs anew"
	@echo "make torture KILLS=200      kill workers at every point and count what was lost or doubled"

install: $(STAMP)

$(STAMP): requirements/$(PINS).txt pyproject.toml
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install -qq --requirement requirements/$(PINS).txt
	$(PY) -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

requirements/.txt:
	@echo "Retinue needs Python 3.11 or later; '$(PYTHON)' is $(or $(VERSION),not there)." >&2; exit 1

run: $(STAMP)
	$(PY) store/manage.py demo --port $(PORT)

# First what needs no particular database together with SQLite, then what uses the database on the others.
# The store's tests run with the store's settings, so in a process of their own. Without a browser, those that need
# one fail and the others run.
test: $(STAMP)
	-@$(PY) -m tests.browser
	@status=0; \
	for database in $(DATABASES); do \
		test $$database = sqlite && marked= || marked="-m database"; \
		export RETINUE_TEST_DATABASE=$$database; \
		echo "== $$database"; \
		$(PY) -m pytest $(PARALLEL) $$marked $(ARGS) || test $$? = $(if $(ARGS),5,0) || status=1; \
		test -z "$(STORE_TESTS)" || \
			$(PY) -m pytest $(PARALLEL) $$marked --ds tests.store.settings tests/store || status=1; \
	done; \
	exit $$status

lint: $(STAMP)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	PYTHONPATH=src:store $(VENV)/bin/lint-imports --no-logo
	$(PY) -m django makemigrations --check --dry-run --settings tests.settings
	$(PY) store/manage.py makemigrations --check --dry-run --settings project.settings.testing

bench: $(STAMP)
	$(PY) -m bench $(FIGURES)

torture: $(STAMP)
	$(PY) -m tests.torture --kills $(KILLS)

screenshots: $(STAMP)
	@$(PY) -m tests.browser
	RETINUE_TEST_DATABASE=sqlite $(PY) -m pytest tests/e2e/screenshots.py
