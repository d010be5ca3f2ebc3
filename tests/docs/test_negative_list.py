"""The negative list is complete, and each test that it names is collected."""

import json
import re
import subprocess
import sys

import pytest
from tests.docs.documents import ROOT
from tests.negative_list import ITEMS, PEERS

SPECIFICATION = ROOT.parent / "shared" / "spec" / "20-wan-crypto-pki.md"
NAMED = sorted({test for table in (ITEMS, PEERS) for tests in table.values() for test in tests})


def items_of(text: str) -> list[str]:
    """Read the items of the sentence that lists them; those of the wake-up packet get its name."""
    listed, _, wake_up = text.partition("Negative tests every release: ")[2].partition(".\n")[0].partition(", wake-up: ")
    return [*re.split(r", (?![^(]*\))", listed), *(f"wake-up: {one}" for one in wake_up.split(", "))]


@pytest.mark.shared
def test_every_item_of_the_specification_is_there() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("the specification is not beside the project")
    assert items_of(SPECIFICATION.read_text()) == list(ITEMS)


def test_every_item_and_every_peer_has_tests() -> None:
    assert all(tests for table in (ITEMS, PEERS) for tests in table.values())


def test_every_case_of_the_path_check_that_is_named_is_one_that_is_refused() -> None:
    expected = {case["id"]: case["expect"] for case in json.loads((ROOT / "tests/pki/limbo/cases.json").read_text())}
    named = [match[1] for name in NAMED if (match := re.search(r"test_limbo\.py::\w+\[(.+)\]", name))]
    assert len(named) > 20
    assert [case for case in named if expected[case] == "ok"] == []


def test_every_test_that_is_named_is_collected() -> None:
    files = sorted({name.partition("::")[0] for name in NAMED})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider", *files]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120).stdout.splitlines()
    collected = {*listed, *(line.partition("[")[0] for line in listed)}
    assert [name for name in NAMED if name not in collected] == []
