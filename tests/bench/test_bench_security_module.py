"""The benchmark of the security module measures every way on every curve."""

import pytest
from tests.softhsm import PIN, fresh_token, library

from bench import security_module


def test_every_way_is_measured_beside_the_bare_library(monkeypatch: pytest.MonkeyPatch) -> None:
    # This process has loaded the library for other tests already, with their tokens.
    monkeypatch.setattr(security_module, "make_token", lambda _: (fresh_token(3), PIN))
    library()
    monkeypatch.setattr(security_module, "ROUNDS", 1)
    monkeypatch.setattr(security_module, "SAMPLES_A_ROUND", 1)
    monkeypatch.setattr(security_module, "SAMPLE_SECONDS", 0.001)
    result = security_module.run()
    assert result.name == "security_module"
    assert len(result.rates) == 3 * 2 * 4
    assert len(result.ratios) == 3 * 2 * 3
    assert all(rate > 1 for rate in result.rates.values())
    assert any("promises" in note for note in result.notes)
