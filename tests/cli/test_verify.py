"""`smgw verify`: exit codes, JSON, page, and the same result in every time zone."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.trudi_files import berlin, device, meter_reading, quarter_hours, supplier

from smgw.cli.verify import run
from smgw.codec.trudi_model import Document
from smgw.codec.trudi_write import write_device_file, write_supplier_file

DAY = berlin(2026, 10, 25), berlin(2026, 10, 26)
READOUT = device(meter_reading(quarter_hours(*DAY)))
TARIFF = supplier(start=DAY[0], end=DAY[1])


def _write(folder: Path, tariff: Document = TARIFF, readout: Document = READOUT) -> tuple[Path, Path]:
    paths = folder / "supplier.xml", folder / "readout.xml"
    paths[0].write_bytes(write_supplier_file(tariff))
    paths[1].write_bytes(write_device_file(readout))
    return paths


def _run(paths: tuple[Path, Path], *, as_json: bool = True, html: Path | None = None) -> tuple[int, str]:
    out = io.StringIO()
    return run(*paths, as_json=as_json, html=html, out=out), out.getvalue()


@pytest.mark.req("CON-06")
def test_a_refused_file_gives_exit_code_4_and_a_named_reason(tmp_path: Path) -> None:
    paths = _write(tmp_path, supplier(start=DAY[0], end=DAY[1], use_case=9))
    assert _run(paths) == (4, '{"error":"trudi.use_case","detail":"9"}\n')
    code, shown = _run(paths, as_json=False)
    assert code == 4
    assert "trudi.use_case" in shown


@pytest.mark.parametrize("swap", [True, False])
def test_swapped_or_broken_files_are_refused(tmp_path: Path, swap: bool) -> None:
    paths = _write(tmp_path)
    if not swap:
        paths[1].write_bytes(paths[1].read_bytes()[:-10])
    code, shown = _run(paths[::-1] if swap else paths)  # type: ignore[arg-type]
    assert code == 4
    assert json.loads(shown)["error"] == ("trudi.element_refused" if swap else "trudi.syntax")


def test_a_missing_file_gives_exit_code_3(tmp_path: Path) -> None:
    paths = _write(tmp_path)
    code, shown = _run((tmp_path / "none.xml", paths[1]))
    assert code == 3
    assert json.loads(shown)["error"] == "verify.file"
    assert _run(paths, html=tmp_path / "none" / "report.html")[0] == 3


def test_a_page_is_written_when_asked(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    code, shown = _run(_write(tmp_path), as_json=False, html=page)
    assert code == 0
    assert "1-0:1.8.2*255" in shown
    assert "supplier.xml" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.req("TAF-21", "TAF-22")
def test_the_result_does_not_depend_on_the_machine(tmp_path: Path, zone: str) -> None:
    command = [sys.executable, "-m", "smgw", "verify", *map(str, _write(tmp_path)), "--json"]
    environment = {**os.environ, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=True)
    shown = json.loads(done.stdout)
    assert shown["period"] == {"start": "2026-10-25T00:00:00+02:00", "end": "2026-10-26T00:00:00+01:00"}
    assert [register["value"] for register in shown["registers"]] == [400, 600, 0]
