"""`smgw content` against `openssl cms`, both ways, on all five curves: by files alone, as two users would do it."""

from pathlib import Path

import pytest
from tests.cms_parties import CURVE_NAMES
from tests.interop.test_openssl_cms import AUTH_ENVELOPED, CONTENT, GCM_BY_CURVE, OPENSSL, Lab, make_lab
from typer.testing import CliRunner

from smgw.cli.content import app

pytestmark = [
    pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed"),
    pytest.mark.req("WAN-03", "SEC-03"),
]


@pytest.fixture(scope="module", params=CURVE_NAMES)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = make_lab(tmp_path_factory.mktemp("content"), request.param)
    (made.folder / "content").write_bytes(CONTENT)
    return made


def smgw(lab: Lab, command: str, source: str, out: str, *options: str) -> bytes:
    paths = {"sig.pem", "sig.key", "enc.pem", "enc.key"}
    named = [str(lab.folder / option) if option in paths else option for option in options]
    result = CliRunner().invoke(app, [command, str(lab.folder / source), "--out", str(lab.folder / out), *named])
    assert result.exit_code == 0, result.output
    return (lab.folder / out).read_bytes()


def ours(lab: Lab) -> str:
    return GCM_BY_CURVE[lab.curve.digest][0]


SIGNED_BY_US = ("--key", "sig.key", "--certificate", "sig.pem")
FOR_US = ("--key", "enc.key", "--certificate", "enc.pem")


def test_openssl_decrypts_what_we_encrypt(lab: Lab) -> None:
    options = ("--to", "enc.pem", "--layer", "encrypted", "--profile", "rfc5753", "--cipher", ours(lab))
    message = smgw(lab, "seal", "content", "encrypted.cms", *options)
    assert lab.openssl("-decrypt", "-inform", "DER", "-inkey", "enc.key", "-recip", "enc.pem", content=message) == CONTENT


@pytest.mark.parametrize("key_id", [(), ("-keyid",)], ids=["by issuer", "by key identifier"])
def test_we_decrypt_what_openssl_encrypts(lab: Lab, key_id: tuple[str, ...]) -> None:
    _, cipher, wrap = GCM_BY_CURVE[lab.curve.digest]
    message = lab.openssl(
        "-encrypt", f"-{cipher}", f"-{wrap}", "-outform", "DER", *key_id, "-recip", "enc.pem", "-keyopt", f"ecdh_kdf_md:{lab.curve.digest}",
        content=CONTENT,
    )  # fmt: skip
    (lab.folder / "theirs.cms").write_bytes(message)
    assert smgw(lab, "open", "theirs.cms", "opened", "--layer", "encrypted", *FOR_US) == CONTENT


