import pytest

from bench import journal_append


def test_the_journal_is_measured_beside_bare_inserts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_append, "ROUNDS", 1)
    monkeypatch.setattr(journal_append, "ROUND_SECONDS", 0.02)
    result = journal_append.run()
    assert result.name == "journal_append"
    assert set(journal_append.PROMISED) < set(result.ratios)
    assert all(rate > 0 for rate in result.rates.values())
    assert any(note.startswith("promises ") for note in result.notes)
