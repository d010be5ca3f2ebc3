"""Check an exported journal file offline: the gateway's signature over the file, its certificate's path, and every proof inside.

Nothing of the gateway is needed but its SIG certificate, and a trust folder with root, sub-CAs and revocation lists.
Source: LOG-02, CON-06; PKI-02.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509

from smgw.codec.trudi_xml import MAX_BYTES, read_device_file
from smgw.core.errors import ConfigError, LimitFault, SecurityFault
from smgw.core.identifiers import DeviceId
from smgw.core.instant import parse_time
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role, device_id_of
from smgw.pki.trust import TrustStore
from smgw.security.content import SignerClaim, key_identifier, verify_detached_chunks
from smgw.security.octet_signature import elliptic_keys, statement_check, verify_octets
from smgw.storage.journal_export import FORMAT, CheckReading, ExportReport, bounded_lines, verify_signed_export
from smgw.transparency.readout import usage_point_of
from smgw.transparency.signatures import SignatureCount, count_signatures

CHUNK = 1 << 16
_HEAD_OCTETS = 4096


class Evidence(NamedTuple):
    """Hold what a file is checked with."""

    certificates: tuple[x509.Certificate, ...]
    """SIG certificates of the gateway: that of the file's signature, and those before it whose seals and readings the file holds."""
    trust: TrustStore
    at: datetime | None = None
    """When the certificates must be valid; None for the time that the export says, or `now`."""


class Verdict(NamedTuple):
    """Say what was found genuine."""

    gateway: DeviceId
    signer: x509.Certificate
    at: datetime
    form: str
    """`journal`, `trudi`, or `other` for a file that carries no proofs of its own: the signature over it stands for its content."""
    journal: ExportReport | None = None
    readings: SignatureCount | None = None


def check_file(path: Path, message: bytes, evidence: Evidence, now: datetime) -> Verdict:
    """Check an export and the signature beside it.

    Raises: ConfigError export.file; DecodeFault, SecurityFault cms.*; CertificateRejected pki.*; SecurityFault export.signature,
    journal.signature; IntegrityFault journal.chain, journal.unsealed; DecodeFault journal.export, trudi.*.
    """
    try:
        return _check(path, message, evidence, now)
    except OSError as problem:
        raise ConfigError("export.file", f"{path}: {problem.strerror}") from problem


def _check(path: Path, message: bytes, evidence: Evidence, now: datetime) -> Verdict:
    signer = verify_detached_chunks(message, lambda: _chunks(path), signer=lambda claim: _claimed(evidence.certificates, claim))
    gateway = device_id_of(signer)
    head = _head_of(path)
    form = "journal" if FORMAT.encode() in head else "trudi" if head.lstrip().startswith(b"<?xml") else "other"
    at = evidence.at or _stated_time(path, form) or now
    for certificate in evidence.certificates:
        _require_path(evidence.trust, certificate, at, is_signer=certificate == signer)
        if device_id_of(certificate) != gateway:
            raise SecurityFault("export.signature", "certificates of different gateways")
    if form == "journal":
        return Verdict(gateway, signer, at, form, _check_journal(path, evidence.certificates, gateway))
    if form == "trudi":
        return Verdict(gateway, signer, at, form, readings=_check_device_file(path, gateway))
    return Verdict(gateway, signer, at, form)


def _require_path(trust: TrustStore, certificate: x509.Certificate, at: datetime, *, is_signer: bool) -> None:
    """Check a path to the root: for the file's signer now and with revocation lists, for an older certificate at the end of its time."""
    moment = at if is_signer else min(at, certificate.not_valid_after_utc - timedelta(seconds=1))
    pinned = None if is_signer else certificate
    trust.validate(certificate, now=moment, use=CertificateUse.SIG, roles=frozenset({Role.SMGW}), pinned=pinned)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _claimed(certificates: Sequence[x509.Certificate], claim: SignerClaim) -> x509.Certificate:
    for certificate in certificates:
        if claim.key_id == key_identifier(certificate):
            return certificate
    raise SecurityFault("export.signature", "signed by another certificate than those given")


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_OCTETS)


class _Stated(msgspec.Struct):
    time: str = ""


def _stated_time(path: Path, form: str) -> datetime | None:
    """Read when a file says it was exported; only after the signature over it was verified."""
    if form != "journal":
        return None
    with path.open("rb") as file:
        first = next(bounded_lines(file.readline), b"")
    try:
        stated = msgspec.json.decode(first, type=_Stated).time
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return parse_time(stated) if stated else None


def _check_journal(path: Path, certificates: Sequence[x509.Certificate], gateway: DeviceId) -> ExportReport:
    check = statement_check(certificates, "journal.signature")
    with path.open("rb") as file:
        report = verify_signed_export(bounded_lines(file.readline), check, _reading_check(certificates))
    if report.head.gateway != str(gateway):
        raise SecurityFault("export.signature", f"an export of {report.head.gateway[:20]}")
    return report


def _reading_check(certificates: Sequence[x509.Certificate]) -> CheckReading:
    keys = elliptic_keys(certificates)

    def check(record: bytes, signature: bytes) -> None:
        for key in keys[:-1]:
            try:
                verify_octets(record, signature, key, "journal.signature")
            except SecurityFault:
                continue
            return
        verify_octets(record, signature, keys[-1], "journal.signature", "reading")

    return check


def _check_device_file(path: Path, gateway: DeviceId) -> SignatureCount:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LimitFault("trudi.size", f"{len(data)} octets")
    point = usage_point_of(read_device_file(data))
    if point.smgw is None or point.smgw.gateway_id.casefold() != str(gateway).casefold():
        raise SecurityFault("export.signature", "a device file of another gateway")
    count = count_signatures(point)
    if count.refused or count.unreadable:
        raise SecurityFault("journal.signature", f"{count.refused + count.unreadable} readings")
    return count
