"""PINs and key stores at a lower cost, for tests that ask for it: what slows down guessing would only slow them down."""

from collections.abc import Iterator

import pytest

import smgw.security.key_guard
import smgw.security.software


@pytest.fixture
def cheap_derivation() -> Iterator[None]:
    """Derive keys from secrets with the lowest cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smgw.security.software, "_COST", (10, 1, 1))
        patch.setattr(smgw.security.key_guard, "COST", 4)
        yield
