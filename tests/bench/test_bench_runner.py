import io
import json
import sys
from pathlib import Path

import pytest
from bench.__main__ import discover, main
from bench.result import BenchResult, as_json, print_table
from rich.console import Console

RESULT = BenchResult("some", {"smgw_files_per_s": 54321.98765, "seconds": 0.5}, {"vs_smllib": 5.6789, "vs_libsml": 0.12345}, ["a [note]"])


def test_one_line_of_json() -> None:
    assert json.loads(as_json(RESULT)) == {
        "bench": "some",
        "rates": {"smgw_files_per_s": 54321.988, "seconds": 0.5},
        "ratios": {"vs_smllib": 5.679, "vs_libsml": 0.123},
    }
    assert "\n" not in as_json(RESULT)


def test_table_for_the_eye() -> None:
    out = io.StringIO()
    print_table(RESULT, Console(file=out, width=100))
    for text in ("some", "54,322", "0.50", "5.68", "0.123", "a [note]"):
        assert text in out.getvalue()


def test_every_benchmark_is_found() -> None:
    assert "sml_parse" in discover()
    assert not {"result", "__main__"} & set(discover())


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "no_such_bench"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "sml_parse" in capsys.readouterr().err


def test_run_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bench.__main__.discover", lambda: {"some": lambda: RESULT})
    for arguments in (["some", "--json"], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        assert main() == 0
        assert json.loads(capsys.readouterr().out)["bench"] == "some"


def test_every_benchmark_has_a_test_of_its_own() -> None:
    tested = {path.stem.removeprefix("test_bench_") for path in Path(__file__).parent.glob("test_bench_*.py")}
    assert set(discover()) <= tested
