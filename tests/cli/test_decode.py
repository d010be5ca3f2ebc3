"""`smgw decode`: what can't be read is one line with a code; standard input and files are read alike, and never without end."""

import json
from pathlib import Path

import pytest
from tests.codec.sml.samples import METER_FRAME, SERVER_ID
from typer.testing import CliRunner

from smgw.cli import decode
from smgw.cli.decode import app

RUN = CliRunner()


@pytest.mark.parametrize("kind", ["sml", "cms", "cert"])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_a_file_that_can_t_be_read_is_told_with_a_code(tmp_path: Path, kind: str, as_json: list[str]) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        result = RUN.invoke(app, [kind, str(path), *as_json])
        assert result.exit_code == 3
        assert result.stdout == ""
        assert result.stderr.strip().endswith("[decode.file]")


@pytest.mark.parametrize("kind", ["sml", "cms", "cert"])
@pytest.mark.parametrize("octets", [b"", b"\x00", b"noise" * 100, b"\xff" * 3000])
def test_what_is_none_ends_with_the_code_of_a_peer_s_fault(kind: str, octets: bytes) -> None:
    result = RUN.invoke(app, [kind, "-"], input=octets)
    assert result.exit_code == 4
    assert "Traceback" not in result.output


def test_an_unknown_kind_is_refused() -> None:
    assert RUN.invoke(app, ["morse", "-"]).exit_code == 2


def test_an_endless_file_is_read_to_the_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LIMIT", 1000)
    assert len(decode.read("/dev/zero")) == 1000


@pytest.mark.req("OPS-01")
def test_file_and_standard_input_are_explained_alike(tmp_path: Path) -> None:
    path = tmp_path / "dump.bin"
    path.write_bytes(METER_FRAME)
    of_file = RUN.invoke(app, ["sml", str(path), "--json"])
    of_input = RUN.invoke(app, ["sml", "-", "--json"], input=METER_FRAME)
    assert (of_file.exit_code, of_file.stdout) == (of_input.exit_code, of_input.stdout)
    (line,) = of_file.stdout.splitlines()
    shown = json.loads(line)
    assert (shown["ok"], shown["server_id"]) == (True, SERVER_ID.hex())
    assert set(shown["entries"][0]) == {"obis", "value", "scaler", "unit", "status", "val_time", "signature"}
