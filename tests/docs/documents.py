"""Read the documents of the project: their code blocks, links and commands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Hold one fenced block: its language and its text."""

    language: str
    text: str


class Example(NamedTuple):
    """Hold one command of a `console` block and the lines that stand below it."""

    command: str
    expected: str


def documents() -> list[Path]:
    """Give every Markdown document of the project, generated ones too."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def blocks(path: Path) -> list[Block]:
    """Give the fenced blocks of a document in their order."""
    return [Block(*found) for found in _FENCE.findall(path.read_text())]


def examples(block: Block) -> Iterator[Example]:
    """Split a `console` block at its `$`."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield Example(command, expected)


def pattern_of(expected: str) -> "re.Pattern[str]":
    """Turn expected output into a pattern: a line `…` is any lines, `…` in a line anything in it, any white space one."""
    rows = []
    for line in expected.splitlines():
        if line.strip() == "…":
            rows.append(r"(?:.*\n)*?")
        else:
            parts = (r"\s+".join(map(re.escape, re.split(r"\s+", part))) for part in line.rstrip().split("…"))
            rows.append(".*".join(parts) + r"[^\S\n]*\n")
    return re.compile("".join(rows))
