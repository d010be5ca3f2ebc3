"""`smgw content` with files as others have them: keys and certificates in every usual form, detached signatures, the wrong layer."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from tests.cms_parties import CURVE_NAMES, NOT_AFTER, NOT_BEFORE
from typer.testing import CliRunner, Result

from smgw.cli import content as command
from smgw.cli import credentials
from smgw.cli.content import app
from smgw.codec.cms import algorithms as table

pytestmark = pytest.mark.req("WAN-03", "SEC-03")
CONTENT = b"<cosem/>" * 40
PASSWORD = b"a password for tests"


def run(*arguments: object, content: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=content)


def good(*arguments: object, content: bytes | None = None) -> bytes:
    result = run(*arguments, content=content)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def refused(*arguments: object) -> tuple[int, str, str]:
    result = run(*arguments, "--json")
    answer: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, answer["code"], answer["detail"]


def self_signed(key: ec.EllipticCurvePrivateKey, *, usage: bool = False, authority: bool = True) -> x509.Certificate:
    """Make what `openssl req -x509` makes: an authority's certificate that names no key usage."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "party")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, NOT_BEFORE, NOT_AFTER)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usage:
        only_signs = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        builder = builder.add_extension(x509.KeyUsage(digital_signature=True, **only_signs), critical=True)
    return builder.sign(key, hashes.SHA256())


class Files(NamedTuple):
    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, name: str, data: bytes) -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def key_file(self, encoding: Encoding = Encoding.PEM, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> Path:
        lock = NoEncryption() if password is None else BestAvailableEncryption(password)
        return self.write(f"{form}.{encoding}", self.key.private_bytes(encoding, form, lock))

    def certificate_file(self, encoding: Encoding = Encoding.PEM) -> Path:
        return self.write(f"certificate.{encoding}", self.certificate.public_bytes(encoding))

    @property
    def own(self) -> tuple[object, ...]:
        return "--key", self.key_file(), "--certificate", self.certificate_file()

    @property
    def sealing(self) -> tuple[object, ...]:
        return *self.own, "--to", self.certificate_file()

    @property
    def opening(self) -> tuple[object, ...]:
        return *self.own, "--signer", self.certificate_file()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    return Files(tmp_path, key, self_signed(key))


@pytest.fixture
def content(files: Files) -> Path:
    return files.write("content", CONTENT)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_keys_in_every_form_on_every_curve(tmp_path: Path, curve: str, form: PrivateFormat, encoding: Encoding) -> None:
    key = ec.generate_private_key(table.CURVES[curve].curve)
    files = Files(tmp_path, key, self_signed(key))
    own = ("--key", files.key_file(encoding, form), "--certificate", files.certificate_file(encoding))
    message = files.folder / "message"
    good("seal", files.write("content", CONTENT), *own, "--to", files.certificate_file(encoding), "--out", message)
    assert good("open", message, *own, "--signer", files.certificate_file(encoding)) == CONTENT


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_keys_behind_a_password(files: Files, content: Path, encoding: Encoding) -> None:
    key = files.key_file(encoding, password=PASSWORD)
    own = ("--certificate", files.certificate_file(), "--layer", "signed", "--out", files.folder / "message")
    good("seal", content, "--key", key, *own, "--password-file", files.write("password", PASSWORD + b"\n"))
    for arguments in ((), ("--password-file", content)):
        exit_code, code, detail = refused("seal", content, "--key", key, *own, *arguments)
        assert (exit_code, code) == (3, "key.file")
        assert "password" in detail.lower()


def test_a_key_and_a_chain_may_stand_in_the_certificates_file(files: Files, content: Path) -> None:
    other = ec.generate_private_key(ec.BrainpoolP384R1())
    leaf = self_signed(files.key, authority=False)
    parameters = b"-----BEGIN EC PARAMETERS-----\nBgkrJAMDAggBAQc=\n-----END EC PARAMETERS-----\n"
    text = (parameters, files.key_file(form=PrivateFormat.TraditionalOpenSSL).read_bytes(), b"Subject: party\n",
            leaf.public_bytes(Encoding.PEM), self_signed(other).public_bytes(Encoding.PEM))  # fmt: skip
    whole = files.write("whole.pem", b"".join(text))
    sealed = good("seal", content, "--key", whole, "--certificate", whole, "--to", whole)
    assert good("open", "-", "--key", whole, "--certificate", whole, "--signer", whole, content=sealed) == CONTENT


def test_a_usage_that_is_named_counts(files: Files, content: Path) -> None:
    signs = files.write("signs.pem", self_signed(files.key, usage=True).public_bytes(Encoding.PEM))
    assert refused("seal", content, *files.own, "--to", signs, "--out", files.folder / "m")[:2] == (5, "cms.key_usage")


def test_a_signature_beside_its_content(files: Files, content: Path) -> None:
    message, opened = files.folder / "message", files.folder / "opened"
    good("seal", content, *files.own, "--layer", "signed", "--detached", "--out", message)
    assert CONTENT not in message.read_bytes()
    checking = ("open", message, "--layer", "signed", "--signer", files.certificate_file(), "--out", opened)
    good(*checking, "--content", content)
    assert opened.read_bytes() == CONTENT
    opened.unlink()
    assert refused(*checking, "--content", files.write("other", b"other"))[:2] == (5, "cms.signature")
    exit_code, code, detail = refused(*checking)
    assert (exit_code, code, "--content" in detail) == (3, "key.choice", True)
    assert not opened.exists()


def test_what_does_not_go_together_is_said(files: Files, content: Path) -> None:
    message = files.folder / "message"
    assert refused("seal", content, *files.sealing, "--detached", "--out", message) == (3, "key.choice", "--detached is for --layer signed")
    good("seal", content, *files.sealing, "--out", message)
    opening = ("open", message, *files.opening, "--out", files.folder / "opened")
    assert refused(*opening, "--content", content) == (3, "key.choice", "--content is for --layer signed")
    assert refused(*opening, "--trust", files.folder) == (3, "key.choice", "either --signer or --trust")
    trusted = ("open", message, *files.own, "--trust", files.folder, "--at", "yesterday", "--out", files.folder / "opened")
    assert refused(*trusted)[:2] == (3, "value.time")


@pytest.mark.parametrize(
    ("made", "asked", "told"),
    [
        ("encrypted", "both", "--layer encrypted"),
        ("encrypted", "signed", "--layer encrypted"),
        ("both", "encrypted", "--layer both"),
    ],
)
def test_the_wrong_layer_names_the_right_one(files: Files, content: Path, made: str, asked: str, told: str) -> None:
    message = files.folder / "message"
    signer = () if made == "encrypted" else files.own
    good("seal", content, *signer, "--to", files.certificate_file(), "--layer", made, "--out", message)
    trusted = () if asked == "encrypted" else ("--signer", files.certificate_file())
    exit_code, code, detail = refused("open", message, *files.own, *trusted, "--layer", asked, "--out", files.folder / "opened")
    assert (exit_code, code) == (4, "cms.structure")
    assert told in detail


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (bytes.fromhex("3080060b2a864886f70d01090110011700000000"), "indefinite lengths"),
        (b"MIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\nAAAA", "S/MIME"),
        (bytes.fromhex("300f06092a864886f70d010703a0023000"), "id-envelopedData, neither"),
        (b"no message", "not a"),
        (b"", "not a"),
    ],
)
def test_what_is_no_message_of_the_profile_is_named(files: Files, message: bytes, told: str) -> None:
    path = files.write("message", message)
    exit_code, code, detail = refused("open", path, *files.opening, "--out", files.folder / "opened")
    assert (exit_code, code) == (4, "cms.structure")
    assert told in detail
    assert run("explain", path).exit_code == 4


