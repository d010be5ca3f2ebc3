"""Documents name only what exists: files, commands, identifiers."""

import importlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.docs.documents import DOCS, ROOT, blocks, documents
from tools.command_page import commands

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_MACHINE = re.compile(
    r"/(?:home|root|Users|tmp|work)/|\.pyenv|\bpip install\b|https?://(?!127\.0\.0\.1|localhost|[\w.-]+\.invalid\b)[^\s)`]*"
)


def anchors_of(path: Path) -> set[str]:
    """Give the anchors that headings of a Markdown document make."""
    text = path.read_text()
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return set(re.findall(r'<a id="([^"]+)">', text)) | {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(path.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_no_folder_of_a_machine_and_no_address_elsewhere(path: Path) -> None:
    assert _MACHINE.findall(path.read_text()) == []


def test_requirement_files_hold_names_versions_and_hashes_only() -> None:
    for path in sorted((ROOT / "requirements").iterdir()):
        assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links|@ file", path.read_text()), path.name


def spoken_commands() -> list[tuple[str, list[str]]]:
    """Find every invocation of `smgw` in code spans, code blocks and `make run ARGS=…` of every document that is not generated."""
    found = []
    for path in documents():
        text = path.read_text()
        if text.startswith("<!-- Generated"):
            continue
        lines = [line for block in blocks(path) if block.language in ("console", "sh") for line in block.text.splitlines()]
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
        for line in [*(line.removeprefix("$ ") for line in lines), *spans]:
            run = re.fullmatch(r'make run ARGS="(.*)"', line)
            words = ["smgw", "up", *shlex.split(run[1])] if run else _words(line)
            if words and Path(words[0]).name == "smgw" and len(words) > 1:
                found.append((f"{path.name}: {line}", words[1:]))
    return found


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line.split(" | ")[0].split(" || ")[0].split(" > ")[0])
    except ValueError:
        return []


def test_commands_in_documents_exist_with_their_options() -> None:
    known: dict[str, Any] = {name.removeprefix("smgw "): command for name, command in commands()}
    spoken = spoken_commands()
    assert len(spoken) > 30
    for where, words in spoken:
        assert words[0] in known, where
        depth = max(length for length in (1, 2, 3) if " ".join(words[:length]) in known)
        command = known[" ".join(words[:depth])]
        options = {spelling for part in command.params for spelling in (*part.opts, *part.secondary_opts)} | {"--help"}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options, where
        if getattr(command, "commands", None) and len(words) > depth and not words[depth].startswith("-"):
            assert words[depth] in (*command.commands, "…"), where


def resolve(name: str) -> Any:
    """Find what a dotted name names; a field of a struct counts as its attribute."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def test_a_wrong_name_is_not_resolved() -> None:
    for name in ("smgw.core.profiles.NoProfile", "smgw.core.nothing", "smgw.core.reading.Reading.nothing"):
        with pytest.raises(AttributeError):
            resolve(name)


@pytest.mark.parametrize("page", ["glossary.md", "crypto-policy.md", "wan-interface.md"])
def test_identifiers_in_documents_exist(page: str) -> None:
    names = re.findall(r"`(smgw(?:\.\w+)+)`", (DOCS / page).read_text())
    assert names
    for name in names:
        resolve(name)


def test_modules_in_the_way_of_a_reading_exist() -> None:
    rows = re.findall(r"^\| [^|]+ \| ((?:`[\w.]+`(?:, )?)+) \|", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w.]+)`", row) if "." in name]
    assert len(names) > 8
    for name in names:
        resolve(f"smgw.{name}")


def test_the_glossary_has_every_german_term_of_the_core() -> None:
    glossary = " ".join((DOCS / "glossary.md").read_text().split())
    for path in (ROOT / "src" / "smgw" / "core").rglob("*.py"):
        for term in re.findall(r"\(German: ([^)]+)\)", path.read_text()):
            assert term in glossary, f"{term} ({path.name})"


def test_every_dependency_of_the_program_is_argued_for() -> None:
    page = (DOCS / "dependencies.md").read_text()
    project = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")
    names = set(re.findall(r'^  "([\w-]+)', project[0].partition("dependencies = [")[2], re.MULTILINE))
    names |= set(re.findall(r'"([\w-]+)>=', project[2].partition("[project.scripts]")[0]))
    assert len(names) > 10
    assert [name for name in sorted(names) if name not in page] == []


def test_decision_records_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (DOCS / "adr").glob("*.md"))
    assert [int(name.partition("-")[0]) for name in names] == list(range(1, len(names) + 1))
    for name in names:
        assert re.match(rf"# {int(name.partition('-')[0])}\. .+\n\nAccepted\.\n\n\*\*Context\.\*\*", (DOCS / "adr" / name).read_text()), (
            name
        )


def test_both_readmes_have_the_same_sections_and_commands() -> None:
    english, german = ((ROOT / name).read_text() for name in ("README.md", "README.de.md"))
    commands_of = [sorted(re.findall(r"`((?:make|\.venv/bin/smgw)[^`]+)`", text)) for text in (english, german)]
    assert commands_of[0] == commands_of[1]
    assert "not certified" in english and "nicht zertifiziert" in german


def test_catalogues_of_pages_speak_both_languages() -> None:
    folder = ROOT / "src" / "smgw"
    german, english = (json.loads((folder / "gateway" / "han" / f"catalogue_{code}.json").read_text()) for code in ("de", "en"))
    assert german.keys() == english.keys()
    for key, text in german.items():
        assert text.strip() and set(re.findall(r"\{(\w+)", text)) == set(re.findall(r"\{(\w+)", english[key])), key
    for key, texts in json.loads((folder / "participant" / "portal" / "texts.json").read_text()).items():
        assert set(texts) == {"de", "en"} and all(texts.values()), key


def test_every_benchmark_is_described_with_a_run() -> None:
    from bench.__main__ import discover

    page = (DOCS / "benchmarks.md").read_text()
    head, _, run = page.partition("## One run")
    assert set(re.findall(r"^\| `(\w+)` \|", head, re.MULTILINE)) == set(discover())
    assert set(re.findall(r"^### `(\w+)`$", run, re.MULTILINE)) == set(discover())
    assert "Raspberry Pi 1" in head and "no such machine was at hand" in head


def test_make_targets_in_documents_exist() -> None:
    rules = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", rules, re.MULTILINE))
    assert {"install", "run", "test", "lint", "types", "docs", "bench", "fuzz", "clean"} <= targets
    listed = set(re.findall(r'^\t@echo "make (\w+)', rules, re.MULTILINE))
    assert targets - listed <= {"help", "types"}
    for path in documents():
        for target in re.findall(r"`make (\w+)", path.read_text()):
            assert target in targets, f"{path.name}: make {target}"
