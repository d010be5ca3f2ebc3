"""Certification authorities of the test PKI: a root and its sub-CAs, whose keys stay in a security module (German: Zertifizierungsstelle).

An authority is a folder with its books and a key name in a module. Only test names can be issued, whatever a request says.
Source: PKI-01; 20-wan-crypto-pki 5.
"""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import CertificateRejected, ConfigError, DomainFault, UsageError
from smgw.pki.assembly import sign_certificate, sign_revocation_list
from smgw.pki.certificate_profiles import (
    CRL_LIFE,
    CRL_REISSUE,
    KINDS,
    POLICY,
    CertificateProfile,
    Kind,
    Presence,
    key_usage,
    profile_for,
)
from smgw.pki.ledger import IssuedCertificate, Ledger, LedgerTransaction
from smgw.pki.names import (
    CRL_SIGNER_NAME,
    ROOT_NAME,
    TEST_ORGANISATION,
    Role,
    common_name_for,
    common_name_of,
    distinguished_name,
    read_name,
    role_of,
)
from smgw.pki.requests import contact_name, read_authentication_request, read_request_package
from smgw.pki.triple import CertificateTriple
from smgw.security.module import SecurityModule
from smgw.security.policy import curve_name, preferred_curve, require_curve

LEDGER_FILE = "ledger.sqlite3"
DEFAULT_ADDRESS = "http://pki.sm-test.invalid/pki/v1"
"""Web address named in certificates where none is given; `/crl/<name>.crl` follows it."""

BACKDATING = timedelta(minutes=5)
"""Certificates start this much earlier, so that clocks slightly behind accept them."""


