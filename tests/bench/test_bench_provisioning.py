"""The benchmark of provisioning measures every phase and states the limit beside it; its figures are no test."""

import pytest

from bench import provisioning


@pytest.mark.req("LIFE-01")
def test_every_phase_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "ROUNDS", 1)
    result = provisioning.run()
    steps = [name for name in result.rates if name.endswith("_cpu_ms")]
    assert steps == [
        "manufactured_cpu_ms",
        "pre_personalisation_1_cpu_ms",
        "integration_cpu_ms",
        "pre_personalisation_2_cpu_ms",
        "installation_cpu_ms",
        "personalisation_cpu_ms",
        "self_test_cpu_ms",
    ]
    assert all(value > 0 for value in result.rates.values())
    assert 0 < result.ratios["limit_of_whole"] < 1
