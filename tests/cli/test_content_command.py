"""`smgw content`: every variant of the profile through files, the vectors of the spec, and refusals with a reason."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.cli.test_wakeup_command import folder_of
from tests.codec.cms.test_cms_authenveloped import (
    AUTH_ATTRS,
    CBC_CMAC,
    GCM,
    KEK,
    KEK_WITHOUT_SHARED_INFO,
    SHARED_INFO,
    WRAPPED_CBC_CMAC,
    WRAPPED_GCM,
    Z,
)
from tests.gateway.gateway_parts import START, administrator_identity, gateway_identity, participant_identity, pki
from typer.testing import CliRunner, Result

from smgw.cli.content import Cipher, app
from smgw.codec.cms import algorithms as table

pytestmark = pytest.mark.req("WAN-03", "SEC-03")
CONTENT = b"<cosem/>" * 40


def run(*arguments: object, content: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=content)


def good(*arguments: object, content: bytes | None = None) -> Result:
    result = run(*arguments, content=content)
    assert result.exit_code == 0, result.output
    return result


ADMINISTRATOR, GATEWAY = folder_of(administrator_identity()), folder_of(gateway_identity())
SEAL = ("--module", ADMINISTRATOR, "--to", GATEWAY / "triple.pem")
OPEN = ("--module", GATEWAY, "--signer", ADMINISTRATOR / "triple.pem")


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    ("cipher", "wrapped", "result"), [("aes128-gcm", WRAPPED_GCM, GCM), ("aes128-cbc-cmac", WRAPPED_CBC_CMAC, CBC_CMAC)]
)
def test_the_vectors_of_the_spec_come_out_octet_for_octet(cipher: str, wrapped: bytes, result: tuple[bytes, bytes]) -> None:
    values = json.loads(good("vector", "--cipher", cipher, "--json").stdout)
    assert values["Z"] == Z.hex()
    assert values["SharedInfo"] == SHARED_INFO.hex()
    assert values["key encryption key"] == KEK.hex()
    assert values["wrapped"] == wrapped.hex()
    assert values["authenticated attributes"] == AUTH_ATTRS.hex()
    assert (values["ciphertext"], values["mac"]) == (result[0].hex(), result[1].hex())
    assert WRAPPED_GCM.hex() in good("vector").stdout


def test_the_vector_without_shared_info() -> None:
    values = json.loads(good("vector", "--shared-info", "empty", "--json").stdout)
    assert (values["SharedInfo"], values["key encryption key"]) == ("none", KEK_WITHOUT_SHARED_INFO.hex())


@pytest.mark.parametrize("number", ["0", "xyz", "ff" * 40])
def test_what_is_no_key_of_the_curve_is_said(number: str) -> None:
    result = run("vector", "--recipient", number, "--json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (3, "key.number")


def test_the_ciphers_are_those_of_the_table() -> None:
    assert set(get_args(Cipher)) == set(table.CONTENT_CIPHERS)


@pytest.mark.parametrize("profile", ["tr", "rfc5753"])
@pytest.mark.parametrize("cipher", ["aes128-gcm", "aes128-cbc-cmac"])
@pytest.mark.parametrize("zlib", [(), ("--zlib",)], ids=["plain", "zlib"])
def test_what_is_sealed_is_opened(content: Path, tmp_path: Path, profile: str, cipher: str, zlib: tuple[str, ...]) -> None:
    message, opened = tmp_path / "message", tmp_path / "opened"
    good("seal", content, *SEAL, "--profile", profile, "--cipher", cipher, *zlib, "--out", message)
    good("open", message, *OPEN, "--out", opened)
    assert opened.read_bytes() == CONTENT
    explained = json.loads(good("explain", message, "--json").stdout)
    assert explained["cipher"] == table.CONTENT_CIPHERS[cipher].name
    assert explained["recipients"][0]["key_agreement"].startswith("ecka-eg" if profile == "tr" else "dhSinglePass")
    assert ("id-ct-compressedData" in explained["content_types"]) == bool(zlib)


def test_through_pipes(content: Path) -> None:
    sealed = good("seal", "-", *SEAL, content=CONTENT).stdout_bytes
    assert good("open", "-", *OPEN, content=sealed).stdout_bytes == CONTENT
    assert good("open", "-", *OPEN, content=sealed.hex().encode()).stdout_bytes == CONTENT
    assert "signedData" in good("explain", "-", content=sealed).stdout


def test_a_trust_folder_stands_in_for_the_senders_certificate(content: Path, tmp_path: Path) -> None:
    message = tmp_path / "message"
    sealed = json.loads(good("seal", content, *SEAL, "--out", message, "--json").stdout)
    assert sealed["signer"]["subject"] == "SERIALNUMBER=1,CN=test.GWA,O=SM-Test-PKI-DE,C=DE"
    pki().trust(START).save(tmp_path / "trust")
    opening = ("open", message, "--module", GATEWAY, "--trust", tmp_path / "trust", "--out", tmp_path / "opened", "--json")
    answer = run(*opening)
    # The test PKI was founded for March 2026: by today's clock its lists are stale, which is a reason to refuse.
    assert json.loads(answer.stdout)["code"] == "pki.crl_stale"
    at = json.loads(good(*opening, "--at", "2026-03-01T13:00:00Z").stdout)
    assert at["signer"] == sealed["signer"]
    good("seal", content, *SEAL, "--no-with-certificate", "--out", message)
    assert json.loads(run(*opening).stdout)["code"] == "key.choice"


def refused(*arguments: object) -> tuple[int, str]:
    result = run(*arguments, "--json")
    answer: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, answer["code"]


def test_what_must_not_be_opened_is_refused_and_writes_nothing(content: Path, tmp_path: Path) -> None:
    message, out = tmp_path / "message", tmp_path / "opened"
    good("seal", content, *SEAL, "--profile", "tr", "--out", message)
    participant = folder_of(participant_identity())
    opening = ("open", message, "--out", out)
    assert refused(*opening, "--module", participant, "--signer", ADMINISTRATOR / "triple.pem") == (5, "cms.recipient")
    assert refused(*opening, "--module", GATEWAY, "--signer", participant / "triple.pem") == (5, "cms.signature")
    assert refused(*opening, "--module", GATEWAY) == (3, "key.choice")
    assert refused(*opening, "--signer", ADMINISTRATOR / "triple.pem") == (3, "key.choice")
    octets = bytearray(message.read_bytes())
    octets[len(octets) // 2] ^= 1
    message.write_bytes(octets)
    assert refused(*opening, *OPEN)[1].startswith("cms.")
    message.write_bytes(CONTENT)
    assert refused(*opening, *OPEN) == (4, "cms.structure")
    assert refused(*opening, "--layer", "encrypted", "--module", GATEWAY) == (4, "cms.structure")
    assert not out.exists()


def test_what_is_missing_is_said(content: Path, tmp_path: Path) -> None:
    assert refused("seal", content, "--module", ADMINISTRATOR, "--out", tmp_path / "m") == (3, "key.choice")
    assert refused("seal", content, *SEAL) == (3, "key.choice")
    assert refused("seal", tmp_path / "none", *SEAL, "--out", tmp_path / "m") == (3, "key.file")
    assert refused("seal", content, "--module", ADMINISTRATOR, "--to", pem_of_authority(tmp_path), "--out", tmp_path / "m")[0] == 5
    assert refused("seal", content, *SEAL, "--out", content / "below") == (6, "key.output")


def pem_of_authority(folder: Path) -> Path:
    path = folder / "authority.pem"
    path.write_bytes(pki().sub().certificate.public_bytes(Encoding.PEM))
    return path
