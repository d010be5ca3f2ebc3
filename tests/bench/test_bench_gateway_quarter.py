import pytest

from bench import gateway_quarter


def test_a_quarter_hour_is_measured_with_and_without_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_quarter, "DAYS", 2)
    monkeypatch.setattr(gateway_quarter, "ROUNDS", 1)
    result = gateway_quarter.run()
    assert result.name == "gateway_quarter"
    assert 0 < result.rates["bare_append_cpu_ms"] < result.rates["signed_and_stored_cpu_ms"] < result.rates["with_taf_2_and_7_cpu_ms"]
    assert result.ratios["with_contracts_vs_without"] > 1
    assert any("promise" in note.lower() for note in result.notes)
