"""The exchanges that docs/cosem.md shows are what happens, one after another on one gateway."""

import re
from pathlib import Path

import pytest
from tests.docs.documents import DOCS, blocks
from tests.gateway.gateway_parts import all_profiles
from tests.gateway.wan.cosem.cosem_parts import CosemChannel

from smgw.codec.cosem_elements import decode_document
from smgw.gateway.wan.cosem.system import SYSTEM
from smgw.gateway.wan.permission import STATUSES

pytestmark = pytest.mark.req("WAN-08")

PAGE = DOCS / "cosem.md"


def test_what_the_page_shows_is_what_happens(tmp_path: Path) -> None:
    channel = CosemChannel(tmp_path / "journal.db")
    for profile in all_profiles():
        channel.put(profile)
    shown = [block.text for block in blocks(PAGE) if block.language == "cosem"]
    assert len(shown) > 10
    for text in shown:
        asked, _, answered = text.partition("\n\n")
        line, _, xml = asked.partition("\n")
        method, _, resource = line.partition(" /cosem/")
        status, _, expected = answered.partition("\n")
        answer = channel.cosem(method, resource, xml=xml)
        assert answer.status == int(status), f"{line}: {answer.code}"
        if expected.strip():
            assert answer.document == decode_document(expected.encode()), line
    assert channel.journal.get_state("wake_up_settings") is None
    channel.journal.close()


def test_every_status_of_a_refusal_is_told() -> None:
    told = {int(number) for row in re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text(), re.MULTILINE) for number in row.split(", ")}
    assert set(STATUSES.values()) | {200, 201, 202, 206, 400, 403, 409, 500} <= told


def test_every_object_that_the_page_names_is_there() -> None:
    known = {str(name) for name, _, _ in SYSTEM}
    named = set(re.findall(r"objects/((?:1|7|8|3280[5-9]|3281\d)-[0-9a-f]{12})", PAGE.read_text()))
    assert named and named <= known
