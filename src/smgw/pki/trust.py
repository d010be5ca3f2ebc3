"""The trust store: roots, sub-CAs and revocation lists of one party, and the memory of paths already checked.

The folder holds `anchors/`, `intermediates/` and `crls/` with DER or PEM files.
Source: PKI-02; 20-wan-crypto-pki 5.8.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from smgw.core.errors import CertificateRejected, ConfigError, DecodeFault
from smgw.pki.certificate_profiles import profile_for
from smgw.pki.chain import (
    ByPinning,
    ByRevocationLists,
    CertificateUse,
    ValidatedCertificate,
    build_path,
    judge,
    require_issued_by,
    require_profile,
    require_standing,
    require_time,
)
from smgw.pki.crl import CLOCK_TOLERANCE, MAX_REVOCATION_LIST, RevocationList, read_revocation_list
from smgw.pki.facts import CertificateFacts, read_facts
from smgw.pki.names import Role
from smgw.pki.triple import MAX_BUNDLE, read_certificates
from smgw.security.files import write_durably

MAX_CACHED_PATHS = 8192
MAX_FILES = 64

T = TypeVar("T")

_Key = tuple[bytes, CertificateUse, frozenset[Role], bytes | None]


class TrustStore:
    """Hold whom one party trusts, and judge certificates by it."""

    def __init__(
        self,
        anchors: Iterable[x509.Certificate],
        intermediates: Iterable[x509.Certificate] = (),
        crls: Iterable[RevocationList] = (),
    ) -> None:
        """Check and take roots, sub-CAs (and CRL signers) and revocation lists; the order does not matter.

        Raises: CertificateRejected pki.role, pki.signature, pki.unknown_issuer, … for one that does not belong.
        """
        self._anchors = tuple(_root(certificate) for certificate in anchors)
        self._authorities = tuple(self._authority(certificate) for certificate in intermediates)
        self._lists: dict[tuple[bytes, bytes], RevocationList] = {}
        self._paths: OrderedDict[_Key, ValidatedCertificate] = OrderedDict()
        for crl in crls:
            self._hold(crl)

    def _hold(self, crl: RevocationList) -> None:
        self.require_signer(crl)
        held = self._lists.get((crl.issuer, crl.authority_key))
        if held is None or held.number < crl.number:
            self._lists[crl.issuer, crl.authority_key] = crl

    @classmethod
    def load(cls, folder: Path, links: Iterable[x509.Certificate] = (), more_lists: Iterable[RevocationList] = ()) -> "TrustStore":
        """Load a trust folder.

        `links` are authorities from elsewhere that serve, too, as far as the folder's roots certify them; so do `more_lists`.
        Raises: ConfigError pki.trust_folder; CertificateRejected, DecodeFault for what lies in it.
        """
        anchors = [one for held in _read_each(folder / "anchors", MAX_BUNDLE, read_certificates) for one in held]
        intermediates = [one for held in _read_each(folder / "intermediates", MAX_BUNDLE, read_certificates) for one in held]
        lists = _read_each(folder / "crls", MAX_REVOCATION_LIST, read_revocation_list)
        if not anchors:
            raise ConfigError("pki.trust_folder", f"{folder}: no anchor")
        store = cls(anchors, intermediates)
        store._take(links, ())
        for crl in lists:
            store._hold(crl)
        store._take((), more_lists)
        return store

    @classmethod
    def around(
        cls, anchors: Iterable[x509.Certificate], links: Iterable[x509.Certificate], lists: Iterable[RevocationList]
    ) -> "TrustStore":
        """Make a store of roots; authorities and revocation lists serve as far as the roots certify them. Raises: CertificateRejected."""
        store = cls(anchors)
        store._take(links, lists)
        return store

    def _take(self, links: Iterable[x509.Certificate], lists: Iterable[RevocationList]) -> None:
        for one in links:
            with suppress(CertificateRejected):
                facts = self._authority(one)
                if facts.fingerprint not in {held.fingerprint for held in self._authorities}:
                    self._authorities = (*self._authorities, facts)
        for crl in lists:
            with suppress(CertificateRejected):
                self._hold(crl)

    def save(self, folder: Path) -> None:
        """Write the store as a trust folder; each file is replaced as a whole."""
        for name, held in (("anchors", self._anchors), ("intermediates", self._authorities)):
            for facts in held:
                path = folder / name / f"{facts.common_name}-{facts.fingerprint[:4].hex()}.pem"
                write_durably(path, facts.certificate.public_bytes(serialization.Encoding.PEM))
        for crl in self._lists.values():
            write_durably(folder / "crls" / f"{crl.authority_key.hex()}.crl", crl.crl.public_bytes(serialization.Encoding.DER))

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """Give the roots."""
        return tuple(facts.certificate for facts in self._anchors)

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """Give the sub-CAs and CRL signers."""
        return tuple(facts.certificate for facts in self._authorities)

    @property
    def revocation_lists(self) -> tuple[RevocationList, ...]:
        """Give the newest revocation list of each issuer."""
        return tuple(self._lists.values())

    def update_crl(self, data: bytes, now: datetime) -> RevocationList:
        """Take a newer revocation list of a trusted issuer; from now on it alone counts, and every path is checked anew.

        Raises: DecodeFault pki.malformed; CertificateRejected pki.unknown_issuer, pki.signature, pki.crl_older, pki.crl_stale.
        """
        crl = read_revocation_list(data)
        self.require_signer(crl)
        crl.require_current(now)
        held = self._lists.get((crl.issuer, crl.authority_key))
        if held is not None and (crl.number <= held.number or crl.this_update + CLOCK_TOLERANCE < held.this_update):
            raise CertificateRejected("pki.crl_older", f"number {crl.number}, held {held.number}")
        self._lists[crl.issuer, crl.authority_key] = crl
        self._paths.clear()
        return crl

    def require_signer(self, crl: RevocationList) -> None:
        """Demand that a trusted authority or CRL signer signed a revocation list.

        Raises: CertificateRejected pki.unknown_issuer, pki.signature, pki.hash.
        """
        for facts in (*self._anchors, *self._authorities):
            if facts.subject == crl.issuer and facts.subject_key == crl.authority_key:
                crl.require_signed_by(facts.public_key)
                return
        raise CertificateRejected("pki.unknown_issuer", f"revocation list {crl.number}")

    def validate(
        self,
        end_entity: x509.Certificate,
        *,
        now: datetime,
        use: CertificateUse,
        roles: frozenset[Role],
        pinned: x509.Certificate | None = None,
    ) -> ValidatedCertificate:
        """Check a certificate for a use, at a time, for a set of roles.

        With `pinned` the certificate must be that one and standing is the administrator's affair (a gateway's rule); without it a current
        revocation list of each issuer is needed. Results are remembered until anything they rest on ends.
        Raises: CertificateRejected with the reason as code.
        """
        pin = None if pinned is None else pinned.fingerprint(hashes.SHA256())
        key = (end_entity.fingerprint(hashes.SHA256()), use, roles, pin)
        known = self._paths.get(key)
        if known is not None and known.valid_from <= now < known.valid_until:
            self._paths.move_to_end(key)
            return known
        path = build_path(read_facts(end_entity), self._authorities, self._anchors)
        signers = tuple(facts for facts in self._authorities if facts.role is Role.CRL_SIGNER)
        standings = ByRevocationLists(self.revocation_lists, signers) if pin is None else ByPinning(frozenset({pin}))
        result = judge(path, standings=standings, now=now, use=use, roles=roles)
        self._paths[key] = result
        if len(self._paths) > MAX_CACHED_PATHS:
            self._paths.popitem(last=False)
        return result

    def validate_authority(self, certificate: x509.Certificate, *, now: datetime) -> tuple[x509.Certificate, ...]:
        """Check an authority: a root of this store, or certified by one; in its time, and on no list. Gives its path.

        Raises: CertificateRejected with the reason as code.
        """
        facts = read_facts(certificate)
        require_time(facts, now)
        if facts.role is Role.ROOT and facts.fingerprint not in {anchor.fingerprint for anchor in self._anchors}:
            raise CertificateRejected("pki.unknown_issuer", f"{facts.common_name} is no root that is trusted")
        if facts.fingerprint in {anchor.fingerprint for anchor in self._anchors}:
            return (certificate,)
        self._authority(certificate)
        issuer = next(root for root in self._anchors if root.subject == facts.issuer and root.subject_key == facts.authority_key)
        require_time(issuer, now)
        signers = tuple(one for one in self._authorities if one.role is Role.CRL_SIGNER)
        require_standing(facts, issuer, ByRevocationLists(self.revocation_lists, signers), now)
        return certificate, issuer.certificate

    def _authority(self, certificate: x509.Certificate) -> CertificateFacts:
        facts = read_facts(certificate)
        if facts.role not in (Role.SUB_CA, Role.CRL_SIGNER):
            raise CertificateRejected("pki.role", facts.common_name)
        issuers = [root for root in self._anchors if root.subject == facts.issuer and root.subject_key == facts.authority_key]
        if not issuers:
            raise CertificateRejected("pki.unknown_issuer", facts.common_name)
        require_issued_by(facts, issuers[0])
        require_profile(facts, profile_for(facts.role))
        return facts


def _root(certificate: x509.Certificate) -> CertificateFacts:
    facts = read_facts(certificate)
    if facts.role is not Role.ROOT:
        raise CertificateRejected("pki.role", facts.common_name)
    require_issued_by(facts, facts)
    require_profile(facts, profile_for(Role.ROOT))
    return facts


def _read_each(folder: Path, limit: int, reader: Callable[[bytes], T]) -> list[T]:
    """Read every file of a folder; what is wrong with one is told with its name."""
    found = []
    for path, data in _files(folder, limit):
        try:
            found.append(reader(data))
        except (DecodeFault, CertificateRejected) as problem:
            raise type(problem)(problem.code, f"{path}: {problem.detail}") from problem
    return found


def _files(folder: Path, limit: int) -> list[tuple[Path, bytes]]:
    if not folder.exists():
        return []
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".pem", ".der", ".crt", ".cer", ".crl"))
    if len(paths) > MAX_FILES:
        raise ConfigError("pki.trust_folder", f"{folder}: {len(paths)} files")
    found = []
    for path in paths:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise ConfigError("pki.trust_folder", f"{path}: too large")
        found.append((path, data))
    return found