class Authority:
    """Issue, revoke and publish in the name of one authority."""

    def __init__(self, folder: Path, module: SecurityModule, ledger: Ledger) -> None:
        self._module = module
        self._ledger = ledger
        self.folder = folder
        with ledger.transaction() as books:
            chain, key, address = books.setting("chain"), books.setting("key"), books.setting("address")
            signer, signer_key = books.setting("crl_signer"), books.setting("crl_signer_key")
        if chain is None or key is None or address is None:
            raise ConfigError("pki.authority", str(folder))
        self._key_name, self.address = key.decode(), address.decode()
        self.chain = tuple(x509.load_pem_x509_certificates(chain))
        """Own certificate first, root last."""
        self.crl_signer = None if signer is None else x509.load_der_x509_certificate(signer)
        """The CRL signer's certificate of a root that has one."""
        self._list_key = self._key_name if signer_key is None else signer_key.decode()
        if module.public_key(self._key_name) != self.certificate.public_key():
            raise ConfigError("pki.authority", "the security module holds another key")

    def __repr__(self) -> str:
        return f"<Authority {self.name}>"

    @classmethod
    def init_root(
        cls, folder: Path, module: SecurityModule, *, now: datetime, address: str = DEFAULT_ADDRESS, crl_signer: bool = False
    ) -> "Authority":
        """Found a root: new key in the module, self-signed certificate, first revocation list.

        With `crl_signer` a second key signs the root's revocation lists.
        Raises: ConfigError pki.authority_exists.
        """
        _require_unsettled(folder)
        profile = profile_for(Role.ROOT)
        key_name, name = "CA_SIG_ROOT", distinguished_name(ROOT_NAME)
        key = _own_key(module, key_name, profile, now)
        builder = _builder(profile, name, name, key, key, now, profile.validity, module)
        certificate = sign_certificate(builder, module, key_name)
        ledger = Ledger(folder / LEDGER_FILE, create=True)
        with ledger.transaction() as books:
            _settle(books, (certificate,), key_name, address)
            books.add_certificate(certificate, ROOT_NAME, Role.ROOT, now)
            if crl_signer:
                signer = _found_crl_signer(certificate, module, key_name, address, now)
                books.put_setting("crl_signer", signer.public_bytes(serialization.Encoding.DER))
                books.put_setting("crl_signer_key", b"CA_SIG_CRL")
                books.add_certificate(signer, CRL_SIGNER_NAME, Role.CRL_SIGNER, now)
        authority = cls(folder, module, ledger)
        authority.crl(now)
        return authority

    @classmethod
    def init_sub(
        cls, folder: Path, module: SecurityModule, parent: "Authority", name: str, *, now: datetime, address: str = DEFAULT_ADDRESS
    ) -> "Authority":
        """Found a sub-CA `<name>.CA` below a root.

        Raises: ConfigError pki.authority_exists; UsageError pki.name.
        """
        _require_unsettled(folder)
        common_name, key_name = common_name_for(Role.SUB_CA, name), f"CA_SIG_{name}"
        key = _own_key(module, key_name, profile_for(Role.SUB_CA), now)
        certificate = parent._issue_authority(common_name, key, Role.SUB_CA, now)
        ledger = Ledger(folder / LEDGER_FILE, create=True)
        with ledger.transaction() as books:
            _settle(books, (certificate, *parent.chain), key_name, address)
        authority = cls(folder, module, ledger)
        authority.crl(now)
        return authority

    @classmethod
    def open(cls, folder: Path, module: SecurityModule) -> "Authority":
        """Open an authority's folder. Raises: ConfigError pki.authority; UsageError module.no_key."""
        return cls(folder, module, Ledger(folder / LEDGER_FILE))

    @property
    def certificate(self) -> x509.Certificate:
        """Give the authority's own certificate."""
        return self.chain[0]

    @property
    def name(self) -> str:
        """Give the authority's common name."""
        return common_name_of(self.certificate)

    @property
    def key_ends(self) -> datetime:
        """Tell until when the authority's key may issue certificates; revocation lists it signs as long as its certificate lasts."""
        days = profile_for(self.role).key_days
        start = self.certificate.not_valid_before_utc
        return self.certificate.not_valid_after_utc if days is None else start + timedelta(days=days)

    @property
    def role(self) -> Role:
        """Tell root and sub-CA apart."""
        return role_of(self.certificate)

    def issue_triple(self, package: bytes, role: Role, *, now: datetime, validity: timedelta | None = None) -> CertificateTriple:
        """Issue TLS, SIG and ENC certificate for a request package; the caller says which role it grants.

        All three or none are issued. Without `validity` the profile's is taken, cut where the authority's own certificate ends.
        Raises: DecodeFault pki.malformed; CertificateRejected pki.request, pki.possession, pki.role, pki.name, pki.curve, pki.hash,
        pki.validity; DomainFault pki.key_period.
        """
        request = read_request_package(package)
        if self.role is not Role.SUB_CA:
            raise UsageError("pki.authority", "triples are issued by a sub-CA")
        if request.role is not role:
            raise CertificateRejected("pki.role", f"{request.common_name} asked for {role}")
        subject = request.tls.subject
        if read_name(subject)[2] != TEST_ORGANISATION:
            raise CertificateRejected("pki.name", "only test names are issued")
        certificates = []
        with self._ledger.transaction() as books:
            for kind, key in zip(KINDS, request.keys, strict=True):
                profile = profile_for(role, kind)
                require_curve(curve_name(key), profile.use, now.year)
                builder = self._builder(profile, subject, key, now, validity)
                if profile.subject_alt_name is not Presence.FORBIDDEN and request.contact:
                    builder = builder.add_extension(x509.SubjectAlternativeName([contact_name(request.contact)]), False)
                elif profile.subject_alt_name is Presence.MANDATORY:
                    raise CertificateRejected("pki.request", "no contact")
                certificate = sign_certificate(builder, self._module, self._key_name)
                books.add_certificate(certificate, request.common_name, kind, now)
                certificates.append(certificate)
        return CertificateTriple(*certificates)

    def issue_authentication(self, request: bytes, *, now: datetime) -> x509.Certificate:
        """Issue an administrator's AUT certificate for a PKCS#10 request; its profile is that of a SIG certificate.

        Raises: DecodeFault pki.malformed; CertificateRejected pki.request, pki.possession, pki.role, pki.name, pki.curve, pki.hash;
        DomainFault pki.key_period.
        """
        asked, common_name, role, contact = read_authentication_request(request)
        if self.role is not Role.SUB_CA:
            raise UsageError("pki.authority", "issued by a sub-CA")
        if role is not Role.GWA:
            raise CertificateRejected("pki.role", f"{common_name} asked for {Role.GWA}")
        if read_name(asked.subject)[2] != TEST_ORGANISATION:
            raise CertificateRejected("pki.name", "only test names are issued")
        key, profile = asked.public_key(), profile_for(role, Kind.SIG)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        require_curve(curve_name(key), profile.use, now.year)
        builder = self._builder(profile, asked.subject, key, now, None)
        builder = builder.add_extension(x509.SubjectAlternativeName([contact_name(contact)]), False)
        with self._ledger.transaction() as books:
            certificate = sign_certificate(builder, self._module, self._key_name)
            books.add_certificate(certificate, common_name, "aut", now)
        return certificate

    def revoke(self, serial: int, reason: x509.ReasonFlags, now: datetime) -> None:
        """Revoke a certificate for good, or suspend it with `certificate_hold`; the next list says so.

        Raises: DomainFault pki.unknown_serial, pki.already_revoked.
        """
        if reason is x509.ReasonFlags.remove_from_crl:
            raise UsageError("pki.not_suspended", "use release")
        with self._ledger.transaction() as books:
            if not books.has_certificate(serial):
                raise DomainFault("pki.unknown_serial", f"{serial:x}")
            if books.revocation_of(serial) not in (None, x509.ReasonFlags.certificate_hold):
                raise DomainFault("pki.already_revoked", f"{serial:x}")
            books.add_revocation(serial, reason, now)

    def release(self, serial: int, now: datetime) -> None:
        """End a suspension. Raises: DomainFault pki.unknown_serial, pki.not_suspended."""
        with self._ledger.transaction() as books:
            if not books.has_certificate(serial):
                raise DomainFault("pki.unknown_serial", f"{serial:x}")
            if books.revocation_of(serial) is not x509.ReasonFlags.certificate_hold:
                raise DomainFault("pki.not_suspended", f"{serial:x}")
            books.add_revocation(serial, x509.ReasonFlags.remove_from_crl, now)

    def crl(self, now: datetime) -> bytes:
        """Give the present revocation list as DER; a new one is made daily, and at once after a revocation."""
        with self._ledger.transaction() as books:
            newest = books.newest_list()
            complete = newest is not None and newest.last_revocation == books.last_revocation()
            if newest is not None and complete and newest.this_update <= now < newest.this_update + CRL_REISSUE:
                return newest.der
            number = 1 if newest is None else newest.number + 1
            life = CRL_LIFE[self.role]
            crl = self._make_list(books, number, now, now + life)
            der = crl.public_bytes(serialization.Encoding.DER)
            books.add_list(number, crl.last_update_utc, now + life, der)
        return der

    def certificates(self, common_name: str | None = None) -> list[IssuedCertificate]:
        """List what was issued, in the order of issue."""
        with self._ledger.transaction() as books:
            return books.certificates(common_name)

    def _make_list(self, books: LedgerTransaction, number: int, now: datetime, until: datetime) -> x509.CertificateRevocationList:
        signer = self.crl_signer or self.certificate
        builder = x509.CertificateRevocationListBuilder().issuer_name(signer.subject).last_update(now).next_update(until)
        builder = builder.add_extension(_authority_key(signer), False).add_extension(x509.CRLNumber(number), False)
        if self.crl_signer is not None:
            point = x509.IssuingDistributionPoint(
                full_name=[x509.UniformResourceIdentifier(_list_address(self.address, self.name))],
                relative_name=None,
                only_contains_user_certs=False,
                only_contains_ca_certs=False,
                only_some_reasons=None,
                indirect_crl=True,
                only_contains_attribute_certs=False,
            )
            builder = builder.add_extension(point, True)
        for revocation in books.revocations():
            entry = x509.RevokedCertificateBuilder().serial_number(revocation.serial).revocation_date(revocation.time)
            if revocation.reason is not x509.ReasonFlags.unspecified:
                entry = entry.add_extension(x509.CRLReason(revocation.reason), False)
            if self.crl_signer is not None:
                entry = entry.add_extension(x509.CertificateIssuer([x509.DirectoryName(self.certificate.subject)]), True)
            builder = builder.add_revoked_certificate(entry.build())
        return sign_revocation_list(builder, self._module, self._list_key)

    def _issue_authority(self, common_name: str, key: ec.EllipticCurvePublicKey, role: Role, now: datetime) -> x509.Certificate:
        if self.role is not Role.ROOT:
            raise UsageError("pki.authority", "sub-CAs are issued by the root")
        with self._ledger.transaction() as books:
            sequence = len(books.certificates(common_name)) + 1
            builder = self._builder(profile_for(role), distinguished_name(common_name, sequence), key, now, None)
            certificate = sign_certificate(builder, self._module, self._key_name)
            books.add_certificate(certificate, common_name, role, now)
        return certificate

    def _builder(
        self, profile: CertificateProfile, subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, validity: timedelta | None
    ) -> x509.CertificateBuilder:
        if not self.certificate.not_valid_before_utc <= now < self.key_ends:
            raise DomainFault("pki.key_period", f"{self.name}: until {self.key_ends:%Y-%m-%d}")
        longest = min(profile.validity, self.certificate.not_valid_after_utc - now + BACKDATING)
        if validity is not None and validity > longest:
            raise CertificateRejected("pki.validity", f"{validity.days} days, at most {longest.days}")
        own = self.certificate.public_key()
        assert isinstance(own, ec.EllipticCurvePublicKey)
        builder = _builder(profile, subject, self.certificate.subject, key, own, now, validity or longest, self._module)
        return _with_addresses(builder, self.address, self.certificate, None if self.crl_signer is None else self.crl_signer.subject)


