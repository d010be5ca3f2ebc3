"""Names: what is issued, and who a name speaks for."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from tests.pki_builders import DEVICE_ID, Party, SmallPki

from smgw.core.errors import CertificateRejected, UsageError
from smgw.pki.names import (
    Role,
    common_name_for,
    common_name_of,
    device_id_of,
    device_id_of_common_name,
    distinguished_name,
    read_name,
    role_of,
)

WRONG = [
    "",
    "CA",
    ".CA",
    "EMT",
    ".EMT",
    "-Netz.EMT",
    "Netz-.EMT",
    "Netz.emt",
    "Netz.EMT.",
    "Netz.EMT.api",
    "Netz.EMT.A.B.C",
    "Netz.EMT ",
    " Netz.EMT",
    "Netz.EMT\n",
    "Netz.EMT\x00.GWA",
    "Net z.EMT",
    "Nëtz.EMT",
    "Netz.EMT.GWA.CA.x",
    "a" * 43 + ".EMT",
    "EBSI001234567.SMGW",
    "EBSI00123456789.SMGW",
    "ebsi0012345678.SMGW",
    "EBSI0012345678.smgw",
    "EBSI0012345678.SM",
    "EBSIG012345678.SMGW",
    "ZBSI0012345678.SMGW",
    "E BSI0012345678.SMGW",
    "SM-Root.CA.TLS-X",
    "*.EMT",
]


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.req("PKI-01")
def test_other_names_are_neither_made_nor_read(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        distinguished_name(text)
    assert caught.value.code == "pki.name"
    with pytest.raises(CertificateRejected) as rejected:
        read_name(name(text or " "))
    assert rejected.value.code == "pki.name"


@pytest.mark.parametrize(
    ("role", "bare", "common_name"),
    [
        (Role.ROOT, "", "SM-Test-Root.CA"),
        (Role.CRL_SIGNER, "", "SM-Test-Root.CA.CRL-S"),
        (Role.SUB_CA, "Test", "Test.CA"),
        (Role.GWA, "Stadtwerk-Nord", "Stadtwerk-Nord.GWA"),
        (Role.GWH, "Werk1", "Werk1.GWH"),
        (Role.EMT, "Netz", "Netz.EMT"),
        (Role.TECHNICIAN, "Dienst", "Dienst.SRV"),
        (Role.SMGW, "ebsi0012345678.sm", "EBSI0012345678.SMGW"),
        (Role.SMGW, "E BSI00 1234 5678", "EBSI0012345678.SMGW"),
    ],
)
def test_each_role_has_its_form(role: Role, bare: str, common_name: str) -> None:
    assert common_name_for(role, bare) == common_name
    assert read_name(distinguished_name(common_name, 3)) == (common_name, role, "SM-Test-PKI-DE")


@pytest.mark.parametrize(("role", "bare"), [(Role.SUB_CA, "SM-Test-Root"), (Role.EMT, "a.b"), (Role.SMGW, "Netz"), (Role.GWA, "")])
def test_bare_names_that_would_say_something_else(role: Role, bare: str) -> None:
    with pytest.raises(UsageError):
        common_name_for(role, bare)


@pytest.mark.parametrize("extension", ["", ".API", ".MAK", ".A1.B2"])
def test_extensions_do_not_change_the_role(extension: str) -> None:
    assert read_name(distinguished_name(f"Netz.EMT{extension}"))[1] is Role.EMT
    assert read_name(distinguished_name(f"{DEVICE_ID}.SMGW{extension}"))[1] is Role.SMGW


def test_live_names_are_read_but_never_made() -> None:
    assert read_name(name("Netz.EMT", organisation="SM-PKI-DE"))[2] == "SM-PKI-DE"
    assert read_name(name("SM-Root.CA", organisation="SM-PKI-DE"))[1] is Role.ROOT
    assert distinguished_name("Netz.EMT").get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "SM-Test-PKI-DE"


@pytest.mark.parametrize(
    "changed",
    [
        {"organisation": "Example"},
        {"organisation": None},
        {"country": "AT"},
        {"country": None},
        {"serial": None},
        {"serial": "x"},
        {"serial": "١"},
        {"serial": "1" * 21},
        {"extra": (NameOID.COMMON_NAME, "Netz.GWA")},
        {"extra": (NameOID.LOCALITY_NAME, "Bonn")},
    ],
    ids=str,
)
def test_attributes_outside_the_scheme(changed: dict[str, object]) -> None:
    with pytest.raises(CertificateRejected) as caught:
        read_name(name("Netz.EMT", **changed))  # type: ignore[arg-type]
    assert caught.value.code == "pki.name"


def test_a_root_name_goes_with_its_organisation() -> None:
    with pytest.raises(CertificateRejected):
        read_name(name("SM-Root.CA"))
    with pytest.raises(CertificateRejected):
        read_name(name("SM-Test-Root.CA", organisation="SM-PKI-DE"))


def test_two_attributes_in_one_rdn_are_refused() -> None:
    attributes = list(distinguished_name("Netz.EMT"))
    joined = x509.Name([x509.RelativeDistinguishedName(attributes[:2]), *(x509.RelativeDistinguishedName([one]) for one in attributes[2:])])
    with pytest.raises(CertificateRejected):
        read_name(joined)


@pytest.mark.req("LIFE-02")
def test_certificates_tell_role_and_device(gateway: Party, participant: Party, pki: SmallPki) -> None:
    assert str(device_id_of(gateway.triple.sig)) == DEVICE_ID
    assert role_of(participant.triple.tls) is Role.EMT
    assert role_of(pki.root.certificate) is Role.ROOT
    assert common_name_of(pki.sub.certificate) == "Test.CA"
    assert str(device_id_of_common_name(f"{DEVICE_ID}.SMGW.X1", Role.SMGW)) == DEVICE_ID
    with pytest.raises(CertificateRejected) as caught:
        device_id_of(participant.triple.sig)
    assert caught.value.code == "pki.role"


def name(
    common_name: str,
    *,
    organisation: str | None = "SM-Test-PKI-DE",
    country: str | None = "DE",
    serial: str | None = "1",
    extra: tuple[x509.ObjectIdentifier, str] | None = None,
) -> x509.Name:
    pairs = [
        (NameOID.COUNTRY_NAME, country),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.COMMON_NAME, common_name),
        (NameOID.SERIAL_NUMBER, serial),
        extra or (NameOID.LOCALITY_NAME, None),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs if value is not None])