def test_openssl_verifies_what_we_sign(lab: Lab) -> None:
    message = smgw(lab, "seal", "content", "signed.cms", "--layer", "signed", *SIGNED_BY_US)
    assert lab.openssl("-verify", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any", content=message) == CONTENT


def test_we_verify_what_openssl_signs(lab: Lab) -> None:
    message = lab.openssl(
        "-sign", "-nodetach", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-md", lab.curve.digest, content=CONTENT
    )
    (lab.folder / "theirs.cms").write_bytes(message)
    verified = smgw(lab, "open", "theirs.cms", "opened", "--layer", "signed", "--signer", "sig.pem", "--accept", "rfc5753")
    assert verified == CONTENT


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_we_decrypt_aes_128_by_every_hash_of_the_key_derivation(lab: Lab, digest: str) -> None:
    message = lab.openssl(
        "-encrypt", "-aes-128-gcm", "-outform", "DER", "-recip", "enc.pem", "-keyopt", f"ecdh_kdf_md:{digest}", content=CONTENT
    )
    (lab.folder / "theirs.cms").write_bytes(message)
    assert smgw(lab, "open", "theirs.cms", "opened", "--layer", "encrypted", *FOR_US) == CONTENT


def test_openssl_decrypts_our_aes_128(lab: Lab) -> None:
    message = smgw(lab, "seal", "content", "encrypted.cms", "--to", "enc.pem", "--layer", "encrypted", "--profile", "rfc5753")
    assert lab.openssl("-decrypt", "-inform", "DER", "-inkey", "enc.key", "-recip", "enc.pem", content=message) == CONTENT


def test_openssls_own_hash_of_the_key_derivation_is_refused_by_name(lab: Lab) -> None:
    message = lab.openssl("-encrypt", "-aes-128-gcm", "-outform", "DER", "-recip", "enc.pem", content=CONTENT)
    (lab.folder / "sha1.cms").write_bytes(message)
    options = ("--layer", "encrypted", "--key", str(lab.folder / "enc.key"), "--certificate", str(lab.folder / "enc.pem"))
    result = CliRunner().invoke(app, ["open", str(lab.folder / "sha1.cms"), *options])
    assert (result.exit_code, "dhSinglePass-stdDH-sha1kdf" in result.stderr) == (5, True)


def test_signatures_beside_their_content_go_both_ways(lab: Lab) -> None:
    message = smgw(lab, "seal", "content", "beside.cms", "--layer", "signed", "--detached", *SIGNED_BY_US)
    path = str(lab.folder / "content")
    checked = lab.openssl("-verify", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any", "-content", path, content=message)
    assert checked == CONTENT
    theirs = lab.openssl("-sign", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-md", lab.curve.digest, content=CONTENT)
    (lab.folder / "theirs.cms").write_bytes(theirs)
    options = ("--layer", "signed", "--content", path, "--signer", "sig.pem", "--accept", "rfc5753")
    assert smgw(lab, "open", "theirs.cms", "opened", *options) == CONTENT


def test_a_whole_message_of_ours_is_taken_apart_and_opened_by_openssl(lab: Lab) -> None:
    message = smgw(lab, "seal", "content", "sealed.cms", "--to", "enc.pem", "--profile", "rfc5753", "--cipher", ours(lab), *SIGNED_BY_US)
    assert lab.openssl("-verify", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any", content=message)
    encrypted = smgw(lab, "open", "sealed.cms", "encrypted.cms", "--layer", "signed", "--signer", "sig.pem")
    assert lab.openssl("-decrypt", "-inform", "DER", "-inkey", "enc.key", "-recip", "enc.pem", content=encrypted) == CONTENT


def test_a_message_that_openssl_encrypted_is_signed_by_us_or_by_openssl_and_opened_as_a_whole(lab: Lab) -> None:
    _, cipher, wrap = GCM_BY_CURVE[lab.curve.digest]
    encrypted = lab.openssl(
        "-encrypt", f"-{cipher}", f"-{wrap}", "-outform", "DER", "-keyid", "-recip", "enc.pem",
        "-keyopt", f"ecdh_kdf_md:{lab.curve.digest}", content=CONTENT,
    )  # fmt: skip
    (lab.folder / "encrypted.cms").write_bytes(encrypted)
    smgw(lab, "seal", "encrypted.cms", "whole.cms", "--layer", "signed", *SIGNED_BY_US)
    assert smgw(lab, "open", "whole.cms", "opened", *FOR_US, "--signer", "sig.pem") == CONTENT
    inside = lab.openssl(
        "-verify", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any", content=(lab.folder / "whole.cms").read_bytes()
    )
    again = lab.openssl(
        "-sign", "-nodetach", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-md", lab.curve.digest,
        "-econtent_type", AUTH_ENVELOPED, content=inside,
    )  # fmt: skip
    (lab.folder / "again.cms").write_bytes(again)
    assert smgw(lab, "open", "again.cms", "opened", *FOR_US, "--signer", "sig.pem", "--accept", "rfc5753") == CONTENT


def test_an_encrypted_message_signed_with_its_content_info_is_refused_by_name(lab: Lab) -> None:
    """As it comes of `openssl cms -encrypt | openssl cms -sign`: RFC 5652 has the bare structure inside."""
    encrypted = smgw(lab, "seal", "content", "encrypted.cms", "--to", "enc.pem", "--layer", "encrypted", "--profile", "rfc5753")
    for kind, told in ((AUTH_ENVELOPED, "ContentInfo of its own"), ("1.2.840.113549.1.7.1", "of another type")):
        signing = ("-sign", "-nodetach", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-md", lab.curve.digest)
        (lab.folder / "nested.cms").write_bytes(lab.openssl(*signing, "-econtent_type", kind, content=encrypted))
        files = {name: str(lab.folder / name) for name in ("enc.key", "enc.pem", "sig.pem", "nested.cms")}
        opening = ("--key", files["enc.key"], "--certificate", files["enc.pem"], "--signer", files["sig.pem"], "--accept", "rfc5753")
        result = CliRunner().invoke(app, ["open", files["nested.cms"], *opening])
        assert (result.exit_code, told in result.stderr) == (4, True)


def test_what_openssl_writes_in_pem_is_read_too(lab: Lab, tmp_path: Path) -> None:
    message = lab.openssl(
        "-sign", "-nodetach", "-outform", "PEM", "-signer", "sig.pem", "-inkey", "sig.key", "-md", lab.curve.digest, content=CONTENT
    )
    (lab.folder / "theirs.pem").write_bytes(message)
    options = ("--layer", "signed", "--signer", "sig.pem", "--accept", "rfc5753")
    assert smgw(lab, "open", "theirs.pem", "opened", *options) == CONTENT
