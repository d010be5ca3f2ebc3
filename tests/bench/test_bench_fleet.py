"""The benchmark of the fleet measures a small one whole; its figures are no test."""

from pathlib import Path

import pytest

from bench import fleet


@pytest.mark.system
@pytest.mark.req("ADM-01")
def test_a_small_fleet_is_measured_and_kept_for_the_next_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"COUNT": 2, "REST_S": 1.0, "SETTLE_S": 0.1, "LIMIT_S": 60.0, "FOLDER": str(tmp_path / "kept")}.items():
        monkeypatch.setattr(fleet, name, value)
    result = fleet.run()
    assert all(value >= 0 for value in result.rates.values())
    assert result.rates["rolled_out_s"] >= result.rates["put_s"] > 0
    assert result.rates["founding_s"] > 0
    assert set(result.ratios) == {"memory_vs_promise", "rest_vs_promise"}
    assert (tmp_path / "kept" / "fleet" / "ESGW0020000002" / "gateway.json").exists()
