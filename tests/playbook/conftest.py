"""PINs and key stores at a lower cost: what slows down guessing would only slow down these tests."""

from collections.abc import Iterator

import pytest

import smgw.gateway.local_pin
import smgw.security.key_guard
import smgw.security.software


@pytest.fixture(autouse=True)
def cheap_derivation() -> Iterator[None]:
    """Derive keys from secrets with the lowest cost for the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smgw.security.software, "_COST", (10, 1, 1))
        for module in (smgw.gateway.local_pin, smgw.security.key_guard):
            patch.setattr(module, "COST", 4)
        yield
