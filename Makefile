# `make` prints what can be made.
.DEFAULT_GOAL := help
.PHONY: help env demo test real bench bench-gpu lint plugin clean

PYTHON3 ?= python3
LIBRARY := .venv/bin/python

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env:  ## Set up what is missing: system packages where allowed, .venv, .venv-qgis
	@$(PYTHON3) tools/setup_env.py

demo: env  ## Map respiration of a synthetic world through QGIS, into demo/
	@$(LIBRARY) tools/demo.py

test: env  ## Run every test, those inside QGIS included
	@$(LIBRARY) tools/run_tests.py

real: env  ## Run the methods on the real data (RECO_DATA), into runs/
	@RECO_REQUIRE_DATA=1 $(LIBRARY) tools/real.py

bench: env  ## Run the benchmarks; rows and the table of goals go into benchmarks/RESULTS.md
	@$(LIBRARY) benchmarks/run.py

bench-gpu: env  ## Run the benchmark that needs a GPU of NVIDIA
	@$(LIBRARY) benchmarks/run.py --only bench_gpu.py

lint: env  ## Check style and types
	@status=0; $(LIBRARY) -m ruff check --output-format concise . || status=1; \
	$(LIBRARY) -m mypy || status=1; exit $$status

plugin: env  ## Build the plugin, a zip in dist/
	@$(LIBRARY) tools/build_plugin.py

clean:  ## Remove environments, caches and everything made; runs/ stays
	@rm -rf .venv .venv-qgis .env-stamp .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist demo *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
