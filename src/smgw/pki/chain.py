"""The path check of the SM-PKI: root, sub-CA, end entity, on brainpool curves, with revocation or pinning, never without either.

The general-purpose validators refuse brainpool keys or do not look at revocation lists; this one knows the profiles of the SM-PKI and
nothing else. `validate` returns what it validated or raises; there is no third way.
Source: PKI-02; 20-wan-crypto-pki 5.1 to 5.8, 1.1 (pinning); RFC 5280 6.
"""

import functools
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from smgw.core.errors import CertificateRejected, SecurityFault
from smgw.core.identifiers import DeviceId
from smgw.pki.certificate_profiles import POLICY, CertificateProfile, Kind, Presence, profile_for
from smgw.pki.crl import CLOCK_TOLERANCE, RevocationList, Standing
from smgw.pki.facts import CertificateFacts, read_facts
from smgw.pki.names import END_ENTITY_ROLES, Role, device_id_of_common_name
from smgw.pki.parsing import PARSE_FAULTS
from smgw.security.policy import require_curve, require_signature_hash

MAX_INTERMEDIATES = 64
"""Candidate authorities that are looked at in one check."""

MAX_PATH = 4
"""Certificates that are put together before a path counts as too long; the SM-PKI's own paths have three."""

_AUTHORITIES = (Role.SUB_CA, Role.ROOT)
"""Roles of the authorities above an end entity, from below."""


class CertificateUse(StrEnum):
    """Name what the end entity's certificate is asked to do."""

    TLS_CLIENT = "tls-client"
    TLS_SERVER = "tls-server"
    SIG = "sig"
    """Check signatures on content."""
    ENC = "enc"
    """Encrypt content to its holder."""


_USES: dict[CertificateUse, tuple[Kind, x509.ObjectIdentifier | None]] = {
    CertificateUse.TLS_CLIENT: (Kind.TLS, ExtendedKeyUsageOID.CLIENT_AUTH),
    CertificateUse.TLS_SERVER: (Kind.TLS, ExtendedKeyUsageOID.SERVER_AUTH),
    CertificateUse.SIG: (Kind.SIG, None),
    CertificateUse.ENC: (Kind.ENC, None),
}


class ByRevocationLists(msgspec.Struct, frozen=True, eq=False):
    """Judge standing by a current revocation list of each issuer in the path: what administrators and participants do.

    `signers` are CRL signers whose lists may speak for the root that issued them.
    """

    lists: tuple[RevocationList, ...]
    signers: tuple[CertificateFacts, ...] = ()


class ByPinning(msgspec.Struct, frozen=True, eq=False):
    """Judge standing by the certificates that the administrator configured: what a gateway does, which reads no revocation lists.

    `fingerprints` are SHA-256 over the DER of the only certificates that may stand at the end of the path.
    """

    fingerprints: frozenset[bytes]

    @classmethod
    def of(cls, *certificates: x509.Certificate) -> "ByPinning":
        """Pin certificates."""
        return cls(frozenset(certificate.fingerprint(hashes.SHA256()) for certificate in certificates))


Standings = ByRevocationLists | ByPinning


class ValidatedCertificate(msgspec.Struct, frozen=True, eq=False):
    """Hold a certificate that passed the path check, for the use and roles it was asked for."""

    certificate: x509.Certificate
    path: tuple[x509.Certificate, ...]
    """From the end entity to the root."""
    common_name: str
    role: Role
    use: CertificateUse
    valid_from: datetime
    """Latest start and earliest end of everything the result rests on; outside, it has to be checked again."""
    valid_until: datetime
    fingerprint: bytes

    @property
    def device_id(self) -> DeviceId:
        """Give the device id of a gateway. Raises: CertificateRejected pki.role for other roles."""
        return device_id_of_common_name(self.common_name, self.role)


def validate(
    end_entity: x509.Certificate,
    *,
    intermediates: Iterable[x509.Certificate],
    anchors: Iterable[x509.Certificate],
    standings: Standings,
    now: datetime,
    use: CertificateUse,
    roles: frozenset[Role],
) -> ValidatedCertificate:
    """Check an end entity's certificate for a use, at a time, for a set of roles.

    Raises: CertificateRejected with the reason as code; see the rows `pki.…` of the error catalogue.
    """
    subs = [read_facts(one) for one in tuple(intermediates)[:MAX_INTERMEDIATES]]
    path = build_path(read_facts(end_entity), subs, [read_facts(one) for one in anchors])
    return judge(path, standings=standings, now=now, use=use, roles=roles)


