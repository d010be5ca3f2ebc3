import pytest

from bench import wakeup


def test_calls_and_packets_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "CALLS", 2)
    monkeypatch.setattr(wakeup, "SAMPLES", 1)
    monkeypatch.setattr(wakeup, "SAMPLE_SECONDS", 0.001)
    result = wakeup.run()
    assert result.name == "wakeup"
    assert set(wakeup.PROMISED) < set(result.ratios)
    assert all(rate > 0 for rate in result.rates.values())
    assert any(note.startswith("promises ") for note in result.notes)
