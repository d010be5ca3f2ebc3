"""`smgw journal export` and `verify --export`: signed files of a journal, made here and checked anywhere."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.core.errors import ConfigError, Unavailable
from smgw.gateway.config import GatewayFolder
from smgw.gateway.exports import (
    DeviceFacts,
    ExportFormat,
    ExportRequest,
    check_request,
    export_parts,
    export_time,
    file_certificates,
)
from smgw.gateway.journal_signature import journal_signer
from smgw.gateway.logs import Recorder
from smgw.net.clock import SystemClock
from smgw.net.identity import TRIPLE_FILE, Identity, load_identity, open_module
from smgw.pki.certificate_profiles import Kind
from smgw.pki.triple import GATEWAY_KEYS, kind_of, read_certificates
from smgw.pki.trust import TrustStore
from smgw.security.content import sign_detached_chunks
from smgw.security.files import write_durably
from smgw.security.module_folder import has_module
from smgw.storage.journal import Journal
from smgw.transparency.journal_file import CHUNK, Evidence, Verdict, check_file

MESSAGE_LIMIT = 1 << 20
"""Octets of a signature file that are read at most."""


class Opened(NamedTuple):
    """Hold a gateway's journal, opened for an export."""

    journal: Journal
    identity: Identity | None
    """None for a gateway without certificates: nothing it exports is signed."""
    writable: bool


@contextmanager
def opened_for_export(folder: GatewayFolder) -> Iterator[Opened]:
    """Open a journal to write, so that the export is noted in it, or only to read where a gateway is running.

    Raises: ConfigError gateway.not_initialised, journal.missing; faults of module and journal.
    """
    if not has_module(folder.path):
        raise ConfigError("gateway.not_initialised", str(folder.path))
    identity = load_identity(folder.path, GATEWAY_KEYS) if (folder.path / TRIPLE_FILE).is_file() else None
    module = open_module(folder.path) if identity is None else identity.module
    key = module.storage_key("journal")
    if not folder.journal.is_file():
        raise ConfigError("journal.missing", str(folder.journal))
    journal = None
    with suppress(Unavailable):
        journal = Journal.open(folder.journal, key)
    writable = journal is not None
    with journal or Journal.open_read_only(folder.journal, key) as found:
        if identity is not None:
            found.seal_by(journal_signer(identity.module, identity.signer.key_name), SystemClock())
        yield Opened(found, identity, writable)


def exported(opened: Opened, folder: GatewayFolder, form: ExportFormat, request: ExportRequest) -> Iterator[bytes]:
    """Give the parts of an export; a journal that may be written notes it, and seals the chains that it holds."""
    check_request(form, request)
    journal, identity = opened.journal, opened.identity
    about = request.about._replace(time=export_time(journal, datetime.now(UTC)))
    if opened.writable:
        what = ", ".join(request.chains)
        consumers = [about.consumer] if about.consumer else []
        Recorder(journal, SystemClock()).record("data_exported", consumers=consumers, subject="export", what=what, form=form.value)
    if identity is not None and opened.writable and form is ExportFormat.JSON:
        journal.seal(request.chains, about.consumer)
    seal_here = identity is not None and not opened.writable and form is ExportFormat.JSON
    return export_parts(journal, form, request._replace(about=about), _facts(identity, folder), seal_here=seal_here)


def _facts(identity: Identity | None, folder: GatewayFolder) -> DeviceFacts:
    if identity is None:
        return DeviceFacts(version("smgw"), ())
    han = folder.path / "han.pem"
    shown = x509.load_pem_x509_certificate(han.read_bytes()).public_bytes(Encoding.DER) if han.is_file() else None
    signature, issuer = (certificate.public_bytes(Encoding.DER) for certificate in (identity.triple.sig, identity.tls.chain[1]))
    return DeviceFacts(version("smgw"), file_certificates(signature, issuer, shown))


def write_signed(opened: Opened, parts: Iterator[bytes], path: Path, signature: Path) -> None:
    """Write an export and, beside it, the gateway's signature over it; a file that was there is replaced as a whole.

    Raises: ConfigError identity.missing, export.file.
    """
    identity = opened.identity
    if identity is None:
        raise ConfigError("identity.missing", "a file is signed by the gateway; without certificates only standard output is written")
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        message = sign_detached_chunks(lambda: _chunks(partial), module=identity.module, signer=identity.signer)
        partial.replace(path)
        write_durably(signature, message)
    except OSError as problem:
        raise ConfigError("export.file", f"{path}: {problem.strerror}") from problem
    finally:
        partial.unlink(missing_ok=True)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def read_evidence(certificates: Sequence[Path], trust: Path, at: datetime | None) -> Evidence:
    """Read what an export is checked with; of a file with a whole triple, the SIG certificate.

    Raises: ConfigError export.file, pki.trust_folder; DecodeFault pki.malformed; CertificateRejected pki.usage, pki.malformed.
    """
    held = [certificate for path in certificates for certificate in read_certificates(_octets(path))]
    found = tuple(certificate for certificate in held if kind_of(certificate) is Kind.SIG)
    if not found:
        raise ConfigError("export.file", f"no SIG certificate among the {len(held)} given")
    return Evidence(found, TrustStore.load(trust), at)


def verify_file(path: Path, signature: Path, evidence: Evidence) -> Verdict:
    """Check an exported file with its signature. Raises: as `check_file`."""
    return check_file(path, _octets(signature), evidence, datetime.now(UTC))


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MESSAGE_LIMIT)
    except OSError as problem:
        raise ConfigError("export.file", f"{path}: {problem.strerror}") from problem
