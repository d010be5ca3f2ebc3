"""Make the signed initial configuration file by which a new gateway finds and knows this administrator.

Source: LIFE-05; TR-03109-1 Annex VI, 2.3.1.3.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.codec.initial_configuration import InitialConfiguration, encode_initial_configuration
from smgw.core.errors import ConfigError
from smgw.core.identifiers import DeviceId
from smgw.net.identity import Identity
from smgw.pki.triple import AUTHENTICATION_KEY, read_certificates
from smgw.security.content import Credential, sign_encapsulated

AUTHENTICATION_FILE = "authentication.pem"
"""The administrator's AUT certificate, in its folder."""


class Address(NamedTuple):
    """Say where gateways reach the administrator."""

    host: str
    management_port: int
    time_port: int
    service_port: int = 0
    """Where notices and what is to be passed on are taken; 0: nowhere."""


def load_authentication(folder: Path) -> Credential:
    """Read the AUT certificate with the name of its key. Raises: ConfigError administrator.authentication."""
    try:
        found = read_certificates((folder / AUTHENTICATION_FILE).read_bytes())
    except OSError as problem:
        raise ConfigError("administrator.authentication", problem.strerror or "") from problem
    return Credential(found[0], AUTHENTICATION_KEY)


def make_initial_configuration(
    identity: Identity, authentication: x509.Certificate, address: Address, device_id: DeviceId, now: datetime
) -> bytes:
    """Give the file for one gateway as CMS SignedData (DER), signed by the administrator's SIG key."""
    tls, sig, enc = (certificate.public_bytes(Encoding.DER) for certificate in identity.triple)
    issuers = identity.tls.chain[1:]
    content = InitialConfiguration(
        device_id=str(device_id),
        created_at=now,
        administrator=identity.triple.common_name,
        host=address.host,
        management_port=address.management_port,
        time_port=address.time_port,
        tls_certificate=tls,
        sig_certificate=sig,
        enc_certificate=enc,
        aut_certificate=authentication.public_bytes(Encoding.DER),
        chain=tuple(issuer.public_bytes(Encoding.DER) for issuer in issuers),
        service_port=address.service_port,
    )
    return sign_encapsulated(encode_initial_configuration(content), module=identity.module, signer=identity.signer)