def build_path(
    end_entity: CertificateFacts, intermediates: Sequence[CertificateFacts], anchors: Sequence[CertificateFacts]
) -> tuple[CertificateFacts, ...]:
    """Find the path from an end entity to an anchor; check each signature and each authority's profile.

    Issuers are told by name and key identifier.
    Raises: CertificateRejected pki.unknown_issuer, pki.not_ca, pki.signature, pki.hash, pki.path_length, pki.role, pki.name and those of
    `require_profile`.
    """
    trusted = {anchor.fingerprint for anchor in anchors}
    path = [end_entity]
    while len(path) == 1 or path[-1].fingerprint not in trusted:
        if len(path) > MAX_PATH:
            raise CertificateRejected("pki.path_length", end_entity.common_name)
        path.append(_issuer_of(path[-1], (*anchors, *intermediates)))
    for below, authority in enumerate(path[1:]):
        if authority.constraint is not None and authority.constraint.path_length is not None and authority.constraint.path_length < below:
            raise CertificateRejected("pki.path_length", authority.common_name)
    if tuple(authority.role for authority in path[1:]) != _AUTHORITIES:
        raise CertificateRejected("pki.role", " below ".join(facts.common_name for facts in path))
    if len({facts.organisation for facts in path}) != 1:
        raise CertificateRejected("pki.name", "organisations differ along the path")
    for authority in path[1:]:
        require_profile(authority, profile_for(authority.role))
    return tuple(path)


def judge(
    path: Sequence[CertificateFacts], *, standings: Standings, now: datetime, use: CertificateUse, roles: frozenset[Role]
) -> ValidatedCertificate:
    """Check a path from `build_path`: time, profile and use, role, standing. Raises: CertificateRejected."""
    first = path[0]
    for facts in path:
        require_time(facts, now)
    if first.role not in END_ENTITY_ROLES or first.role not in roles:
        raise CertificateRejected("pki.role", first.common_name)
    kind, purpose = _USES[use]
    require_profile(first, profile_for(first.role, kind))
    if purpose is not None and purpose not in (first.extended_usage or ()):
        raise CertificateRejected("pki.usage", use)
    start, end = max(facts.not_before for facts in path), min(facts.not_after for facts in path)
    if isinstance(standings, ByPinning):
        if not any(hmac.compare_digest(first.fingerprint, pinned) for pinned in standings.fingerprints):
            raise CertificateRejected("pki.not_pinned", first.common_name)
    else:
        for facts, issuer in pairwise(path):
            known_from, known_until = require_standing(facts, issuer, standings, now)
            start, end = max(start, known_from), min(end, known_until)
    certificates = tuple(facts.certificate for facts in path)
    return ValidatedCertificate(first.certificate, certificates, first.common_name, first.role, use, start, end, first.fingerprint)


def require_profile(facts: CertificateFacts, profile: CertificateProfile) -> None:
    """Demand that a certificate is what its profile says.

    Raises: CertificateRejected pki.extension, pki.not_ca, pki.usage, pki.policy, pki.curve, pki.validity.
    """
    _require_constraint(facts, profile)
    if not facts.key_usage_critical or facts.subject_key is None or (facts.authority_key is None and facts.role is not Role.ROOT):
        raise CertificateRejected("pki.extension", "key usage or key identifiers")
    if not profile.key_usage <= facts.key_usage <= profile.key_usage | profile.tolerated_usage:
        raise CertificateRejected("pki.usage", ", ".join(sorted(facts.key_usage)))
    extended = facts.extended_usage
    if (extended is None) != (not profile.extended_usage) or not (extended or frozenset()) <= profile.extended_usage:
        raise CertificateRejected("pki.usage", "extended key usage")
    if POLICY not in facts.policies:
        raise CertificateRejected("pki.policy", facts.common_name)
    for oid, presence in (
        (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, profile.subject_alt_name),
        (ExtensionOID.ISSUER_ALTERNATIVE_NAME, profile.issuer_alt_name),
        (ExtensionOID.CRL_DISTRIBUTION_POINTS, profile.distribution_points),
        (ExtensionOID.PRIVATE_KEY_USAGE_PERIOD, Presence.OPTIONAL if profile.key_days else Presence.FORBIDDEN),
    ):
        if presence is not Presence.OPTIONAL and (oid in facts.extensions) != (presence is Presence.MANDATORY):
            raise CertificateRejected("pki.extension", f"{oid.dotted_string} is {presence}")
    if facts.not_after - facts.not_before > profile.validity:
        raise CertificateRejected("pki.validity", facts.common_name)
    try:
        require_curve(facts.curve, profile.use, facts.not_before.year)
    except SecurityFault as problem:
        raise CertificateRejected(problem.code, problem.detail) from problem


