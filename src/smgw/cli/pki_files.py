"""Files with certificates, revocation lists and requests as others write them: PEM with several of them, DER, PKCS#7; and trust of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import typer
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from smgw.cli.decode_cms import pem_blocks
from smgw.core.errors import CertificateRejected, ConfigError, DecodeFault
from smgw.pki.crl import MAX_REVOCATION_LIST, RevocationList, read_revocation_list
from smgw.pki.names import Role, role_of
from smgw.pki.parsing import load_certificate
from smgw.pki.requests import RequestPackage, read_authentication_request, read_request_package
from smgw.pki.triple import MAX_BUNDLE_CERTIFICATES, read_certificates
from smgw.pki.trust import TrustStore

_PASSED_OVER = ("PRIVATE KEY", "PARAMETERS")


class Found(NamedTuple):
    """Hold what a file holds."""

    certificates: list[x509.Certificate]
    lists: list[RevocationList]
    request: RequestPackage | None = None
    authentication: x509.CertificateSigningRequest | None = None
    """A request for an AUT certificate."""

    @property
    def asks(self) -> bool:
        """Tell whether it is a request."""
        return self.request is not None or self.authentication is not None


def read_octets(path: Path) -> bytes:
    """Read a file of at most 16 MiB, or standard input for `-`. Raises: ConfigError pki.file."""
    try:
        if str(path) == "-":
            data = typer.get_binary_stream("stdin").read(MAX_REVOCATION_LIST + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_REVOCATION_LIST + 1)
    except OSError as problem:
        raise ConfigError("pki.file", f"{path}: {problem.strerror}") from problem
    if len(data) > MAX_REVOCATION_LIST:
        raise ConfigError("pki.file", f"{path}: more than {MAX_REVOCATION_LIST} octets")
    return data


def read_found(path: Path) -> Found:
    """Tell apart what stands in a file, by the labels of PEM or by trying.

    Raises: ConfigError pki.file; DecodeFault pki.malformed, CertificateRejected of what is read, each with the file's name.
    """
    data = read_octets(path)
    try:
        return _of_pem(data) if b"-----BEGIN " in data else _of_der(data)
    except (DecodeFault, CertificateRejected) as problem:
        raise type(problem)(problem.code, f"{path}: {problem.detail}") from problem


def _of_pem(data: bytes) -> Found:
    certificates: list[x509.Certificate] = []
    lists: list[RevocationList] = []
    for label, der in pem_blocks(data, "pki.malformed"):
        if label == "CERTIFICATE":
            certificates.append(load_certificate(der))
        elif label == "X509 CRL":
            lists.append(read_revocation_list(der))
        elif label == "PKCS7":
            certificates += _of_pkcs7(der)
        elif not label.endswith(_PASSED_OVER):
            raise DecodeFault("pki.malformed", f"a PEM block of {label}")
        if len(certificates) + len(lists) > MAX_BUNDLE_CERTIFICATES:
            raise DecodeFault("pki.malformed", f"more than {MAX_BUNDLE_CERTIFICATES} certificates and lists")
    if not certificates and not lists:
        raise DecodeFault("pki.malformed", "neither certificate nor revocation list among the PEM blocks")
    return Found(certificates, lists)


def _of_der(data: bytes) -> Found:
    try:
        return Found(read_certificates(data), [])
    except DecodeFault as first:
        for reader in (_only_list, _only_pkcs7, _only_authentication, _only_request):
            try:
                return reader(data)
            except DecodeFault:
                continue
        raise first


def _only_list(data: bytes) -> Found:
    return Found([], [read_revocation_list(data)])


def _only_pkcs7(data: bytes) -> Found:
    return Found(_of_pkcs7(data), [])


def _only_request(data: bytes) -> Found:
    return Found([], [], read_request_package(data))


def _only_authentication(data: bytes) -> Found:
    return Found([], [], authentication=read_authentication_request(data)[0])


def is_authentication_request(data: bytes) -> bool:
    """Tell a single PKCS#10 request (DER) from a package of three; whether it is good is for whoever reads it."""
    try:
        x509.load_der_x509_csr(data)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _of_pkcs7(data: bytes) -> list[x509.Certificate]:
    """Read the certificates that travel in a PKCS#7 without a signature, in which authorities answer."""
    try:
        held = pkcs7.load_der_pkcs7_certificates(data)[: MAX_BUNDLE_CERTIFICATES + 1]
    except (ValueError, UnsupportedAlgorithm, UserWarning) as problem:
        raise DecodeFault("pki.malformed", "PKCS#7") from problem
    return [load_certificate(one.public_bytes(Encoding.DER)) for one in held]


def trust_of(path: Path, links: Iterable[x509.Certificate] = (), lists: Iterable[RevocationList] = ()) -> TrustStore:
    """Make a trust store of a folder, or of a file that holds roots and whatever else belongs to them.

    `links` and `lists` from elsewhere serve as far as the roots certify them.
    Raises: ConfigError pki.trust_folder, pki.file; CertificateRejected, DecodeFault for what lies there.
    """
    if path.is_dir() or not path.exists():
        return TrustStore.load(path, links, lists)
    found = read_found(path)
    roots = [one for one in found.certificates if _is_root(one)]
    if not roots:
        raise ConfigError("pki.trust_folder", f"{path}: no root certificate")
    rest = [one for one in found.certificates if one not in roots]
    return TrustStore.around(roots, (*rest, *links), (*found.lists, *lists))


def _is_root(certificate: x509.Certificate) -> bool:
    try:
        return role_of(certificate) is Role.ROOT
    except CertificateRejected:
        return False
