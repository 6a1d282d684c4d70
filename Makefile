.PHONY: install demo test check fix bench torture frontend clean

install:  ## .venv with everything a developer needs
	. scripts/venv.sh && make_venv && install -e '.[dev]'

demo:  ## the README's first command
	sh scripts/demo

test:  ## the README's second command
	sh scripts/test

check: install  ## formatting, lint and types
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

fix: install  ## what ruff can mend by itself
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench: install  ## every benchmark, one JSON line a measure
	for script in benchmarks/*.py; do .venv/bin/python "$$script" || exit 1; done

torture: install  ## the long forms of the tests that kill, race and fill disks
	.venv/bin/python -m pytest tests/torture tests/faults tests/processes --torture

frontend:  ## viewer/static from viewer/frontend
	sh scripts/frontend

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis viewer/frontend/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
