"""Renew a triple: new keys, asked for under the old SIG key, certified by the authority that certified the old ones.

Source: PKI-01; 20-wan-crypto-pki 5.5, 5.7.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smgw.core.errors import CertificateRejected, UsageError
from smgw.core.key_inventory import generation_suffix, split_generation
from smgw.pki.authorised import MAX_OCTETS, SIGNED_REQUEST, sign_package
from smgw.pki.chain import CertificateUse
from smgw.pki.deployment import PkiFolder
from smgw.pki.requests import make_request_package, read_request_package
from smgw.pki.triple import CertificateTriple, KeyNames
from smgw.security.content import Credential, verify_encapsulated
from smgw.security.module import SecurityModule
from smgw.security.policy import Use, preferred_curve


class Renewal(NamedTuple):
    """Hold the names of the new keys, and the package that asks for their certificates under the old SIG key."""

    keys: KeyNames
    document: bytes


def held_keys(module: SecurityModule, triple: CertificateTriple) -> KeyNames:
    """Find a triple's keys in a module. Raises: UsageError module.no_key."""
    names = {_octets(module.public_key(name)): name for name in module.names()}
    found = [names.get(_octets(certificate.public_key())) for certificate in triple]
    if None in found:
        raise UsageError("module.no_key", f"a key of {triple.common_name}")
    return KeyNames(*(name for name in found if name is not None))


def make_renewal(module: SecurityModule, old: CertificateTriple, now: datetime) -> Renewal:
    """Make the next generation of a triple's keys, unless an earlier attempt did, and the signed package.

    The keys' names carry the number of the generation. Raises: UsageError module.no_key.
    """
    held = held_keys(module, old)
    bases = [split_generation(name) for name in held]
    generation = max(number for _, number in bases) + 1
    keys = KeyNames(*(f"{base}{generation_suffix(generation)}" for base, _ in bases))
    for key in keys:
        if key not in module.names():
            module.generate(key, preferred_curve(Use.END_ENTITY, now.year))
    package = make_request_package(module, keys, old.role, old.common_name.split(".")[0], contact=_contact(old.sig))
    return Renewal(keys, sign_package(package, module=module, signer=Credential(old.sig, held.sig)))


def renew(
    pki: PkiFolder, document: bytes, old: CertificateTriple, *, now: datetime, validity: timedelta | None = None
) -> CertificateTriple:
    """Issue a new triple for whom the old one, still in good standing, names.

    Raises: CertificateRejected pki.request for another name or a key that is held already, and what the old certificate fails by;
    SecurityFault, DecodeFault cms.*.
    """
    pki.trust(now).validate(old.sig, now=now, use=CertificateUse.SIG, roles=frozenset({old.role}))
    package = verify_encapsulated(document, signer=lambda _claim: old.sig, content_type=SIGNED_REQUEST, limit=MAX_OCTETS).content
    request = read_request_package(package)
    if request.common_name != old.common_name:
        raise CertificateRejected("pki.request", f"{old.common_name} asked for {request.common_name}")
    if not _all_octets(request.keys).isdisjoint(_all_octets(certificate.public_key() for certificate in old)):
        raise CertificateRejected("pki.request", "an old key")
    return pki.issuer_of(old.sig).issue_triple(package, old.role, now=now, validity=validity)


def _contact(certificate: x509.Certificate) -> str:
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ""
    return str(names[0].value) if names else ""


def _all_octets(keys: Iterable[object]) -> set[bytes]:
    return {_octets(key) for key in keys}


def _octets(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
