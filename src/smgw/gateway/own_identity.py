"""What a gateway proves itself with: the provisional certificates until it is personalised, the operational ones after that, and its
former SIG certificates, with which what it signed before can still be verified.

Source: LIFE-03, LIFE-08; 20-wan-crypto-pki 5.5, 5.6.
"""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.core.errors import ConfigError
from smgw.gateway.config import GatewayFolder
from smgw.net.identity import FORMER_FILE, TRIPLE_FILE, TRUST_FOLDER, Identity, former_certificates, identity_of, load_identity, open_module
from smgw.pki.triple import GATEWAY_KEYS, CertificateTriple, KeyNames, read_certificates, triple_of
from smgw.pki.trust import TrustStore
from smgw.security.tls import pem_bundle

PROVISIONAL_KEYS = KeyNames.of("GW_WAN", "_PRE")
MAX_FORMER = 24
"""So many former certificates are kept: more than twenty years of renewals."""


def provisional_identity(folder: GatewayFolder) -> Identity:
    """Open the identity of the seal certificates. Raises: ConfigError identity.missing; faults of module and trust store."""
    triple, issuers = seal_of(folder)
    return identity_of(open_module(folder.path), PROVISIONAL_KEYS, triple, issuers, TrustStore.load(folder.path / TRUST_FOLDER))


def seal_of(folder: GatewayFolder) -> tuple[CertificateTriple, list[x509.Certificate]]:
    """Read the seal certificates and those of their issuer. Raises: ConfigError identity.missing."""
    try:
        found = read_certificates(folder.seal.read_bytes())
    except OSError as problem:
        raise ConfigError("identity.missing", folder.seal.name) from problem
    return triple_of(found[:3]), found[3:]


def own_identity(folder: GatewayFolder) -> Identity:
    """Open the operational identity, or while there is none the provisional one."""
    return load_identity(folder.path, GATEWAY_KEYS) if (folder.path / TRIPLE_FILE).exists() else provisional_identity(folder)


def keep_former(folder: GatewayFolder, certificate: x509.Certificate) -> None:
    """Keep a SIG certificate whose key is about to be replaced; keeping it twice changes nothing."""
    held = former_certificates(folder.path)
    if certificate not in held:
        folder.write(folder.path / FORMER_FILE, pem_bundle([certificate, *held][:MAX_FORMER]))


def by_key_id(certificates: Sequence[x509.Certificate], key_id: bytes | None) -> x509.Certificate:
    """Give the certificate with a subject key identifier, or the first, with which verification then fails."""
    for certificate in certificates:
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        if identifier.digest == key_id:
            return certificate
    return certificates[0]


def der_of(certificate: x509.Certificate) -> bytes:
    """Give a certificate's DER."""
    return certificate.public_bytes(Encoding.DER)
