from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def plain_diagnostics() -> Iterator[None]:
    """Write diagnostics where this test's output goes, whatever an earlier test configured."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
