import pytest

from bench import cms_content


def test_messages_are_measured_beside_their_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms_content, "ROUNDS", 1)
    monkeypatch.setattr(cms_content, "SAMPLES_A_ROUND", 1)
    monkeypatch.setattr(cms_content, "SAMPLE_SECONDS", 0.001)
    monkeypatch.setattr(cms_content, "VARIANTS", 2)
    result = cms_content.run()
    assert result.name == "cms_content"
    assert set(result.ratios) == set(cms_content.PROMISED)
    assert all(rate > 0 for rate in result.rates.values())
    # One sample is too short to judge a promise by; the note is there either way.
    assert any(note.startswith("promises ") for note in result.notes)
