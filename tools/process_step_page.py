"""Show every step of the operating processes with its events and the tests that prove it."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tools.process_steps_catalogue import ROWS, TITLES, Row
from tools.table_pages import table

HEADS = ("step", "who", "what", "events (logs)", "proved by")


def marked_tests(tests: Path) -> dict[tuple[str, str], list[str]]:
    """Give (step, event) -> the tests below a folder that carry its mark, as `tests/file.py::name`."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for step, event in _marks(node):
                    found[step, event].append(f"{path.relative_to(tests.parent).as_posix()}::{node.name}")
    return found


def _marks(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.step":
            for step in mark.args:
                yield ast.literal_eval(step), ast.literal_eval(mark.keywords[0].value)


def proofs(row: Row, marked: dict[tuple[str, str], list[str]]) -> list[str]:
    """Name the tests of one row: those that carry its mark, then those of the catalogue."""
    return list(dict.fromkeys([*(test for step, _ in events_of(row.step) for test in marked.get((row.step, step), [])), *row.tests]))


def events_of(step: str) -> list[tuple[str, str]]:
    """Give the events of a step that exist, with their logs."""
    from smgw.core.process_steps import PROCESSES

    told = (one for process in PROCESSES if process.table for one in process.steps if one.step == step)
    return list(dict.fromkeys((one.event, ", ".join(one.logs)) for one in told))


def process_step_page(root: Path) -> str:
    """Write a table for each of the five, after the steps of a gateway's commissioning, for which the annex has none."""
    from smgw.core.process_steps import PROCESSES

    marked = marked_tests(root / "tests")
    parts = [
        "# Steps of the operating processes\n\n"
        "Each step of tables 1 to 5 of TR-03109-1 Annex VI: who does it, what the gateway logs of it, and the test that proves it. Where an event\n"
        "stands, a test makes it happen and looks for it. A step without a test says why there is none.\n"
    ]
    for number, title in TITLES.items():
        rows = (_line(row, marked) for row in ROWS if row.step.startswith(f"{number}."))
        parts.append(f"\n## Table {number}: {title.lower()}\n\n" + table(HEADS, rows))
    begun = (
        (one.step, one.what, f"`{one.event}` ({', '.join(one.logs)})", _names(marked.get((one.step, one.event), [])))
        for one in PROCESSES[0].steps
    )
    parts.append("\n## Chapter 2: commissioning\n\n" + table(("chapter", "what", "event (logs)", "proved by"), begun))
    return "".join(parts)


def _line(row: Row, marked: dict[tuple[str, str], list[str]]) -> tuple[str, ...]:
    events = ", ".join(f"`{event}` ({logs})" for event, logs in events_of(row.step)) or "–"
    return row.step.partition(".")[2], row.who, row.what, events, _names(proofs(row, marked)) or f"no test: {row.why_no_test}"


def _names(tests: list[str]) -> str:
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests)
