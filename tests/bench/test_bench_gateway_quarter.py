import pytest

from bench import gateway_quarter


def test_a_quarter_hour_is_measured_with_and_without_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_quarter, "DAYS", 2)
    monkeypatch.setattr(gateway_quarter, "ROUNDS", 1)
    result = gateway_quarter.run()
    assert result.name == "gateway_quarter"
    # One short round says nothing of which way costs more.
    assert all(result.rates[f"{way}_cpu_ms"] > 0 for way in ("bare_append", "signed_and_stored", "with_taf_2_and_7"))
    assert all(ratio > 0 for ratio in result.ratios.values())
    assert any("promise" in note.lower() for note in result.notes)