def _found_crl_signer(root: x509.Certificate, module: SecurityModule, root_key: str, address: str, now: datetime) -> x509.Certificate:
    profile = profile_for(Role.CRL_SIGNER)
    key = _own_key(module, "CA_SIG_CRL", profile, now)
    own = root.public_key()
    assert isinstance(own, ec.EllipticCurvePublicKey)
    name = distinguished_name(CRL_SIGNER_NAME)
    builder = _builder(profile, name, root.subject, key, own, now, profile.validity, module)
    return sign_certificate(_with_addresses(builder, address, root, name), module, root_key)


def _require_unsettled(folder: Path) -> None:
    if (folder / LEDGER_FILE).exists():
        raise ConfigError("pki.authority_exists", str(folder))


def _own_key(module: SecurityModule, name: str, profile: CertificateProfile, now: datetime) -> ec.EllipticCurvePublicKey:
    """Make an authority's key, or take the one that a founding which broke off has left."""
    return module.public_key(name) if name in module.names() else module.generate(name, preferred_curve(profile.use, now.year))


def _settle(books: LedgerTransaction, chain: tuple[x509.Certificate, ...], key_name: str, address: str) -> None:
    books.put_setting("chain", b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    books.put_setting("key", key_name.encode())
    books.put_setting("address", address.rstrip("/").encode())


def _builder(
    profile: CertificateProfile,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
    validity: timedelta,
    module: SecurityModule,
) -> x509.CertificateBuilder:
    start = now.replace(microsecond=0) - BACKDATING
    serial = int.from_bytes(module.random(20), "big") >> 1
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(serial or 1)
    builder = builder.not_valid_before(start).not_valid_after(start + validity)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    builder = builder.add_extension(key_usage(profile.key_usage), True)
    builder = builder.add_extension(x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), False)
    builder = builder.add_extension(x509.BasicConstraints(profile.is_authority, profile.path_length), True)
    if profile.extended_usage:
        usages = sorted(profile.extended_usage, key=lambda oid: oid.dotted_string)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), True)
    if profile.key_days is not None:
        builder = builder.add_extension(x509.PrivateKeyUsagePeriod(start, start + timedelta(days=profile.key_days)), False)
    return builder


def _with_addresses(
    builder: x509.CertificateBuilder, address: str, issuer: x509.Certificate, crl_signer: x509.Name | None
) -> x509.CertificateBuilder:
    where = x509.UniformResourceIdentifier(_list_address(address, common_name_of(issuer)))
    lists_of = None if crl_signer is None else [x509.DirectoryName(crl_signer)]
    point = x509.DistributionPoint([where], None, None, lists_of)
    builder = builder.add_extension(x509.CRLDistributionPoints([point]), False)
    return builder.add_extension(x509.IssuerAlternativeName([x509.UniformResourceIdentifier(address)]), False)


def _list_address(address: str, name: str) -> str:
    return f"{address}/crl/{name}.crl"


def _authority_key(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
