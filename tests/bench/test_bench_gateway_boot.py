import pytest

from bench import gateway_boot


@pytest.mark.system
def test_a_start_is_measured_beside_one_with_an_empty_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_boot, "DAYS", 5)
    monkeypatch.setattr(gateway_boot, "ROUNDS", 1)
    result = gateway_boot.run()
    assert result.name == "gateway_boot"
    assert result.rates["journal_rows"] > 5 * 10 * 192
    assert 0 < result.rates["years_to_ready_s"] < result.rates["years_to_normal_s"]
    # One start on a busy machine is no measure; the benchmark itself compares medians with what is promised.
    assert result.ratios["start_vs_empty_journal"] > 0
