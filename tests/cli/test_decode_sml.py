import io
import json
from typing import Any

import pytest
from tests.codec.sml.samples import ENTRIES, METER_FRAME, OPEN_RESPONSE, REQUEST_FILE, SECONDS, SERVER_ID, messages
from tests.shared import shared_files

from smgw.cli.decode_sml import run
from smgw.codec.sml import (
    AttentionResponse,
    GetListResponse,
    PublicCloseResponse,
    encode_frame,
)


def as_json(data: bytes) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    code = run(data, as_json=True, out=out)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def as_text(data: bytes) -> tuple[int, str]:
    out = io.StringIO()
    return run(data, as_json=False, out=out), out.getvalue()


@pytest.mark.parametrize(
    ("data", "objects"),
    [
        (b"", []),
        (b"no meter at all", []),
        (METER_FRAME[:-1], [{"ok": False, "reason": "framing", "offset": len(METER_FRAME) - 1}]),
        (b"x" + METER_FRAME[:-1] + b"\x00", [{"ok": False, "reason": "transport_crc", "offset": len(METER_FRAME) - 1}]),
    ],
)
@pytest.mark.req("LMN-04")
def test_no_good_file(data: bytes, objects: list[dict[str, Any]]) -> None:
    assert as_json(data) == (4, objects)
    code, text = as_text(data)
    assert code == 4
    assert f"{len(objects)} SML files, 0 good" in text
    assert text.count("FAULT") == len(objects)


def test_json_of_every_kind_of_value() -> None:
    file = messages(OPEN_RESPONSE, GetListResponse(SERVER_ID, ENTRIES, act_sensor_time=SECONDS), PublicCloseResponse())
    code, (good, cut) = as_json(encode_frame(file) + METER_FRAME[:30])
    assert code == 0
    assert cut == {"ok": False, "reason": "framing", "offset": len(encode_frame(file)) + 30}
    assert (good["ok"], good["server_id"]) == (True, "0a01534d470000bc614e")
    entries = good["entries"]
    assert all(set(entry) == {"obis", "value", "scaler", "unit", "status", "val_time", "signature"} for entry in entries)
    assert entries[2] == {
        "obis": "1-0:1.8.0*255",
        "value": 23_559_290,
        "scaler": -1,
        "unit": 30,
        "status": 0x1C0104,
        "val_time": {"seconds": 24_208_040},
        "signature": None,
    }
    local = {"timestamp": 1_790_000_000, "local_offset": 60, "season_offset": -60}
    assert [entry["val_time"] for entry in entries[3:6]] == [{"timestamp": 1_790_000_000}, None, {"seconds": 77}]
    assert [entry["value"] for entry in entries] == [
        "534d47", SERVER_ID.hex(), 23_559_290, 17, -376, 5, bytes(range(48)).hex(), True, None, local, b"x".hex() * 300,
    ]  # fmt: skip
    assert (entries[9]["val_time"], entries[10]["obis"], entries[10]["signature"]) == (local, "6162", b"s".hex() * 64)


def test_files_without_a_list() -> None:
    attention = messages(OPEN_RESPONSE, AttentionResponse(b"other", bytes(6)), PublicCloseResponse())
    assert as_json(encode_frame(attention)) == (0, [{"ok": True, "server_id": SERVER_ID.hex(), "entries": []}])
    requests = encode_frame(REQUEST_FILE)
    assert as_json(requests)[1] == [{"ok": True, "server_id": SERVER_ID.hex(), "entries": []}]
    assert "secret" not in as_text(requests)[1]


def test_text_names_offsets_in_the_input() -> None:
    code, text = as_text(b"ab" + METER_FRAME + METER_FRAME[:40])
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == f"SML file 1 at 2, {len(METER_FRAME)} octets, good"
    assert lines[2] == "     2       4  escape  [SML transport version 1]"
    assert "objName: 1-0:1.8.0*255" in text
    assert f"SML file 2 at {len(METER_FRAME) + 2}, 40 octets, refused: framing, input ends inside a frame" in lines
    assert lines[-1] == f"2 SML files, 1 good; 2 of {len(METER_FRAME) + 42} octets outside all files"
    columns = {line.index("  ", 6) for line in lines if line[:6].strip().isdigit()}
    assert len(columns) == 1


@pytest.mark.shared
@pytest.mark.parametrize("capture", shared_files("sml", "*.bin"), ids=lambda path: path.stem)
def test_captures(capture: Any) -> None:
    code, objects = as_json(capture.read_bytes())
    assert code == 0
    energies = {entry["obis"]: entry for entry in next(good for good in objects if good["ok"])["entries"] if entry["unit"] == 30}
    assert energies
    assert all(type(entry["value"]) is int and type(entry["scaler"]) is int for entry in energies.values())
    assert as_text(capture.read_bytes())[0] == 0
