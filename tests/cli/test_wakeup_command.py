"""`smgw wakeup` as somebody calls it who tests another side against it."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from tests.cms_parties import certificate
from tests.codec.test_wakeup import KEY, PACKET
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity
from typer.testing import CliRunner, Result

from smgw.cli.wakeup import app
from smgw.core.instant import utc_text
from smgw.net.identity import Identity

pytestmark = pytest.mark.req("WAN-04")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def good(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def folder_of(identity: Identity) -> Path:
    return Path(identity.module._path).parent  # type: ignore[attr-defined]


class Files:
    """Hold the vector's key and certificate as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.certificate = folder / "sig.key", folder / "sig.pem"
        self.key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.certificate.write_bytes(certificate(KEY.public_key(), "test.GWA", "digital_signature").public_bytes(Encoding.PEM))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_packet_of_the_spec_is_made_octet_for_octet(files: Files) -> None:
    made = good("make", "EBSI0112345678", "--at", "2012-07-13T11:01:20Z", "--key", files.key, "--certificate", files.certificate)
    assert made == PACKET.hex() + "\n"
    out = files.folder / "packet"
    good("make", "EBSI0112345678", "--at", "2012-07-13T11:01:20Z", "--key", files.key, "--certificate", files.certificate, "--out", out)
    assert out.read_bytes() == PACKET


def test_a_key_with_a_password(files: Files) -> None:
    files.key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")))
    make = ("make", "EBSI0112345678", "--at", "2012-07-13T11:01:20Z", "--key", files.key, "--certificate", files.certificate)
    (files.folder / "password").write_text("open sesame\n")
    assert good(*make, "--password-file", files.folder / "password") == PACKET.hex() + "\n"
    assert run(*make).exit_code == 3


def test_what_an_administrator_makes_passes_every_check(tmp_path: Path) -> None:
    module = folder_of(administrator_identity())
    out = tmp_path / "packet"
    made = json.loads(good("make", GATEWAY_ID, "--module", module, "--at", utc_text(START), "--out", out, "--json"))
    assert (made["octets"], made["packet"]) == (108, out.read_bytes().hex())
    check = ("check", out, "--certificate", module / "triple.pem", "--gateway", GATEWAY_ID, "--at", utc_text(START))
    checked = json.loads(good(*check, "--json"))
    assert [one["result"] for one in checked["checks"]] == ["ok"] * 8
    assert "signature    ok" in good(*check)


def refusal(tmp_path: Path, *options: object, data: bytes | None = None) -> tuple[int, str, list[str]]:
    module = folder_of(administrator_identity())
    if data is not None:
        (tmp_path / "packet").write_bytes(data)
    else:
        good("make", GATEWAY_ID, "--module", module, "--at", utc_text(START), "--out", tmp_path / "packet")
    arguments = ["check", tmp_path / "packet", "--certificate", module / "triple.pem", "--at", utc_text(START), "--json"]
    result = run(*arguments, *options)
    answer: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, answer["code"], [one["check"] for one in answer["checks"] if one["result"] == "ok"]


def test_each_check_refuses_by_itself(tmp_path: Path) -> None:
    assert refusal(tmp_path, "--gateway", "ESGW0000000002") == (4, "wakeup.recipient", ["format"])
    timely = ["format", "recipient", "rate", "algorithm"]
    assert refusal(tmp_path, "--at", "2026-03-01T12:00:31Z") == (4, "wakeup.time", timely)
    assert refusal(tmp_path, "--at", "2026-03-01T11:59:29Z") == (4, "wakeup.time", timely)
    assert refusal(tmp_path, "--last", utc_text(START)) == (4, "wakeup.replayed", [*timely, "time"])
    other = folder_of(gateway_identity()) / "triple.pem"
    assert refusal(tmp_path, "--certificate", other)[:2] == (5, "wakeup.signature")
    assert refusal(tmp_path, data=b"nothing")[:2] == (4, "wakeup.length")


def test_the_other_order_of_the_time_passes_only_where_it_is_looked_for(tmp_path: Path) -> None:
    module, out = folder_of(administrator_identity()), tmp_path / "packet"
    good("make", GATEWAY_ID, "--module", module, "--at", utc_text(START), "--order", "big", "--out", out)
    check = ("check", out, "--certificate", module / "triple.pem", "--at", utc_text(START))
    assert run(*check).exit_code == 4
    for order in ("big", "auto"):
        good(*check, "--order", order)


def test_a_refused_packet_shows_how_far_it_came(tmp_path: Path) -> None:
    result = run("check", *packet_file(tmp_path), "--certificate", folder_of(administrator_identity()) / "triple.pem")
    assert "time         refused: wakeup.time" in result.stdout
    assert "signature    not reached" in result.stdout
    assert "wakeup.time" in result.stderr


def packet_file(folder: Path) -> tuple[Path]:
    (folder / "packet").write_text(PACKET.hex())
    return (folder / "packet",)


def test_it_is_sent_as_one_datagram(files: Files) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.settimeout(60)
        place = f"127.0.0.1:{gateway.getsockname()[1]}"
        make = ("make", "EBSI0112345678", "--at", "2012-07-13T11:01:20Z", "--key", files.key, "--certificate", files.certificate)
        assert place in good(*make, "--send", place)
        assert gateway.recv(200) == PACKET


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("make", "nonsense", "--module", "m"), 3, "value.device_id"),
        (("make", GATEWAY_ID, "--at", "yesterday", "--module", "m"), 3, "value.time"),
        (("make", GATEWAY_ID), 3, "key.choice"),
        (("make", GATEWAY_ID, "--key", "k"), 3, "key.choice"),
        (("make", GATEWAY_ID, "--key", "none", "--certificate", "sig.pem"), 3, "key.file"),
        (("make", GATEWAY_ID, "--key", "sig.pem", "--certificate", "sig.pem"), 3, "key.file"),
        (("make", GATEWAY_ID, "--key", "other.key", "--certificate", "sig.pem"), 3, "key.certificate"),
        (("make", GATEWAY_ID, "--key", "sig.key", "--certificate", "sig.pem", "--send", "nowhere"), 3, "key.choice"),
        (("make", GATEWAY_ID, "--key", "sig.key", "--certificate", "sig.pem", "--out", "-"), 3, "key.choice"),
        (("check", "none", "--certificate", "sig.pem"), 3, "key.file"),
        (("check", "sig.pem", "--certificate", "sig.key"), 3, "key.certificate"),
    ],
)
def test_what_can_not_be_done_is_said(
    files: Files, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    monkeypatch.chdir(files.folder)
    other = ec.generate_private_key(ec.BrainpoolP256R1())
    Path("other.key").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    result = run(*arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (exit_code, code)
    assert code in run(*arguments).stderr or arguments[-1] == "-"


def test_a_certificate_that_signs_nothing_is_nobodys_administrator(files: Files) -> None:
    agrees = files.folder / "enc.pem"
    agrees.write_bytes(certificate(KEY.public_key(), "test.GWA", "key_agreement").public_bytes(Encoding.PEM))
    packet = files.folder / "packet"
    packet.write_bytes(PACKET)
    for arguments in (("make", GATEWAY_ID, "--key", files.key, "--certificate", agrees), ("check", packet, "--certificate", agrees)):
        result = run(*arguments, "--json")
        assert (result.exit_code, json.loads(result.stdout)["code"]) == (5, "cms.key_usage")
