import pytest

from bench import handshake


@pytest.mark.req("WAN-02")
def test_both_parties_shake_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "ROUNDS", 1)
    monkeypatch.setattr(handshake, "HANDSHAKES", 2)
    result = handshake.run()
    assert all(value > 0 for value in result.rates.values())
    assert set(result.ratios) == {"ours_of_openssl"}
    assert any(note.startswith("promise: ") for note in result.notes)
