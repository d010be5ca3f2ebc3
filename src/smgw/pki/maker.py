"""Makers of firmware: a trust of its own beside the SM-PKI, because who may write a gateway's program is not who may talk to it.

A maker has a self-signed root, which gateway and administrator hold as their anchor, and below it a certificate that signs packages.
Two levels and no revocation lists: a signing certificate lives short, and an anchor is exchanged on site. This is our choice.
Source: ADM-05; 20-wan-crypto-pki 1.9.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smgw.codec.firmware_package import FirmwareManifest, PackagedFile, PackageHead, PackageReader
from smgw.core.errors import CertificateRejected, ConfigError, DecodeFault, SecurityFault
from smgw.pki.assembly import sign_certificate
from smgw.pki.certificate_profiles import key_usage
from smgw.pki.parsing import PARSE_FAULTS
from smgw.pki.triple import read_certificates
from smgw.security.content import Credential, SignerClaim, sign_detached, verify_detached
from smgw.security.files import write_durably
from smgw.security.module import SecurityModule
from smgw.security.secret_file import create_secret, load_secret
from smgw.security.software import SoftwareModule

ROOT_KEY = "MAKER_ROOT"
SIGNING_KEY = "MAKER_SIG"
CURVE = "brainpoolP256r1"
ROOT_VALIDITY = timedelta(days=15 * 365)
SIGNER_VALIDITY = timedelta(days=3 * 365)
_BACKDATING = timedelta(minutes=5)
CHUNK = 64 << 10

MODULE_FILE = "module.smgwkeys"
SECRET_FILE = "module.secret"  # noqa: S105 - a file name
ANCHOR_FILE = "makers.pem"
SIGNER_FILE = "signer.pem"


def make_root(module: SecurityModule, maker: str, now: datetime) -> x509.Certificate:
    """Make a maker's anchor; its key is made when the module does not hold it yet."""
    return _make(module, ROOT_KEY, _name(maker, "root"), ROOT_KEY, _name(maker, "root"), now, ROOT_VALIDITY)


def make_signer(module: SecurityModule, maker: str, now: datetime) -> x509.Certificate:
    """Make the certificate that signs packages, below the maker's root."""
    return _make(module, SIGNING_KEY, _name(maker, "signing"), ROOT_KEY, _name(maker, "root"), now, SIGNER_VALIDITY)


def _name(maker: str, what: str) -> x509.Name:
    attributes = ((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, maker), (NameOID.COMMON_NAME, f"{maker} firmware {what}"))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _make(
    module: SecurityModule, key_name: str, subject: x509.Name, issuer_key: str, issuer: x509.Name, now: datetime, validity: timedelta
) -> x509.Certificate:
    key = module.public_key(key_name) if key_name in module.names() else module.generate(key_name, CURVE)
    is_root = key_name == issuer_key
    start = now.replace(microsecond=0) - _BACKDATING
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        x509.SubjectKeyIdentifier.from_public_key(module.public_key(issuer_key))
    )
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(int.from_bytes(module.random(20), "big") >> 1 or 1)
    builder = builder.not_valid_before(start).not_valid_after(start + validity)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False).add_extension(authority, False)
    builder = builder.add_extension(key_usage(frozenset({"key_cert_sign"} if is_root else {"digital_signature"})), True)
    builder = builder.add_extension(x509.BasicConstraints(is_root, 0 if is_root else None), True)
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)
    return sign_certificate(builder, module, issuer_key)


def found_maker(folder: Path, name: str, now: datetime) -> None:
    """Make a maker's folder: module with both keys, anchor, signing certificate. Raises: ConfigError firmware.file where there is one."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("firmware.file", f"{folder}: there is something already")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    module = SoftwareModule.create(folder / MODULE_FILE, create_secret(folder / SECRET_FILE), random_secret=True)
    for file, make in ((ANCHOR_FILE, make_root), (SIGNER_FILE, make_signer)):
        write_durably(folder / file, make(module, name, now).public_bytes(Encoding.PEM))


def sign_manifest(folder: Path, manifest: bytes) -> bytes:
    """Sign a manifest as the maker of a folder; gives the detached CMS message. Raises: ConfigError firmware.file."""
    try:
        signer = Credential(read_certificates((folder / SIGNER_FILE).read_bytes())[0], SIGNING_KEY)
        module = SoftwareModule.open(folder / MODULE_FILE, load_secret(folder / SECRET_FILE))
    except OSError as problem:
        raise ConfigError("firmware.file", f"{folder}: {problem.strerror}") from problem
    return sign_detached(manifest, module=module, signer=signer)


def load_makers(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the anchors of a PEM file. Raises: SecurityFault firmware.no_maker where there are none; DecodeFault pki.malformed."""
    try:
        return tuple(read_certificates(path.read_bytes()))
    except FileNotFoundError as problem:
        raise SecurityFault("firmware.no_maker", path.name) from problem
    except OSError as problem:
        raise SecurityFault("firmware.no_maker", f"{path.name}: {problem.strerror}") from problem


def require_maker(signer: x509.Certificate, anchors: Iterable[x509.Certificate], at: datetime) -> x509.Certificate:
    """Demand that a certificate may sign firmware at a time: issued by an anchor for that, and valid. Gives it back.

    Raises: CertificateRejected firmware.signer.
    """
    try:
        anchor = next((one for one in anchors if _issued(signer, one)), None)
        if anchor is None:
            raise CertificateRejected("firmware.signer", "no anchor issued it")
        extensions = signer.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        if constraints.ca or not usage.digital_signature or list(purposes) != [ExtendedKeyUsageOID.CODE_SIGNING]:
            raise CertificateRejected("firmware.signer", "not a certificate that signs firmware")
        root = anchor.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (*PARSE_FAULTS, x509.ExtensionNotFound) as problem:
        raise CertificateRejected("firmware.signer", "not a certificate that signs firmware") from problem
    if not root.ca:
        raise CertificateRejected("firmware.signer", "its issuer is no anchor")
    for certificate in (signer, anchor):
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise CertificateRejected("firmware.signer", "not valid at that time")
    return signer


def _issued(signer: x509.Certificate, anchor: x509.Certificate) -> bool:
    try:
        signer.verify_directly_issued_by(anchor)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def verify_head(head: PackageHead, anchors: Iterable[x509.Certificate], at: datetime) -> FirmwareManifest:
    """Verify a maker's signature over a manifest; gives the manifest.

    Raises: CertificateRejected firmware.signer; SecurityFault, DecodeFault cms.*.
    """
    trusted = tuple(anchors)

    def signer(claim: SignerClaim) -> x509.Certificate:
        if claim.certificate is None:
            raise CertificateRejected("firmware.signer", "no certificate travels along")
        return require_maker(claim.certificate, trusted, at)

    verify_detached(head.signature, head.octets, signer=signer)
    return head.manifest


def verified_package(
    chunks: Iterable[bytes], anchors: Iterable[x509.Certificate], at: datetime
) -> Iterator[FirmwareManifest | PackagedFile]:
    """Give a package's manifest once its signature is verified, then each file; the package is good only when all were given.

    Raises: as `verify_head` and `PackageReader`.
    """
    reader = PackageReader()
    trusted = tuple(anchors)
    for chunk in chunks:
        for event in reader.receive_data(chunk):
            yield verify_head(event, trusted, at) if isinstance(event, PackageHead) else event
    reader.receive_eof()


def chunks_of(path: Path) -> Iterator[bytes]:
    """Read a file piece by piece. Raises: DecodeFault firmware.file."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as problem:
        raise DecodeFault("firmware.file", f"{path.name}: {problem.strerror}") from problem
