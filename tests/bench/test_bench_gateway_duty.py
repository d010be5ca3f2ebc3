import asyncio
import os
from pathlib import Path

import pytest

from bench import gateway_duty, process
from smgw.core.errors import ConfigError


@pytest.mark.system
def test_one_gateway_process_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_duty, "SPEED", 600.0)
    monkeypatch.setattr(gateway_duty, "WARM_UP_S", 1.0)
    monkeypatch.setattr(gateway_duty, "MEASURED_S", 4.0)
    result = gateway_duty.run()
    assert result.name == "gateway_duty"
    assert 0 < result.rates["cpu_share_percent"] < 100
    assert 0 < result.rates["resident_mb"] <= result.rates["resident_peak_mb"] < 512
    # A busy machine may fall behind; more than one a minute there never is, but for the ends of the span.
    assert 0 < result.rates["deliveries_per_minute"] < 1.3
    assert result.ratios["memory_vs_promise"] > 1, "the gateway's memory is promised"
    assert any("Raspberry Pi 1" in note and "not" in note for note in result.notes)


def test_counters_of_a_process_are_read() -> None:
    memory = process.memory_mb(os.getpid())
    assert 0 < memory["VmRSS"] <= memory["VmHWM"]
    assert process.cpu_s(os.getpid()) > 0


def test_no_gateway_process_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        process.process_of(tmp_path)


def test_a_system_that_does_not_start_ends_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "system.json").write_text("no system")
    with pytest.raises(ConfigError, match=r"up\.state"):
        asyncio.run(gateway_duty._run(tmp_path))
