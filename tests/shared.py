"""Find the captured and example files that lie beside the project; tests that need them skip loudly where they are missing."""

from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1].parent / "shared" / "testdata"


def shared_path(*parts: str) -> Path:
    """Give a path below `../shared/testdata`, or skip the calling test with a reason."""
    path = _ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"captured files are missing: {'/'.join(('..', 'shared', 'testdata', *parts))}", allow_module_level=True)
    return path


def shared_files(folder: str, pattern: str) -> list[Path]:
    """List files of a shared folder for parametrisation; empty where the folder is missing."""
    path = _ROOT / folder
    return sorted(path.glob(pattern)) if path.exists() else []