def test_a_form_wider_than_the_guidelines_is_hinted_at(files: Files, content: Path) -> None:
    message = files.folder / "message"
    good("seal", content, *files.own, "--layer", "signed", "--out", message)
    exit_code, _, detail = refused("open", message, *files.opening, "--out", files.folder / "opened")
    assert exit_code == 4
    assert "1.2.840.113549.1.7.1" in detail
    assert "--accept rfc5753" in detail
    message.write_bytes(message.read_bytes() * 2)
    assert "--accept" not in refused("open", message, *files.opening, "--out", files.folder / "opened")[2]


def test_what_nobody_could_open_is_not_sealed(files: Files, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MAX_CONTENT_OCTETS", len(CONTENT))
    out = ("--out", files.folder / "message")
    assert refused("seal", content, *files.sealing, *out)[:2] == (4, "cms.size")
    assert refused("seal", files.write("more", CONTENT + b"x"), *files.sealing, "--zlib", *out)[:2] == (4, "cms.size")
    good("seal", files.write("more", CONTENT * 20), *files.own, "--layer", "signed", "--detached", "--no-with-certificate", *out)


def test_a_file_is_taken_whole_or_not_at_all(files: Files, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealing = (*files.sealing, "--out", files.folder / "message")
    monkeypatch.setattr(credentials, "LIMIT", 4096)
    good("seal", content, *sealing)
    monkeypatch.setattr(credentials, "LIMIT", len(CONTENT) - 1)
    exit_code, code, detail = refused("seal", content, *sealing)
    assert (exit_code, code) == (3, "key.file")
    assert "more than" in detail
    assert run("seal", "-", *sealing, content=CONTENT).exit_code == 3
