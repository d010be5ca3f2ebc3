"""The channel that tests of the COSEM objects ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.wan.cosem.cosem_parts import CosemChannel


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[CosemChannel]:
    channel = CosemChannel(tmp_path / "journal.db")
    yield channel
    channel.journal.close()
