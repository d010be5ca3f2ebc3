"""Every step of the five tables stands on the page, with tests that exist or the reason why there is none."""

import ast
import re
from pathlib import Path

import pytest
from tests.docs.documents import ROOT
from tools.process_step_page import marked_tests, process_step_page, proofs
from tools.process_steps_catalogue import ROWS, TITLES, Row

from smgw.core.process_steps import PROCESSES

ANNEX = ROOT.parent / "shared" / "sources" / "001-tr-03109-1-annex-vi-operating-processes.txt"
MARKED = marked_tests(ROOT / "tests")


def steps_of(text: str) -> list[str]:
    """Find the numbers of all steps in the text of the annex, as `table.step`; headings that only group steps are left out."""
    found: list[str] = []
    for table in TITLES:
        heading = "Prozessschritte im Überblick"
        body = re.search(rf"{heading}(?:(?!{heading}).)*?^Tabelle {table}:", text, re.DOTALL | re.MULTILINE)
        assert body is not None
        numbers = list(dict.fromkeys(re.findall(r"^ ?([1-5](?:\.\d+)+) ", body[0], re.MULTILINE)))
        found += [f"{table}.{one}" for one in numbers if not any(other.startswith(f"{one}.") for other in numbers)]
    return found


@pytest.mark.shared
def test_every_step_of_the_annex_has_a_row() -> None:
    if not ANNEX.exists():
        pytest.skip("the annex is not beside the project")
    steps = steps_of(ANNEX.read_text())
    assert len(steps) == 119
    assert sorted(row.step for row in ROWS) == sorted(steps)


def test_rows_are_in_order_and_every_logged_step_is_among_them() -> None:
    places = [tuple(map(int, row.step.split("."))) for row in ROWS]
    assert places == sorted(set(places))
    assert {one.step for process in PROCESSES if process.table for one in process.steps} <= {row.step for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.step)
def test_a_row_has_a_test_or_says_why_there_is_none(row: Row) -> None:
    assert bool(proofs(row, MARKED)) != bool(row.why_no_test)


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    named = sorted({test for row in ROWS for test in row.tests})
    files = {name.partition("::")[0] for name in named}
    assert [name for name in files if not (ROOT / name).exists()] == []
    held = {file: functions(ROOT / file) for file in files}
    assert [name for name in named if name.partition("::")[2] not in held[name.partition("::")[0]]] == []


def test_the_page_has_a_line_for_every_row() -> None:
    page = process_step_page(ROOT)
    assert page.count("\n| ") >= len(ROWS) + len(TITLES)
    assert "no test: |" not in page and "|  |" not in page
