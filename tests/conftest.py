"""What holds for every test: diagnostics start from their defaults, so that no test writes to another one's closed stream."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# A busy machine must not make an example fail for its time; pytest's own limit ends what hangs.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def fresh_diagnostics() -> Iterator[None]:
    """Undo what a role's start-up configured."""
    yield
    structlog.reset_defaults()
