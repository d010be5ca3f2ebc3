"""Run the examples of the documents."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.documents import DOCS, ROOT, Block, blocks, examples, pattern_of
from tests.docs.example_files import make_files
from tests.gateway.han.consumer_gateway import PASSWORD, USER, running_gateway, spend

from smgw.cli.up import _welcome

TUTORIALS = (DOCS / "first-steps.md", DOCS / "de" / "erste-schritte.md")
CONSUMER_PAGE = DOCS / "consumer-interface.md"


def run(command: str, folder: Path, **environment: str) -> str:
    """Run a command line as a user would, with `smgw` on the path and no home."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "no-home"),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "PYTHONPATH": str(ROOT / "src"),
        **environment,
    }
    words = ["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{command}"]
    done = subprocess.run(
        words, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def console_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "console"]


def test_what_the_tutorial_shows_is_what_happens(tmp_path: Path) -> None:
    make_files(tmp_path)
    shown = [example for block in console_blocks(TUTORIALS[0]) for example in examples(block)]
    assert len(shown) > 10
    for example in shown:
        output = run(example.command, tmp_path)
        if example.expected:
            assert pattern_of(example.expected).fullmatch(output), f"{example.command}\n{output}"


def test_a_pattern_takes_only_what_it_shows() -> None:
    assert pattern_of("a … c\n").fullmatch("a  b  c\n")
    assert pattern_of("a\n…\nz\n").fullmatch("a\nb\nc\nz\n")
    assert not pattern_of("a\n").fullmatch("a\nb\n")
    assert not pattern_of("a\n…\nz\n").fullmatch("a\nb\n")
    assert not pattern_of("1.0\n").fullmatch("1x0\n")


def test_both_tutorials_show_the_same() -> None:
    """So one of them is run."""
    english, german = (blocks(page) for page in TUTORIALS)
    assert english == german


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_greeting_is_the_real_one(page: Path) -> None:
    shown = next(block.text for block in blocks(page) if block.language == "text")
    line = {
        "gateway_id": "ESGW0000000001",
        "consumer": {"url": "https://127.0.0.1:44300", "user": "consumer", "password": "3p9sT0nq2mYxW1vR7bKcLg"},
        "participant": {"url": "http://127.0.0.1:44301", "token_file": "smgw-data/participant/participant.token"},
        "administrator": {"url": "http://127.0.0.1:44302", "token_file": "smgw-data/administrator/administrator.token"},
        "data": "smgw-data",
        "fleet": 1,
    }
    assert shown == _welcome(line) + "\n"


def shape(value: Any) -> Any:
    """Keep the keys and kinds of a JSON value; of a list, those of its first item."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case [first, *_]:
            return [shape(first)]
        case _:
            return type(value).__name__


@pytest.mark.req("CON-02")
def test_consumer_calls_are_answered_as_shown(tmp_path: Path) -> None:
    """Each `console` block is one call; a `json` block behind it has the shape of its answer."""
    shown = blocks(CONSUMER_PAGE)
    calls = 0
    with running_gateway(tmp_path) as gateway:
        gateway.inside(lambda: spend(gateway.journal, gateway.recorder))
        for place, block in enumerate(shown):
            if block.language != "console":
                continue
            for example in examples(block):
                answer = json.loads(run(example.command, tmp_path, GATEWAY=gateway.url, CONSUMER=f"{USER}:{PASSWORD}"))
                calls += 1
                follows = shown[place + 1] if place + 1 < len(shown) else Block("", "")
                if follows.language == "json":
                    assert shape(answer) == shape(json.loads(follows.text)), example.command
                else:
                    assert "error" not in answer and int(answer["readings"]["records"]) >= 0
    assert calls == 10
