"""Trace every requirement to the code that names it as its source and to the tests that carry its mark."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tools.requirements_catalogue import AREAS, REQUIREMENTS

_ID = re.compile(r"\b((?:" + "|".join(AREAS) + r")-\d\d)\b")
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def sources_of(tree: ast.AST) -> set[str]:
    """Find the ids that stand behind `Source:` in any docstring."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED):
            found.update(_ID.findall((ast.get_docstring(node) or "").partition("Source:")[2]))
    return found


def marks_of(tree: ast.AST) -> set[str]:
    """Find the ids in any `pytest.mark.req(…)`."""
    calls = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "req"
    )
    return {word.value for call in calls for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)}


def trace(root: Path) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Give id -> files below `src/smgw`, and id -> files below `tests`."""
    code: dict[str, set[str]] = defaultdict(set)
    tests: dict[str, set[str]] = defaultdict(set)
    for folder, find, into in ((root / "src" / "smgw", sources_of, code), (root / "tests", marks_of, tests)):
        for path in sorted(folder.rglob("*.py")):
            for name in find(ast.parse(path.read_text())):
                into[name].add(path.relative_to(folder).as_posix())
    return code, tests


def _standing(code: set[str], tests: set[str]) -> str:
    if code and tests:
        return "code and tests"
    return "code only" if code else "tests only" if tests else "**open**"


def _paths(paths: set[str]) -> str:
    return ", ".join(f"`{path}`" for path in sorted(paths)) or "–"


def requirement_page(root: Path) -> str:
    """Write one table an area, open ids included, and count how they stand."""
    code, tests = trace(root)
    standings = {name: _standing(code[name], tests[name]) for name in REQUIREMENTS}
    counts = {kind: list(standings.values()).count(kind) for kind in ("code and tests", "code only", "tests only", "**open**")}
    parts = [
        "# Requirements and where they are met\n\n"
        "Code names a requirement in a `Source:` line, tests by the mark `req`. A row with code and tests says that something of it is there and\n"
        "proved, not that all of it is: the [changelog](../CHANGELOG.md) says what works. An open row has neither.\n\n"
        f"{len(REQUIREMENTS)} requirements: " + ", ".join(f"{count} {kind.strip('*')}" for kind, count in counts.items()) + ".\n"
    ]
    for area, title in AREAS.items():
        parts.append(f"\n## {area}: {title}\n\n| id | what is asked | stands | code | tests |\n| --- | --- | --- | --- | --- |\n")
        for name, text in REQUIREMENTS.items():
            if name.startswith(f"{area}-"):
                parts.append(f"| {name} | {text} | {standings[name]} | {_paths(code[name])} | {_paths(tests[name])} |\n")
    return "".join(parts)
