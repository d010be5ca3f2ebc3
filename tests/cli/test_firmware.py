"""`smgw firmware`: a maker makes a package, anybody shows it, and who trusts the maker checks it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smgw.cli.firmware import app

pytestmark = pytest.mark.req("ADM-05")


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.stderr


def program(folder: Path) -> str:
    (folder / "smgw" / "__pycache__").mkdir(parents=True)
    (folder / "smgw" / "__init__.py").write_text("")
    (folder / "smgw" / "__pycache__" / "x.pyc").write_text("")
    (folder / "smgw-0.0.1.dist-info").mkdir()
    (folder / "smgw-0.0.1.dist-info" / "METADATA").write_text("Version: 0.0.1\n")
    (folder / "helper").mkdir()
    (folder / "helper" / "__init__.py").write_text("")
    return str(folder)


def test_from_the_maker_to_the_check(tmp_path: Path) -> None:
    maker, out = str(tmp_path / "maker"), str(tmp_path / "new.fw")
    run("found", "--data", maker, "--name", "works")
    assert "firmware.file" in run("found", "--data", maker, code=3)
    made = run("make", out, "--maker", maker, "--version", "1.2.0", "--program", program(tmp_path / "tree"), "--emergency")
    assert "version 1.2.0, 3 files" in made
    shown = run("show", out)
    assert [line.split("file ")[1].split(":")[0] for line in shown.splitlines() if "file " in line] == [
        "helper/__init__.py",
        "smgw.dist-info/METADATA",
        "smgw/__init__.py",
    ]
    assert json.loads(run("show", out, "--json").splitlines()[0])["offset"] == 0
    checked = run("check", out, "--makers", f"{maker}/makers.pem", "--running", "1.1.0")
    assert "good: version 1.2.0" in checked
    assert "not yet certified" in checked
    assert json.loads(run("check", out, "--makers", f"{maker}/makers.pem", "--json"))["emergency"] is True
    assert "firmware.downgrade" in run("check", out, "--makers", f"{maker}/makers.pem", "--running", "2.0.0", code=1)
    run("found", "--data", str(tmp_path / "stranger"))
    assert "firmware.signer" in run("check", out, "--makers", str(tmp_path / "stranger" / "makers.pem"), code=5)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.fw"
    assert "firmware.file" in run("show", str(path), code=4)
    path.write_bytes(b"no package" * 100)
    assert "firmware.structure" in run("show", str(path), code=4)


def test_no_package_without_a_program_or_with_an_odd_version(tmp_path: Path) -> None:
    maker, out = str(tmp_path / "maker"), str(tmp_path / "new.fw")
    run("found", "--data", maker)
    assert "firmware.file" in run("make", out, "--maker", maker, "--version", "1.0.0", "--program", str(tmp_path), code=3)
    odd = run("make", out, "--maker", maker, "--version", "new", "--program", program(tmp_path / "tree"), code=2)
    assert "firmware.manifest" in odd
    assert "firmware.file" in run("make", out, "--maker", str(tmp_path), "--version", "1.0.0", "--program", str(tmp_path / "tree"), code=3)
