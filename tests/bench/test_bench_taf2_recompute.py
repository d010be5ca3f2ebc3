import pytest

from bench import taf2_recompute


def test_recomputation_and_plain_loop_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taf2_recompute, "ROUNDS", 1)
    monkeypatch.setattr(taf2_recompute, "STEPS", 100)
    result = taf2_recompute.run()
    assert result.name == "taf2_recompute"
    assert all(rate > 0 for rate in result.rates.values())
    assert result.ratios["plain loop / recomputation"] > 1
