import pytest

from bench import sml_parse
from smgw.codec.sml import decode_frame


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sml_parse, "ROUNDS", 1)
    monkeypatch.setattr(sml_parse, "ROUND_SECONDS", 0.01)


def test_all_parsers_are_measured() -> None:
    result = sml_parse.run()
    assert result.name == "sml_parse"
    assert {"smgw_files_per_s", "smllib_files_per_s", "pysml_files_per_s"} <= set(result.rates)
    assert all(rate > 0 for rate in result.rates.values())
    assert set(result.ratios) == {f"vs_{name.split('_')[0]}" for name in result.rates} - {"vs_smgw"}
    assert "libsml_files_per_s" in result.rates or any("libsml is not measured" in note for note in result.notes)


def test_without_captures_own_files_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(sml_parse, "_CAPTURES", tmp_path)
    frames, notes = sml_parse._frames()
    assert len(frames) == 100
    assert all(len(decode_frame(frame)) == 3 for frame in frames)
    assert "our own encoder" in notes[0]
    assert {"smllib_files_per_s", "pysml_files_per_s"} <= set(sml_parse.run().rates)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sml_parse.shutil, "which", lambda _: None)
    notes: list[str] = []
    assert sml_parse._libsml([], notes) is None
    assert notes == ["libsml is not measured: no C compiler"]
