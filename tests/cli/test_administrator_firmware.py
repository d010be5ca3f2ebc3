"""`smgw administrator firmware`, as a user types it, with an administrator that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.administrator.interface_parts import Thread
from tests.codec.firmware_packages import maker, package
from tests.gateway.gateway_parts import GATEWAY_ID
from typer.testing import CliRunner

from smgw.cli.administrator import app

pytestmark = pytest.mark.req("ADM-05", "ADM-13")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    path = tmp_path_factory.mktemp("administrator") / "gwa"
    with Thread(path) as served:
        (path / "makers.pem").write_bytes(maker().root.public_bytes(Encoding.PEM))
        yield path, served.url


def call(running: tuple[Path, str], *words: str, code: int = 0) -> Any:
    data, url = running
    result = CliRunner().invoke(app, ["firmware", *words, "--data", str(data), "--url", url, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_from_the_upload_to_the_abort(running: tuple[Path, str], tmp_path: Path) -> None:
    path = tmp_path / "new.fw"
    path.write_bytes(package({"smgw/__init__.py": b"x" * 900_000}))
    release = call(running, "upload", str(path))
    assert (release["version"], release["size"]) == ("1.2.0", path.stat().st_size)
    assert call(running, "begin", "1.2.0", code=4)["code"] == "administrator.not_certified"
    assert call(running, "certify", release["manifest_sha256"], "BSI-DSZ-CC-0001-2026")[0]["certificate"] == "BSI-DSZ-CC-0001-2026"
    campaign = call(running, "begin", "1.2.0", "--stage", GATEWAY_ID, "--stage", "100", "--soak", "60")
    assert (campaign["state"], campaign["plan"]["stages"], campaign["plan"]["soak_s"]) == ("running", [[GATEWAY_ID], 100], 60)
    number = str(campaign["id"])
    assert call(running, "show", number)[0]["device_id"] == GATEWAY_ID
    assert call(running, "pause", number)["state"] == "paused"
    assert call(running, "resume", number)["state"] == "running"
    assert call(running, "abort", number)["state"] == "aborted"
    assert [row["state"] for row in call(running, "campaigns")] == ["aborted"]
    assert [row["version"] for row in call(running, "list")] == ["1.2.0"]


def test_tables_are_for_people(running: tuple[Path, str]) -> None:
    data, url = running
    result = CliRunner().invoke(app, ["firmware", "campaigns", "--data", str(data), "--url", url])
    assert result.exit_code == 0
    assert "1 skipped | none" in " ".join(result.stdout.split())
    assert "Gateway" in CliRunner().invoke(app, ["firmware", "show", "1", "--data", str(data), "--url", url]).stdout


def test_what_can_not_be_read_is_told(running: tuple[Path, str], tmp_path: Path) -> None:
    assert call(running, "upload", str(tmp_path / "none.fw"), code=3)["code"] == "firmware.file"
    with (tmp_path / "large.fw").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert call(running, "upload", str(tmp_path / "large.fw"), code=3)["code"] == "firmware.size"