def _require_constraint(facts: CertificateFacts, profile: CertificateProfile) -> None:
    constraint = facts.constraint
    if constraint is None or not constraint.critical:
        raise CertificateRejected("pki.extension", "basic constraints")
    if profile.is_authority and not constraint.is_authority:
        raise CertificateRejected("pki.not_ca", facts.common_name)
    if constraint.is_authority and not profile.is_authority:
        raise CertificateRejected("pki.usage", "an authority's certificate used as an end entity's")
    if profile.is_authority and constraint.path_length != profile.path_length:
        raise CertificateRejected("pki.path_length", facts.common_name)


def require_time(facts: CertificateFacts, now: datetime) -> None:
    """Demand that a certificate is in its time. Raises: CertificateRejected pki.not_yet_valid, pki.expired."""
    if now < facts.not_before:
        raise CertificateRejected("pki.not_yet_valid", facts.common_name)
    if now > facts.not_after:
        raise CertificateRejected("pki.expired", facts.common_name)


def _issuer_of(child: CertificateFacts, candidates: Iterable[CertificateFacts]) -> CertificateFacts:
    """Find the issuer that signed a certificate; with several of the same name and key, the first one that fits."""
    problem = CertificateRejected("pki.unknown_issuer", child.common_name)
    for candidate in candidates:
        if candidate.subject == child.issuer and candidate.subject_key is not None and candidate.subject_key == child.authority_key:
            try:
                require_issued_by(child, candidate)
            except CertificateRejected as reason:
                problem = reason
            else:
                return candidate
    raise problem


def require_issued_by(child: CertificateFacts, issuer: CertificateFacts) -> None:
    """Demand that an authority signed a certificate. Raises: CertificateRejected pki.not_ca, pki.hash, pki.curve, pki.signature."""
    if issuer.constraint is None or not issuer.constraint.is_authority or "key_cert_sign" not in issuer.key_usage:
        raise CertificateRejected("pki.not_ca", issuer.common_name)
    if child.role in END_ENTITY_ROLES:
        _verify_issued_by(child, issuer)
    else:
        _verify_authority_issued_by(child, issuer)


@functools.lru_cache(maxsize=64)
def _verify_authority_issued_by(child: CertificateFacts, issuer: CertificateFacts) -> None:
    _verify_issued_by(child, issuer)


def _verify_issued_by(child: CertificateFacts, issuer: CertificateFacts) -> None:
    try:
        require_signature_hash(child.signature_hash, issuer.public_key)
        child.certificate.verify_directly_issued_by(issuer.certificate)
    except SecurityFault as problem:
        raise CertificateRejected(problem.code, child.common_name) from problem
    except (InvalidSignature, *PARSE_FAULTS) as problem:
        raise CertificateRejected("pki.signature", child.common_name) from problem


def require_standing(
    facts: CertificateFacts, issuer: CertificateFacts, standings: ByRevocationLists, now: datetime
) -> tuple[datetime, datetime]:
    """Demand good standing by the newest list of the issuer; returns from when until when that list tells so.

    Raises: CertificateRejected pki.crl_missing, pki.crl_stale, pki.suspended, pki.revoked and those of the list's signer.
    """
    appointed = [one for one in standings.signers if one.issuer == issuer.subject and one.role is Role.CRL_SIGNER]
    signers = (issuer, *appointed)
    known = [(one, signer) for one in standings.lists for signer in signers if _is_list_of(one, signer, issuer)]
    if not known:
        raise CertificateRejected("pki.crl_missing", issuer.common_name)
    newest, signer = max(known, key=lambda pair: (pair[0].this_update, pair[0].number))
    if signer is not issuer:
        require_issued_by(signer, issuer)
        require_profile(signer, profile_for(Role.CRL_SIGNER))
        require_time(signer, now)
    _verify_list(newest, signer)
    standing = newest.standing(issuer.subject, facts.serial)
    if standing is not Standing.GOOD:
        raise CertificateRejected("pki.suspended" if standing is Standing.SUSPENDED else "pki.revoked", facts.common_name)
    newest.require_current(now)
    return newest.this_update - CLOCK_TOLERANCE, min(newest.next_update, signer.not_after)


def _is_list_of(one: RevocationList, signer: CertificateFacts, issuer: CertificateFacts) -> bool:
    return one.issuer == signer.subject and one.authority_key == signer.subject_key and one.indirect == (signer is not issuer)


@functools.lru_cache(maxsize=16)
def _verify_list(one: RevocationList, signer: CertificateFacts) -> None:
    if "crl_sign" not in signer.key_usage:
        raise CertificateRejected("pki.usage", signer.common_name)
    one.require_signed_by(signer.public_key)
