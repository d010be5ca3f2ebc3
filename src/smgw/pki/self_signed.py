"""Self-signed certificates of the home network: the gateway's own, which browsers and displays see.

Source: 20-wan-crypto-pki 2.3; SEC-03.
"""

import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smgw.core.errors import SecurityFault, UsageError
from smgw.core.identifiers import DeviceId
from smgw.pki.assembly import sign_certificate
from smgw.pki.certificate_profiles import key_usage
from smgw.security.module import SecurityModule
from smgw.security.policy import Use, require_curve

HAN_VALIDITY = timedelta(days=7 * 365)
HAN_HOSTS = ("localhost", "smgw.local", "127.0.0.1", "::1")
"""Host names and addresses that the certificate always names."""

_BACKDATING = timedelta(minutes=5)


def make_han_certificate(
    module: SecurityModule,
    key_name: str,
    device_id: DeviceId,
    now: datetime,
    *,
    curve: str = "secp384r1",
    administrator: str = "SM-Test-PKI-DE",
    sequence: int = 1,
    hosts: tuple[str, ...] = (),
) -> x509.Certificate:
    """Make the gateway's HAN certificate; the key is made on `curve` when the module does not hold it yet.

    `administrator` is the common name of the administrator's SIG certificate and stands as OU; `hosts` are named beside `HAN_HOSTS`.
    Raises: UsageError module.curve for a curve that the policy does not allow in the HAN.
    """
    try:
        require_curve(curve, Use.HAN, now.year)
    except SecurityFault as problem:
        raise UsageError("module.curve", curve) from problem
    key = module.public_key(key_name) if key_name in module.names() else module.generate(key_name, curve)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, administrator),
            x509.NameAttribute(NameOID.COMMON_NAME, device_id.han_name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, str(sequence)),
        ]
    )
    start = now.replace(microsecond=0) - _BACKDATING
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    names = [_host(host) for host in dict.fromkeys((device_id.han_name, *HAN_HOSTS, *hosts))]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    builder = builder.serial_number(int.from_bytes(module.random(20), "big") >> 1 or 1)
    builder = builder.not_valid_before(start).not_valid_after(start + HAN_VALIDITY)
    builder = builder.add_extension(identifier, False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
    builder = builder.add_extension(key_usage(frozenset({"digital_signature"})), True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    return sign_certificate(builder, module, key_name)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
