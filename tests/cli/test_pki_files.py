"""`smgw pki check` and `show` with files as others have them: loose files, mixed PEM, PKCS#7, standard input, a root alone as trust."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from tests.cms_parties import NOT_AFTER, NOT_BEFORE
from typer.testing import CliRunner, Result

from smgw.cli import pki_files
from smgw.cli.pki import app
from smgw.pki.triple import read_certificates

pytestmark = pytest.mark.req("PKI-02")


def run(*arguments: object, content: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=content)


def answer(*arguments: object, content: bytes | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", content=content).stdout)
    return found


class Parts(NamedTuple):
    """Hold each part of a test PKI in a file of its own."""

    folder: Path
    leaf: Path
    sub: Path
    root: Path
    lists: tuple[Path, ...]

    @property
    def together(self) -> bytes:
        return self.leaf.read_bytes() + self.sub.read_bytes() + b"".join(pem_of(one) for one in self.lists)


def pem_of(crl: Path) -> bytes:
    return x509.load_der_x509_crl(crl.read_bytes()).public_bytes(Encoding.PEM)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    pki = tmp_path / "pki"
    for arguments in (
        ("init", pki),
        ("request", tmp_path / "gwa", "--role", "gwa", "--name", "one", "--out", tmp_path / "request"),
        ("issue", pki, "--request", tmp_path / "request", "--role", "gwa", "--out", tmp_path / "triple.pem"),
    ):
        assert run(*arguments).exit_code == 0
    leaf = read_certificates((tmp_path / "triple.pem").read_bytes())[0]
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    sub, root = (next((pki / "trust" / name).iterdir()) for name in ("intermediates", "anchors"))
    return Parts(tmp_path, tmp_path / "leaf.pem", sub, root, tuple(sorted((pki / "trust" / "crls").iterdir())))


def as_folder(parts: Parts) -> tuple[object, ...]:
    return parts.leaf, "--trust", parts.folder / "pki" / "trust"


def as_loose_files(parts: Parts) -> tuple[object, ...]:
    return parts.leaf, parts.sub, *parts.lists, "--trust", parts.root


def as_one_file_and_a_root(parts: Parts) -> tuple[object, ...]:
    whole = parts.folder / "whole.pem"
    whole.write_bytes(parts.together)
    return whole, "--trust", parts.root


def as_a_leaf_and_all_the_trust_in_one_file(parts: Parts) -> tuple[object, ...]:
    trust = parts.folder / "trust.pem"
    trust.write_bytes(parts.root.read_bytes() + parts.sub.read_bytes() + b"".join(pem_of(one) for one in parts.lists))
    return parts.leaf, "--trust", trust


@pytest.mark.parametrize("form", [as_folder, as_loose_files, as_one_file_and_a_root, as_a_leaf_and_all_the_trust_in_one_file])
def test_the_same_is_found_in_whatever_files_it_comes(parts: Parts, form: Callable[[Parts], tuple[object, ...]]) -> None:
    found = answer("check", *form(parts))
    assert found["ok"], found
    first = found["checked"][0]
    assert (first["type"], first["path"]) == ("certificate", "one.GWA < Test.CA < SM-Test-Root.CA")
    for one in found["checked"]:
        assert isinstance(one["number"], int) if one["type"] == "crl" else one["role"] in ("gwa", "sub-ca")


def test_each_finding_names_its_file(parts: Parts) -> None:
    found = answer("check", *as_loose_files(parts))
    assert [one["file"] for one in found["checked"]] == [str(path) for path in (parts.leaf, parts.sub, *parts.lists)]


def test_without_its_lists_or_links_nothing_is_good(parts: Parts) -> None:
    assert answer("check", parts.leaf, "--trust", parts.root)["code"] == "pki.unknown_issuer"
    assert answer("check", parts.leaf, parts.sub, "--trust", parts.root)["code"] == "pki.crl_missing"
    assert answer("check", parts.leaf, parts.sub, *parts.lists, "--trust", parts.sub)["code"] == "pki.trust_folder"


def test_lists_and_links_of_another_root_are_told_and_serve_for_nothing(parts: Parts, tmp_path: Path) -> None:
    assert run("init", tmp_path / "other").exit_code == 0
    other = next((tmp_path / "other" / "trust" / "anchors").iterdir())
    result = run("check", *as_loose_files(parts)[:-1], other, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, {one["code"] for one in found["checked"]}) == (5, {"pki.unknown_issuer"})
    beside = answer("check", other, "--trust", parts.root)
    assert (beside["code"], beside["detail"]) == ("pki.unknown_issuer", "SM-Test-Root.CA is no root that is trusted")


def test_pkcs7_and_standard_input(parts: Parts) -> None:
    chain = [read_certificates(one.read_bytes())[0] for one in (parts.leaf, parts.sub)]
    for encoding in (Encoding.DER, Encoding.PEM):
        whole = pkcs7.serialize_certificates(chain, encoding)
        found = answer("check", "-", *parts.lists, "--trust", parts.root, content=whole)
        assert found["ok"], found
        assert len(found["checked"]) == 4
    assert answer("show", "-", content=parts.together)["items"][0]["subject"] == "SERIALNUMBER=1,CN=one.GWA,O=SM-Test-PKI-DE,C=DE"


def test_a_key_beside_the_certificate_is_passed_over(parts: Parts) -> None:
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert answer("check", "-", "--trust", parts.folder / "pki" / "trust", content=text + b"Subject: one\n" + parts.leaf.read_bytes())["ok"]
    alone = run("check", "-", "--trust", parts.root, content=text)
    assert (alone.exit_code, "neither certificate" in alone.stderr) == (4, True)
    request = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    assert "CERTIFICATE REQUEST" in run("check", "-", "--trust", parts.root, content=request).stderr


def test_a_foreign_certificate_is_a_finding_too(parts: Parts) -> None:
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "elsewhere")])
    foreign = x509.CertificateBuilder(name, name, key.public_key(), 1, NOT_BEFORE, NOT_AFTER).sign(key, hashes.SHA256())
    result = run("check", "-", parts.leaf, "--trust", parts.folder / "pki" / "trust", "--json", content=foreign.public_bytes(Encoding.DER))
    found = json.loads(result.stdout)
    assert (result.exit_code, found["code"]) == (5, "pki.name")
    assert [(one["name"], one["ok"]) for one in found["checked"]] == [("elsewhere", False), ("one.GWA", True)]


@pytest.mark.parametrize("place", ["anchors/x.pem", "intermediates/x.der", "crls/x.crl"])
def test_what_is_wrong_in_the_trust_folder_is_named(parts: Parts, place: str) -> None:
    (parts.folder / "pki" / "trust" / place).write_bytes(b"nonsense")
    result = run("check", *as_folder(parts))
    assert (result.exit_code, place in result.stderr) == (4, True)


def test_what_is_no_certificate_is_named_with_its_file(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    nonsense = parts.folder / "nonsense.pem"
    nonsense.write_bytes(b"nonsense")
    result = run("check", parts.leaf, nonsense, "--trust", parts.root)
    assert (result.exit_code, str(nonsense) in result.stderr) == (4, True)
    monkeypatch.setattr(pki_files, "MAX_REVOCATION_LIST", 100)
    assert answer("check", parts.leaf, "--trust", parts.root)["code"] == "pki.file"
    assert answer("check", parts.folder, "--trust", parts.root)["code"] == "pki.file"


def test_too_many_in_one_file_are_refused(parts: Parts) -> None:
    result = run("check", "-", "--trust", parts.root, content=parts.leaf.read_bytes() * 33)
    assert (result.exit_code, "more than 32" in result.stderr) == (4, True)
