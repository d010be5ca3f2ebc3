"""Run the examples of the page for whoever tests their side against ours, and hold its names of JSON to what commands print."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.docs.documents import DOCS, blocks, examples, pattern_of
from tests.docs.test_examples import run
from typer.testing import CliRunner

from smgw.cli import content, pki, wakeup

PAGE = DOCS / "testing-your-side.md"
APPS = {"content": content.app, "pki": pki.app, "wakeup": wakeup.app}
CALLS = {
    "smgw content seal": "content --key you.key --certificate you.pem --to peer.pem --out again.cms",
    "smgw content open": "sealed.cms --key peer.key --certificate peer.pem --signer you.pem --out again",
    "smgw content explain": "sealed.cms",
    "smgw wakeup make": "ESGW0000000001 --key peer.key --certificate peer.pem --out again.bin",
    "smgw wakeup check": "packet --certificate peer.pem --at 2026-11-21",
    "smgw pki check": "office/triple.pem {lists} --trust test-pki/trust",
    "smgw pki show": "office/triple.pem",
    "smgw pki list": "test-pki",
}

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed: apt-get install openssl")


@pytest.mark.timeout(400)  # Some thirty programs are started, one after the other.
@pytest.mark.req("WAN-03", "WAN-04", "PKI-02")
def test_what_the_page_shows_is_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [example for block in blocks(PAGE) if block.language == "console" for example in examples(block)]
    assert len(shown) > 25
    for example in shown:
        output = run(example.command, tmp_path)
        assert pattern_of(example.expected).fullmatch(output), f"{example.command}\n{output}"
    monkeypatch.chdir(tmp_path)
    for command in CALLS:
        answer = _answer(command)
        rows = [row for name in ("checked", "certificates") if command.startswith("smgw pki") for row in answer.get(name, ())]
        named = _named(command)
        for one in (answer, *rows):
            assert one.keys() - {"ok", "code", "detail"} <= named, command


def _answer(command: str) -> dict[str, Any]:
    _, app, name = command.split()
    lists = " ".join(str(path) for path in Path("test-pki/trust/crls").iterdir())
    result = CliRunner().invoke(APPS[app], [name, *CALLS[command].format(lists=lists).split(), "--json"])
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def _named(command: str) -> set[str]:
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{command}` |"))
    return set(re.findall(r"`(\w+)`", row.partition("|")[2].partition("|")[2]))
