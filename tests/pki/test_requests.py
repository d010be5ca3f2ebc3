"""Request packages: possession is proven for three different keys of one subject, or nothing is read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pki_builders import DEVICE_ID, KEYS, SECRET

from smgw.core.errors import CertificateRejected, DecodeFault, PeerFault, UsageError
from smgw.pki.assembly import sign_request
from smgw.pki.certificate_profiles import key_usage
from smgw.pki.der import SEQUENCE, der, split_der
from smgw.pki.names import Role, distinguished_name
from smgw.pki.requests import MAX_PACKAGE, contact_name, make_request_package, read_request_package
from smgw.security.software import SoftwareModule

SIGN, AGREE = frozenset({"digital_signature"}), frozenset({"key_agreement"})


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> SoftwareModule:
    module = SoftwareModule.create(tmp_path_factory.mktemp("module") / "keys", SECRET)
    for key in KEYS:
        module.generate(key, "brainpoolP256r1")
    return module


@pytest.fixture(scope="module")
def package(module: SoftwareModule) -> bytes:
    return make_request_package(module, KEYS, Role.SMGW, DEVICE_ID)


def request(module: SoftwareModule, key: str, usage: frozenset[str], common_name: str = f"{DEVICE_ID}.SMGW", contact: str = "") -> bytes:
    extensions: list[tuple[x509.ExtensionType, bool]] = [(key_usage(usage), True)]
    if contact:
        extensions.append((x509.SubjectAlternativeName([contact_name(contact)]), False))
    return encoded(sign_request(distinguished_name(common_name), extensions, module, key))


def encoded(csr: x509.CertificateSigningRequest) -> bytes:
    return csr.public_bytes(serialization.Encoding.DER)


@pytest.mark.req("PKI-01", "LIFE-03")
def test_a_package_says_who_asks_for_what(module: SoftwareModule, package: bytes) -> None:
    read = read_request_package(package)
    assert (read.common_name, read.role, read.contact) == (f"{DEVICE_ID}.SMGW", Role.SMGW, "")
    assert list(read.keys) == [module.public_key(key) for key in KEYS]


def test_participants_name_a_contact(module: SoftwareModule) -> None:
    assert read_request_package(make_request_package(module, KEYS, Role.EMT, "Netz")).contact == "https://netz.test/"
    assert read_request_package(make_request_package(module, KEYS, Role.GWA, "N", contact="a@n.test")).contact == "a@n.test"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda m: [request(m, KEYS.tls, SIGN), request(m, KEYS.sig, SIGN)], "pki.request"),
        (lambda m: [request(m, KEYS.sig, SIGN), request(m, KEYS.enc, AGREE), request(m, KEYS.tls, SIGN)], "pki.request"),
        (lambda m: [request(m, KEYS.tls, SIGN), request(m, KEYS.tls, SIGN), request(m, KEYS.enc, AGREE)], "pki.request"),
        (lambda m: [request(m, KEYS.tls, SIGN), request(m, KEYS.sig, SIGN), request(m, KEYS.sig, AGREE)], "pki.request"),
        (lambda m: [request(m, KEYS.tls, SIGN), request(m, KEYS.sig, SIGN, "Netz.EMT"), request(m, KEYS.enc, AGREE)], "pki.request"),
        (
            lambda m: [request(m, KEYS.tls, SIGN, contact="a@b"), request(m, KEYS.sig, SIGN), request(m, KEYS.enc, AGREE)],
            "pki.request",
        ),
        (lambda m: [request(m, key, SIGN, "Sub.CA") for key in KEYS[:2]] + [request(m, KEYS.enc, AGREE, "Sub.CA")], "pki.role"),
    ],
    ids=["two", "exchanged", "same-key", "enc-is-sig", "two-subjects", "two-contacts", "an-authority"],
)
def test_packages_that_do_not_fit_together(module: SoftwareModule, make: Callable[[SoftwareModule], list[bytes]], code: str) -> None:
    with pytest.raises(CertificateRejected) as caught:
        read_request_package(der(SEQUENCE, *make(module)))
    assert caught.value.code == code


def foreign(key: object, name: x509.Name, algorithm: object = None, extension: x509.ExtensionType | None = None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(extension or key_usage(SIGN), True)
    return encoded(builder.sign(key, algorithm or hashes.SHA256()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: foreign(rsa.generate_private_key(65537, 2048), distinguished_name("Netz.EMT")), "pki.curve"),
        (lambda: foreign(ec.generate_private_key(ec.SECP521R1()), distinguished_name("Netz.EMT"), hashes.SHA512()), "pki.curve"),
        (lambda: foreign(ec.generate_private_key(ec.BrainpoolP256R1()), distinguished_name("Netz.EMT"), hashes.SHA384()), "pki.hash"),
        (
            lambda: foreign(
                ec.generate_private_key(ec.BrainpoolP256R1()), distinguished_name("Netz.EMT"), None, x509.BasicConstraints(True, None)
            ),
            "pki.request",
        ),
        (
            lambda: foreign(
                ec.generate_private_key(ec.BrainpoolP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Netz.EMT")])
            ),
            "pki.name",
        ),
    ],
    ids=["rsa", "p521", "hash", "asks-to-be-an-authority", "name"],
)
def test_requests_that_the_scheme_does_not_know(module: SoftwareModule, make: Callable[[], bytes], code: str) -> None:
    one = make()
    rest = [request(module, KEYS.sig, SIGN), request(module, KEYS.enc, AGREE)]
    with pytest.raises(CertificateRejected) as caught:
        read_request_package(der(SEQUENCE, one, *rest))
    assert caught.value.code == code


def test_several_contacts_are_refused(module: SoftwareModule) -> None:
    names = x509.SubjectAlternativeName([x509.RFC822Name("a@b.test"), x509.RFC822Name("c@b.test")])
    other = x509.SubjectAlternativeName([x509.DNSName("b.test")])
    for value in (names, other):
        requests = [
            encoded(sign_request(distinguished_name("Netz.EMT"), [(key_usage(usage), True), (value, False)], module, key))
            for key, usage in zip(KEYS, (SIGN, SIGN, AGREE), strict=True)
        ]
        with pytest.raises(CertificateRejected) as caught:
            read_request_package(der(SEQUENCE, *requests))
        assert caught.value.detail == "contact"


def test_every_flipped_bit_is_rejected(package: bytes) -> None:
    parts = split_der(package, SEQUENCE, 3)
    for at in range(0, len(package), 3):
        bad = bytearray(package)
        bad[at] ^= 1 << (at % 8)
        with pytest.raises(PeerFault):
            read_request_package(bytes(bad))
    assert len(parts) == 3


def test_proof_of_possession_is_demanded(package: bytes) -> None:
    bad = bytearray(package)
    bad[-1] ^= 1
    with pytest.raises(CertificateRejected) as caught:
        read_request_package(bytes(bad))
    assert (caught.value.code, caught.value.detail) == ("pki.possession", "enc")


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_octets_from_outside_cause_peer_faults_only(data: bytes) -> None:
    with pytest.raises(PeerFault):
        read_request_package(data)
    with pytest.raises(PeerFault):
        read_request_package(der(SEQUENCE, data, data, data))


def test_size_is_bounded() -> None:
    with pytest.raises(DecodeFault):
        read_request_package(b"0" * (MAX_PACKAGE + 1))


def test_wrong_calls(module: SoftwareModule, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        make_request_package(module, KEYS, Role.SUB_CA, "Test")
    with pytest.raises(UsageError):
        make_request_package(module, KEYS, Role.EMT, "Netz", contact="ä@b")
    with pytest.raises(UsageError):
        make_request_package(module, KEYS, Role.EMT, "Netz", contact="a" * 200)
    with pytest.raises(UsageError):
        make_request_package(SoftwareModule.create(tmp_path / "empty", SECRET), KEYS, Role.EMT, "Netz")
