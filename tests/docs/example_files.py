"""The files that examples in the documents work on, made by the program itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from smgw.codec.sml import (
    GetListResponse,
    ListEntry,
    PublicCloseResponse,
    PublicOpenResponse,
    SmlMessage,
    SmlTime,
    TimeKind,
    encode_frame,
)
from smgw.core.identifiers import DeviceId, server_id_of
from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import ConsumerProfile
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.gateway.config import GatewayFolder
from smgw.net.identity import create_keys, install_certificates, open_module
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import GATEWAY_KEYS, PARTICIPANT_KEYS
from smgw.security.content import Credential, seal
from smgw.security.reading_signature import sign_reading
from smgw.storage.journal import Journal

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
METER = DeviceId("1", "SGW", 0, 10_000_001)


def dump() -> bytes:
    """Give what an optical head of the example meter sends in a second."""
    server_id = server_id_of(METER)
    moment = SmlTime(TimeKind.SEC_INDEX, 24_208_040)
    entries = (
        ListEntry(bytes.fromhex("0100600100ff"), value=server_id),
        ListEntry(bytes.fromhex("0100010800ff"), 0x1C0104, moment, 30, -1, 23_559_290),
        ListEntry(bytes.fromhex("0100100700ff"), None, None, 27, 0, 376),
    )
    bodies = (
        PublicOpenResponse(b"\x00\x01", server_id, ref_time=moment),
        GetListResponse(server_id, entries, list_name=bytes.fromhex("0100620affff"), act_sensor_time=moment),
        PublicCloseResponse(),
    )
    return encode_frame(SmlMessage(bytes((0, place)), body) for place, body in enumerate(bodies))


def gateway_folder(path: Path) -> None:
    """Make a gateway's folder with certificates whose journal holds an hour of the example meter."""
    folder, now = GatewayFolder(path), max(START, datetime.now(UTC))
    pki = PkiFolder.found(path.parent / "pki", now=now, sub_name="Demo")
    package = create_keys(path, GATEWAY_KEYS, Role.SMGW, "ESGW0000000001")
    install_certificates(path, pki.issue(package, Role.SMGW, now=now), [pki.sub().certificate])
    pki.trust(now).save(path / "trust")
    module = open_module(path)
    readings = []
    for number in range(1, 5):
        target = START + timedelta(minutes=15 * number)
        captured = target + timedelta(seconds=1)
        status = int(GATEWAY_OK), METER_IDENTIFICATION
        value = Reading(str(METER), ACTIVE_ENERGY_IMPORT, 23_559_290 + 40 * number, -1, 30, captured, target, *status)
        readings.append((value, sign_reading(module, GATEWAY_KEYS.sig, value)))
    with Journal.open(folder.journal, module.storage_key("journal")) as journal:
        journal.append_readings(readings)
        journal.append_log([LogEntry(Log.SYSTEM, "started", START, subject="ESGW0000000001", parameters={"version": "0.1.0"})])
        journal.put_profile(ConsumerProfile("consumer1.sm", "consumer", "0" * 32, "0" * 64), b"document", START)


def sealed_message(folder: Path) -> bytes:
    """Give a message of a gateway to a market participant, both with certificates of a PKI below `folder`."""
    now = START
    pki = PkiFolder.found(folder, now=now, sub_name="Demo")
    triples = {}
    for keys, role, name in ((GATEWAY_KEYS, Role.SMGW, "ESGW0000000001"), (PARTICIPANT_KEYS, Role.EMT, "demo")):
        for key in keys:
            pki.module.generate(key, "brainpoolP256r1")
        triples[role] = pki.issue(make_request_package(pki.module, keys, role, name), role, now=now)
    signer = Credential(triples[Role.SMGW].sig, GATEWAY_KEYS.sig)
    return seal(b"<delivery/>", module=pki.module, signer=signer, recipient=triples[Role.EMT].enc)


def make_files(folder: Path) -> None:
    """Put into a folder: `dump.bin`, `message.der`, `smgw-data/gateway`."""
    (folder / "dump.bin").write_bytes(dump())
    (folder / "message.der").write_bytes(sealed_message(folder / ".senders"))
    gateway_folder(folder / "smgw-data" / "gateway")
