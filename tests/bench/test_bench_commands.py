import pytest

from bench import commands


@pytest.mark.system
@pytest.mark.req("ADM-02", "WAN-08")
def test_commands_are_counted_beside_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROUNDS": 1, "COMMANDS": 2, "WARM_UP": 1, "_OPERATIONS": 2}.items():
        monkeypatch.setattr(commands, name, value)
    result = commands.run()
    assert all(value > 0 for value in result.rates.values())
    assert set(result.ratios) == {"of_limit"}
    assert any(note.startswith("promise: ") for note in result.notes)
