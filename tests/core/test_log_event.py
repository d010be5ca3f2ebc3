"""The event catalogue: complete, unambiguous, and every place that writes an event gives it all its parameters."""

import ast
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest

from smgw.core.log_event import EVENTS, Level, Log, LogEntry

pytestmark = pytest.mark.req("LOG-01")

SOURCE = Path(__file__).resolve().parents[2] / "src" / "smgw"
WRITERS = {"record", "record_with", "note", "note_with"}


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_numbers_are_unique_and_of_their_group() -> None:
    numbers = [kind.number for kind in EVENTS.values()]
    assert len(set(numbers)) == len(numbers)
    assert all(1000 <= number < 3000 for number in numbers)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_described_in_full(name: str) -> None:
    kind = EVENTS[name]
    assert name == name.lower() and name.isidentifier()
    assert kind.logs and len(set(kind.logs)) == len(kind.logs)
    assert placeholders(kind.en) == placeholders(kind.de)
    for text in (kind.en, kind.de, kind.when, kind.action.en, kind.action.de):
        assert text and text == text.strip() and "\n" not in text and "|" not in text
    assert not kind.en.endswith(".") and not kind.de.endswith(".") and not kind.when.endswith(".")
    assert kind.action.en.endswith(".") and kind.action.de.endswith(".")
    assert kind.when[0].islower() or not kind.when[0].isalpha()


@pytest.mark.parametrize("name", [name for name, kind in EVENTS.items() if kind.level >= Level.ERROR])
def test_an_error_says_what_to_do(name: str) -> None:
    assert EVENTS[name].action.en != "Nothing."


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_event_has_its_sentence(language: str) -> None:
    for name, kind in EVENTS.items():
        entry = LogEntry(kind.logs[0], name, datetime(2026, 1, 1, tzinfo=UTC), parameters=dict.fromkeys(placeholders(kind.en), "7"))
        assert "{" not in entry.text(language)
    assert entry.kind is EVENTS[name]


@pytest.mark.req("ADM-11")
def test_consumption_never_stands_in_the_system_or_calibration_log() -> None:
    for kind in EVENTS.values():
        if set(kind.logs) != {Log.CONSUMER}:
            assert not placeholders(kind.en) & {"value", "raw", "energy", "power", "remaining"}


def written_events() -> list[tuple[str, int, str, set[str] | None]]:
    """List all calls that write a fixed event: file, line, event, and the parameters given by name (None where a mapping is given)."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS and node.args):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                named = {keyword.arg for keyword in node.keywords}
                mapping = node.func.attr.endswith("_with") or None in named
                found.append((str(path), node.lineno, first.value, None if mapping else {name for name in named if name}))
    return found


def test_every_written_event_is_in_the_catalogue_with_all_its_parameters() -> None:
    calls = written_events()
    assert len(calls) > 15
    wrong = [(path, line, event) for path, line, event, _ in calls if event not in EVENTS]
    assert wrong == []
    missing = [
        (path, line, event, placeholders(EVENTS[event].en) - given)
        for path, line, event, given in calls
        if given is not None and not placeholders(EVENTS[event].en) <= given
    ]
    assert missing == []
