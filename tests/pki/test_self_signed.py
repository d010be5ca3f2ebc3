"""The gateway's HAN certificate."""

import ipaddress
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.pki_builders import DEVICE_ID, NOW, SECRET

from smgw.core.errors import UsageError
from smgw.core.identifiers import DeviceId
from smgw.pki.self_signed import make_han_certificate
from smgw.security.policy import curve_name
from smgw.security.software import SoftwareModule


@pytest.fixture
def module(tmp_path: Path) -> SoftwareModule:
    return SoftwareModule.create(tmp_path / "keys", SECRET)


def make(module: SoftwareModule, **changes: object) -> x509.Certificate:
    return make_han_certificate(module, "GW_HAN_TLS", DeviceId.parse(DEVICE_ID), NOW, **changes)  # type: ignore[arg-type]


@pytest.mark.req("CON-01", "SEC-03")
def test_it_names_the_gateway_and_the_ways_to_it(module: SoftwareModule) -> None:
    certificate = make(module, administrator="Nord.GWA", sequence=4, hosts=("192.168.1.7", "gateway.home", "localhost"))
    subject = {one.oid: one.value for one in certificate.subject}
    assert subject == {
        NameOID.COUNTRY_NAME: "DE",
        NameOID.ORGANIZATIONAL_UNIT_NAME: "Nord.GWA",
        NameOID.COMMON_NAME: "ebsi0012345678.smgw",
        NameOID.SERIAL_NUMBER: "4",
    }
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ebsi0012345678.smgw", "localhost", "smgw.local", "gateway.home"]
    assert ipaddress.ip_address("192.168.1.7") in names.get_values_for_type(x509.IPAddress)
    assert ipaddress.ip_address("127.0.0.1") in names.get_values_for_type(x509.IPAddress)
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("curve", ["secp384r1", "secp256r1", "brainpoolP256r1"])
def test_the_key_is_made_once(module: SoftwareModule, curve: str) -> None:
    first, second = make(module, curve=curve), make(module, curve=curve)
    assert first.public_key() == second.public_key() == module.public_key("GW_HAN_TLS")
    assert curve_name(module.public_key("GW_HAN_TLS")) == curve
    assert first.serial_number != second.serial_number


def test_other_curves_are_refused(module: SoftwareModule) -> None:
    with pytest.raises(UsageError) as caught:
        make(module, curve="secp521r1")
    assert caught.value.code == "module.curve"
    assert module.names() == []


def test_a_strict_validator_takes_it_as_its_own_anchor(module: SoftwareModule, tmp_path: Path) -> None:
    (tmp_path / "han.pem").write_bytes(make(module).public_bytes(Encoding.PEM))
    arguments = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost"]
    arguments += ["-attime", str(int(NOW.timestamp())), "-CAfile", "han.pem", "han.pem"]
    result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
