"""Signed exports checked with nothing but the files: every manipulation first, then what is genuine."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gateway.export_world import CONSUMER, OWN, facts, fill
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity, participant_identity, pki

from smgw.core.errors import ConfigError, PeerFault, SmgwError
from smgw.gateway.exports import ExportFormat, ExportRequest, export_parts
from smgw.gateway.journal_signature import journal_signer
from smgw.net.clock import ManualClock
from smgw.net.identity import Identity, create_keys, install_certificates, load_identity
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.content import Credential, sign_detached_chunks
from smgw.storage.journal import Journal
from smgw.storage.journal_export import ExportAbout
from smgw.transparency.journal_file import Evidence, Verdict, check_file

pytestmark = pytest.mark.req("LOG-02", "CON-04", "CON-06")

NOW = START + timedelta(hours=30)
PERSONAL = ("readings", "registers", "consumer")
WHOLE = ExportAbout(GATEWAY_ID, "2026-03-02T12:00:00Z")
FORMS: dict[str, tuple[ExportFormat, tuple[str, ...], ExportAbout, str]] = {
    "journal": (ExportFormat.JSON, ("readings", "registers", "system", "consumer"), WHOLE, ""),
    "consumer": (ExportFormat.JSON, PERSONAL, OWN, ""),
    "table": (ExportFormat.CSV, ("readings",), OWN, ""),
    "log": (ExportFormat.CONEXA, ("consumer",), OWN, ""),
    "device file": (ExportFormat.TRUDI, (), OWN, "taf7-1.sm"),
}
every_form = pytest.mark.parametrize("form", FORMS)


class Exported(NamedTuple):
    """Hold a file of an export and the signature beside it."""

    data: bytes
    message: bytes


def signed(data: bytes, identity: Identity | None = None) -> Exported:
    """Let a gateway sign a file, whatever is in it."""
    by = identity or gateway_identity()
    return Exported(data, sign_detached_chunks(lambda: [data], module=by.module, signer=by.signer))


@cache
def exports() -> dict[str, Exported]:
    """Export a sealed journal once in each form."""
    module = gateway_identity().module
    with Journal.open(Path(mkdtemp(prefix="smgw-export-")) / "journal.db", bytes(32)) as journal:
        journal.seal_by(journal_signer(module, GATEWAY_KEYS.sig), ManualClock(NOW))
        fill(journal, module)
        journal.seal(FORMS["journal"][1])
        return {
            name: signed(b"".join(export_parts(journal, form, ExportRequest(chains, about, contract), facts())))
            for name, (form, chains, about, contract) in FORMS.items()
        }


@cache
def gateway_of(name: str, authority: Path | None = None) -> Identity:
    """Give the identity of another gateway, of the same PKI or of another."""
    other = PkiFolder.found(authority, now=START, sub_name="Other") if authority else pki()
    folder = Path(mkdtemp(prefix="smgw-identity-"))
    install_certificates(
        folder, other.issue(create_keys(folder, GATEWAY_KEYS, Role.SMGW, name), Role.SMGW, now=START), [other.sub().certificate]
    )
    other.trust(START).save(folder / "trust")
    return load_identity(folder, GATEWAY_KEYS)


def evidence(*certificates: x509.Certificate, at: datetime | None = None) -> Evidence:
    return Evidence(certificates or (gateway_identity().triple.sig,), pki().trust(START), at)


def check(folder: Path, exported: Exported, proof: Evidence | None = None) -> Verdict:
    path = folder / "export"
    path.write_bytes(exported.data)
    return check_file(path, exported.message, proof or evidence(), NOW)


def refused(folder: Path, exported: Exported, proof: Evidence | None = None) -> str:
    with pytest.raises(SmgwError) as fault:
        check(folder, exported, proof)
    assert fault.value.exit_code in (4, 5)
    return fault.value.code


def rewritten(form: str, change: Callable[[list[str]], object], identity: Identity | None = None) -> Exported:
    """Change the lines of a file, and have the gateway sign the result: what only its own proofs can show."""
    lines = exports()[form].data.decode().splitlines(keepends=True)
    change(lines)
    return signed("".join(lines).encode(), identity)


# ---------------------------------------------------------------------------------------------- the signature over a file


@every_form
def test_every_changed_octet_of_a_file_is_found(tmp_path: Path, form: str) -> None:
    data, message = exports()[form]
    for place in (0, len(data) // 3, len(data) // 2, len(data) - 2, len(data) - 1):
        changed = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        assert refused(tmp_path, Exported(changed, message)) == "cms.signature"


@every_form
def test_a_truncated_or_longer_file_is_found(tmp_path: Path, form: str) -> None:
    data, message = exports()[form]
    lines = data.splitlines(keepends=True)
    for changed in (b"", data[:-1], data[: len(data) // 2], b"".join(lines[:-1]), data + b"\n", data + lines[-1], data + data):
        assert refused(tmp_path, Exported(changed, message)) == "cms.signature"


@every_form
def test_a_swapped_signature_is_found(tmp_path: Path, form: str) -> None:
    for other in FORMS.keys() - {form}:
        assert refused(tmp_path, Exported(exports()[form].data, exports()[other].message)) == "cms.signature"


def test_every_changed_octet_of_a_signature_is_found(tmp_path: Path) -> None:
    data, message = exports()["log"]
    codes = set()
    for place in range(0, len(message), 5):
        codes.add(refused(tmp_path, Exported(data, message[:place] + bytes((message[place] ^ 4,)) + message[place + 1 :])))
    for broken in (b"", message[:-1], message + b"\0", data):
        codes.add(refused(tmp_path, Exported(data, broken)))
    assert {"cms.signature", "cms.structure", "export.signature"} <= codes <= {
        "cms.signature", "cms.structure", "cms.algorithm", "cms.certificate", "export.signature",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- who signed it


@every_form
def test_the_certificate_of_another_is_refused(tmp_path: Path, form: str) -> None:
    triple = gateway_identity().triple
    for certificate in (gateway_of("ESGW0000000002").triple.sig, participant_identity().triple.sig, triple.tls, triple.enc):
        assert refused(tmp_path, exports()[form], evidence(certificate)) == "export.signature"


@pytest.mark.parametrize("signer", [participant_identity, administrator_identity], ids=["participant", "administrator"])
def test_what_a_partner_signed_is_no_export_of_a_gateway(tmp_path: Path, signer: Callable[[], Identity]) -> None:
    identity = signer()
    file = rewritten("table", lambda lines: None, identity)
    assert refused(tmp_path, file, evidence(identity.triple.sig)) == "pki.role"


@every_form
def test_another_gateway_of_the_same_pki_can_not_pass_an_export_off_as_its_own(tmp_path: Path, form: str) -> None:
    other = gateway_of("ESGW0000000002")
    file = rewritten(form, lambda lines: None, other)
    if form in ("table", "log"):
        assert str(check(tmp_path, file, evidence(other.triple.sig)).gateway) == "ESGW0000000002"
    else:
        assert refused(tmp_path, file, evidence(other.triple.sig)) in ("journal.signature", "export.signature")
    assert refused(tmp_path, exports()[form], evidence(gateway_identity().triple.sig, other.triple.sig)) == "export.signature"


@every_form
def test_a_path_that_has_expired_has_not_begun_was_revoked_or_leads_elsewhere_is_refused(tmp_path: Path, form: str) -> None:
    sig = gateway_identity().triple.sig
    end = sig.not_valid_after_utc + timedelta(days=1)
    assert refused(tmp_path, exports()[form], Evidence((sig,), pki().trust(end), end)) == "pki.expired"
    assert refused(tmp_path, exports()[form], evidence(at=sig.not_valid_before_utc - timedelta(days=1))) == "pki.not_yet_valid"
    assert refused(tmp_path, exports()[form], evidence(at=START + timedelta(days=90))) == "pki.crl_stale"
    elsewhere = gateway_of(GATEWAY_ID, tmp_path / "pki")
    assert refused(tmp_path, exports()[form], Evidence((sig,), elsewhere.trust)) == "pki.unknown_issuer"


def test_a_revoked_gateway_is_refused(tmp_path: Path) -> None:
    authority = PkiFolder.found(tmp_path / "pki", now=START, sub_name="Own")
    folder = tmp_path / "identity"
    package = create_keys(folder, GATEWAY_KEYS, Role.SMGW, GATEWAY_ID)
    install_certificates(folder, authority.issue(package, Role.SMGW, now=START), [authority.sub().certificate])
    authority.trust(START).save(folder / "trust")
    gateway = load_identity(folder, GATEWAY_KEYS)
    file, sig = rewritten("table", lambda lines: None, gateway), gateway.triple.sig
    assert check(tmp_path, file, Evidence((sig,), authority.trust(START))).signer == sig
    authority.sub().revoke(sig.serial_number, x509.ReasonFlags.key_compromise, START)
    assert refused(tmp_path, file, Evidence((sig,), authority.trust(START + timedelta(hours=1)))) == "pki.revoked"


# ------------------------------------------------------------------- files that are signed, but are not what they should be


def swap(lines: list[str], first: str, second: str) -> None:
    """Exchange a row of one chain for one of another."""
    rows = [place for name in (first, second) for place, line in enumerate(lines) if '"type":"row"' in line and f'"chain":"{name}"' in line]
    one, other = rows[0], rows[-1]
    lines[one], lines[other] = lines[other], lines[one]


def alter(lines: list[str], old: str, new: str) -> None:
    """Change what the first line with it says."""
    place = next(place for place, line in enumerate(lines) if old in line)
    lines[place] = lines[place].replace(old, new)


@pytest.mark.parametrize(
    ("form", "change", "code"),
    [
        ("journal", lambda lines: swap(lines, "readings", "system"), "journal.chain"),
        ("journal", lambda lines: swap(lines, "readings", "readings"), "journal.chain"),
        ("journal", lambda lines: lines.__delitem__(50), "journal.chain"),
        ("journal", lambda lines: lines.pop(), "journal.unsealed"),
        ("journal", lambda lines: lines.append(lines[-1]), ""),
        ("journal", lambda lines: lines.__setitem__(0, lines[0].replace(GATEWAY_ID, "ESGW0000000002")), "export.signature"),
        ("journal", lambda lines: lines.__setitem__(20, lines[20].replace('"raw":10', '"raw":11')), "journal.chain"),
        ("consumer", lambda lines: lines.__setitem__(-3, lines[-3].replace('"raw":', '"raw":1')), "journal.export"),
        ("consumer", lambda lines: lines.__setitem__(-3, lines[-3].replace('"signature":"', '"signature":"00')), "journal.signature"),
        ("consumer", lambda lines: lines.__setitem__(0, lines[0].replace(CONSUMER, "")), "journal.export"),
        ("device file", lambda lines: alter(lines, ">1001<", ">1002<"), "journal.signature"),
    ],
)
def test_a_file_with_a_good_signature_still_has_to_prove_its_content(
    tmp_path: Path, form: str, change: Callable[[list[str]], object], code: str
) -> None:
    file = rewritten(form, change)
    assert file.data != exports()[form].data
    if code:
        assert refused(tmp_path, file) == code
    else:
        check(tmp_path, file)


def test_chains_of_another_gateway_in_a_signed_file_are_found(tmp_path: Path) -> None:
    other = gateway_of("ESGW0000000002").module
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        journal.seal_by(journal_signer(other, GATEWAY_KEYS.sig), ManualClock(NOW))
        fill(journal, other)
        journal.seal(("readings",))
        lines = b"".join(journal.export(("readings",), WHOLE))
    assert refused(tmp_path, signed(lines)) == "journal.signature"


def test_files_that_are_not_there_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"export\.file"):
        check_file(tmp_path / "none", exports()["log"].message, evidence(), NOW)


def test_a_first_line_that_is_none_is_refused(tmp_path: Path) -> None:
    for head in ("smgw-journal-2\n", '{"format":"smgw-journal-2"\n', '{"format":"smgw-journal-2","time":3}\n'):
        assert refused(tmp_path, signed(head.encode())) == "journal.export"
    with pytest.raises(PeerFault):
        check(tmp_path, signed(b"<?xml version='1.0'?><a/>"))


# ------------------------------------------------------------------------------------------------------ what is genuine


@every_form
def test_a_genuine_export_is_told_with_what_it_holds(tmp_path: Path, form: str) -> None:
    verdict = check(tmp_path, exports()[form])
    assert (str(verdict.gateway), verdict.signer) == (GATEWAY_ID, gateway_identity().triple.sig)
    if form in ("journal", "consumer"):
        assert verdict.at == START + timedelta(hours=24)
        assert verdict.journal is not None and verdict.journal.readings == 195
        assert verdict.journal.seals == {"journal": 4, "consumer": 1}[form]
    else:
        assert verdict.at == NOW
        assert verdict.form == ("trudi" if form == "device file" else "other")
        assert (verdict.readings.verified if verdict.readings else None) == (194 if form == "device file" else None)


def test_an_older_certificate_proves_older_seals_though_it_has_ended(tmp_path: Path) -> None:
    """After a renewal the file is signed by the new key, what it holds by the old one, whose path has expired meanwhile."""
    module, renewed = gateway_identity().module, gateway_of(GATEWAY_ID)
    later = gateway_identity().triple.sig.not_valid_after_utc - timedelta(days=1)
    package = make_request_package(renewed.module, GATEWAY_KEYS, Role.SMGW, GATEWAY_ID)
    sig = pki().issue(package, Role.SMGW, now=later).sig
    file = Exported(
        exports()["journal"].data,
        sign_detached_chunks(lambda: [exports()["journal"].data], module=renewed.module, signer=Credential(sig, GATEWAY_KEYS.sig)),
    )
    at = later + timedelta(days=2)
    both = Evidence((sig, gateway_identity().triple.sig), pki().trust(at), at)
    assert module is not renewed.module
    assert check(tmp_path, file, both).signer == sig
    assert refused(tmp_path, file, both._replace(certificates=(sig,))) == "journal.signature"
    assert refused(tmp_path, exports()["journal"], both) == "pki.expired"


OPENSSL = shutil.which("openssl")


@pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")
def test_openssl_verifies_the_signature_beside_a_file_too(tmp_path: Path) -> None:
    """With a path to the root, which OpenSSL builds itself, and refused for a changed file; other curves: tests/interop."""
    data, message = exports()["consumer"]
    for name, content in {
        "export": data,
        "export.p7s": message,
        "authorities.pem": pki().root.certificate.public_bytes(Encoding.PEM) + pki().sub().certificate.public_bytes(Encoding.PEM),
        "signer.pem": gateway_identity().triple.sig.public_bytes(Encoding.PEM),
    }.items():
        (tmp_path / name).write_bytes(content)
    command = f"{OPENSSL} cms -verify -binary -inform DER -in export.p7s -content export -certfile signer.pem -CAfile authorities.pem"
    command += f" -purpose any -attime {int(NOW.timestamp())} -out content"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Verification successful" in done.stderr) == (0, True), done.stderr
    assert (tmp_path / "content").read_bytes() == data
    (tmp_path / "export").write_bytes(data.replace(b'"raw":1000', b'"raw":1001'))
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False, timeout=60).returncode != 0


def test_the_stated_time_is_that_of_the_file(tmp_path: Path) -> None:
    file = rewritten("journal", lambda lines: lines.__setitem__(0, json.dumps({**json.loads(lines[0]), "time": ""}) + "\n"))
    assert check(tmp_path, file).at == NOW
