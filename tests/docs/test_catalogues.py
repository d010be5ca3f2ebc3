"""Codes and events: what the code raises or records stands in the catalogue, and what stands there is used."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.documents import ROOT
from tools.table_pages import unwritten_events

from smgw.core import errors
from smgw.core.error_codes import ERROR_CODES
from smgw.core.log_event import EVENTS, Log

RECORDERS = frozenset({"record", "note", "Event", "ClockEvent"})
"""What an event's name is handed to."""

SOURCES = sorted((ROOT / "src").rglob("*.py"))
CODES_FILE = ROOT / "src" / "smgw" / "core" / "error_codes.py"
EVENTS_FILE = ROOT / "src" / "smgw" / "core" / "log_event.py"
_CODE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_FAULTS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.SmgwError)}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def constants(path: Path) -> Iterator[str]:
    """Give every string of a file that is no docstring."""
    tree = tree_of(path)
    documented = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def raised() -> Iterator[tuple[str, str]]:
    """Give (place, code) for every code that is handed to a fault."""
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and node.args and _called(node) in _FAULTS:
                code = node.args[0]
                literals = [part.value for part in ast.walk(code) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
                yield from ((f"{path.name}:{node.lineno}", text) for text in literals if _CODE.fullmatch(text))


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


def test_every_code_that_is_raised_stands_in_the_catalogue() -> None:
    found = list(raised())
    assert len(found) > 200
    assert [where for where, code in found if code not in ERROR_CODES] == []


def test_every_code_of_the_catalogue_is_used() -> None:
    used = {text for path in SOURCES if path != CODES_FILE for text in constants(path)}
    assert sorted(set(ERROR_CODES) - used) == []


def test_codes_are_areas_and_reasons_with_a_sentence_and_a_hint() -> None:
    for code, row in ERROR_CODES.items():
        assert _CODE.fullmatch(code), code
        assert row.title and row.title[0].isupper() and not row.title.endswith("."), code
        assert row.hint.endswith("."), code


def test_hints_name_only_commands_and_documents_that_exist() -> None:
    from tools.command_page import commands

    known = {name for name, _ in commands()} | {"smgw up"}
    for code, row in ERROR_CODES.items():
        for span in re.findall(r"`(smgw [^`]+)`", row.hint):
            words = span.split()
            assert " ".join(words[:3]) in known or " ".join(words[:2]) in known, f"{code}: {span}"
        for document in re.findall(r"docs/[\w./-]+\.md", row.hint):
            assert (ROOT / document).exists(), f"{code}: {document}"


def recorded() -> Iterator[tuple[str, str]]:
    """Give (place, event) for every event that is recorded under a literal name."""
    for path in SOURCES:
        if path == EVENTS_FILE:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and _called(node) in RECORDERS and node.args:
                literals = (part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant) and isinstance(part.value, str))
                yield from ((f"{path.name}:{node.lineno}", name) for name in literals)


def test_every_event_that_is_recorded_stands_in_the_catalogue() -> None:
    found = list(recorded())
    assert len(found) > 10
    assert [f"{where} {name}" for where, name in found if name not in EVENTS] == []


def test_events_that_nothing_writes_stand_apart_on_the_page() -> None:
    written, _, kept = (ROOT / "docs" / "log-events.md").read_text().partition("## Numbers kept")
    names = set(re.findall(r"`(\w+)`", kept))
    assert names == set(unwritten_events(ROOT / "src"))
    assert not names & set(re.findall(r"`(\w+)`", written))


def test_events_have_a_number_of_their_own_and_the_same_parameters_in_both_languages() -> None:
    numbers = [kind.number for kind in EVENTS.values()]
    assert len(set(numbers)) == len(numbers)
    for name, kind in EVENTS.items():
        assert kind.logs and set(kind.logs) <= set(Log), name
        assert set(re.findall(r"\{(\w+)", kind.en)) == set(re.findall(r"\{(\w+)", kind.de)), name
        assert kind.en and kind.de and not kind.en.endswith("."), name
