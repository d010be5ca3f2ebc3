from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.storage.samples import KEY

from smgw.storage.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, KEY) as journal:
        yield journal
