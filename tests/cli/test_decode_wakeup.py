"""`smgw decode wakeup` on the packet of the spec and on what is none."""

import json
from pathlib import Path

import pytest
from tests.codec.test_wakeup import PACKET
from typer.testing import CliRunner

from smgw.cli.decode import app


def run(tmp_path: Path, data: bytes, *options: str) -> tuple[int, str]:
    (tmp_path / "packet").write_bytes(data)
    result = CliRunner().invoke(app, ["wakeup", str(tmp_path / "packet"), *options])
    return result.exit_code, result.stdout


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize("data", [PACKET, PACKET.hex().encode(), PACKET.hex(" ").encode() + b"\n"])
def test_the_packet_of_the_spec_is_explained(tmp_path: Path, data: bytes) -> None:
    code, text = run(tmp_path, data)
    assert code == 0
    assert "recipient: EBSI0112345678" in text and "time: 2012-07-13T11:01:20Z" in text


def test_as_json_every_field_has_a_name(tmp_path: Path) -> None:
    code, text = run(tmp_path, PACKET, "--json")
    facts = json.loads(text)
    assert code == 0
    assert (facts["recipient"], facts["time"], facts["algorithm"]) == ("EBSI0112345678", "2012-07-13T11:01:20Z", "ecdsa-plain-SHA256")
    assert (facts["signed"], facts["octets"]) == (PACKET[:32].hex(), 108)


def test_what_is_no_packet_is_named_with_its_place(tmp_path: Path) -> None:
    assert run(tmp_path, PACKET[:50]) == (4, "FAULT at 50: wakeup.length: 50 octets (A wake-up packet has an impossible length)\n")
    code, text = run(tmp_path, b"\x00" + PACKET[1:], "--json")
    assert (code, json.loads(text)["code"], json.loads(text)["offset"]) == (4, "wakeup.structure", 0)


def test_unknown_values_are_shown_as_octets(tmp_path: Path) -> None:
    packet = bytearray(PACKET)
    packet[3], packet[40] = 0xFF, 0xFF
    facts = json.loads(run(tmp_path, bytes(packet), "--json")[1])
    assert facts["recipient"] is None and facts["algorithm"] is None
