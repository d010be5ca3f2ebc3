"""Run benchmarks: `python -m bench` all of them, `python -m bench NAME` one, `--json` for one line each."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable

from rich.console import Console

import bench
from bench.result import BenchResult, as_json, print_table


def discover() -> dict[str, Callable[[], BenchResult]]:
    """Find every benchmark of this package by name."""
    found = {}
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name.startswith("_"):
            continue
        run = getattr(importlib.import_module(f"bench.{module.name}"), "run", None)
        if run is not None:
            found[module.name] = run
    return found


def main() -> int:
    """Read the command line and run what it names; give the exit code."""
    benchmarks = discover()
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the promises beside their peers and limits.")
    parser.add_argument("name", nargs="?", choices=sorted(benchmarks), help="one benchmark; left out, all run")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each benchmark")
    options = parser.parse_args()
    console = Console()
    for name in [options.name] if options.name else sorted(benchmarks):
        if not options.json and sys.stderr.isatty():
            print(f"{name} …", file=sys.stderr)
        result = benchmarks[name]()
        if options.json:
            print(as_json(result), flush=True)
        else:
            print_table(result, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
