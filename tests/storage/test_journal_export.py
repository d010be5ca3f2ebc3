import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage.samples import IMPORT, METER, START, consumer_profile, entry, register, signature, signed

from smgw.core.errors import DecodeFault, IntegrityFault, PeerFault, SmgwError
from smgw.core.log_event import Log
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, LINE_LIMIT, bounded_lines, verify_export

pytestmark = pytest.mark.req("LOG-02")


@pytest.fixture
def lines(journal: Journal) -> list[bytes]:
    journal.append_readings([signed(1), signed(2, raw=2**64 - 1), (msgspec.structs.replace(signed(3)[0], raw=None), b"")])
    journal.append_registers([register(1), register(2, raw=None)])
    journal.append_log([entry(1), entry(2), entry(3, Log.CALIBRATION), entry(1, Log.CONSUMER, "flat1"), entry(1, Log.CONSUMER, "flat2")])
    journal.put_profile(consumer_profile(), b"document", START)
    return list(journal.export(EXPORTED))


def changed(lines: list[bytes], number: int, **fields: object) -> list[bytes]:
    row = {**json.loads(lines[number]), **fields}
    return [*lines[:number], json.dumps(row).encode(), *lines[number + 1 :]]


def test_every_change_of_a_row_is_found_at_its_place(lines: list[bytes]) -> None:
    first = json.loads(lines[1])
    for fields in (
        {"hash": "00" * 32},
        {"record": first["record"][:-2] + "00"},
        {"record": " " + first["record"]},
        {"signature": ""},
        {"value": {**first["value"], "raw": 1}},
        {"value": {**first["value"], "raw": float(first["value"]["raw"])}},
        {"value": {}},
    ):
        with pytest.raises(IntegrityFault, match=r"journal\.chain: readings: row 1 was altered"):
            verify_export(changed(lines, 1, **fields))
    for fields in ({"record": "zz"}, {"record": ""}, {"signature": "0"}):
        with pytest.raises(IntegrityFault, match=r"journal\.chain: readings: row 1 can't be read"):
            verify_export(changed(lines, 1, **fields))


def test_every_missing_or_moved_row_is_found(lines: list[bytes]) -> None:
    for number in range(1, len(lines)):
        with pytest.raises(IntegrityFault, match=r"journal\.chain"):
            verify_export(lines[:number] + lines[number + 1 :])
        with pytest.raises(IntegrityFault, match=r"journal\.chain"):
            verify_export([*lines, lines[number]])
    with pytest.raises(IntegrityFault, match="readings: row 1 is missing"):
        verify_export([lines[0], lines[2], lines[1], *lines[3:]])


def test_a_changed_head_is_found(lines: list[bytes]) -> None:
    head = json.loads(lines[0])
    for field, value in (("hash", "00" * 32), ("length", 1), ("length", 100)):
        chains = [{**chain, field: value} if chain["chain"] == "readings" else chain for chain in head["chains"]]
        with pytest.raises(IntegrityFault, match=r"journal\.chain: readings"):
            verify_export(changed(lines, 0, chains=chains))
    with pytest.raises(DecodeFault, match="does not name"):
        verify_export(changed(lines, 0, chains=[]))


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{}", b"[1]", b"\xff", b'{"format":"other","chains":[]}', b'{"format":"smgw-journal-1","chains":[]}', b"[" * 5000],
)
def test_what_is_no_export_is_refused(content: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"journal\.export"):
        verify_export(bounded_lines(io.BytesIO(content).readline))


def test_a_chain_that_is_never_exported_is_refused() -> None:
    head = b'{"format":"smgw-journal-2","chains":[{"chain":"profiles","scope":"","length":1,"hash":""}]}'
    row = b'{"type":"row","chain":"profiles","scope":"","number":1,"value":{},"record":"","signature":"","hash":""}'
    with pytest.raises(DecodeFault, match=r"journal\.export"):
        verify_export([head, row])


def test_an_endless_line_is_not_read_to_its_end() -> None:
    with pytest.raises(DecodeFault, match="longer than"):
        verify_export(bounded_lines(io.BytesIO(b" " * (3 * LINE_LIMIT)).readline))


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 3))
def test_any_bytes_give_heads_or_a_fault(junk: bytes, at: int, line: int) -> None:
    head = b'{"format":"smgw-journal-2","chains":[{"chain":"system","scope":"","length":0,"hash":"%s"}]}' % (b"00" * 32)
    row = b'{"type":"row","chain":"system","scope":"","number":1,"value":{},"record":"7b7d","signature":"","hash":""}'
    lines = [head, row, row]
    lines.insert(line, junk)
    lines[0] = lines[0][:at] + junk + lines[0][at:]
    with pytest.raises(SmgwError) as caught:
        verify_export(lines)
    assert isinstance(caught.value, PeerFault | IntegrityFault)


def test_an_export_is_verified_without_key(lines: list[bytes], journal: Journal) -> None:
    chains = verify_export(bounded_lines(io.BytesIO(b"".join(lines)).readline))
    report = journal.verify()
    expected = [(head.kind, head.scope, head.length, head.digest.hex()) for head in report.chains if head.kind != "profiles"]
    assert [(chain.chain, chain.scope, chain.length, chain.hash) for chain in chains] == expected


def test_rows_can_be_read_by_people(lines: list[bytes]) -> None:
    row = json.loads(lines[1])
    assert row["signature"] == signature(1).hex()
    assert row["value"] == {
        "meter_id": METER,
        "obis": str(IMPORT),
        "raw": 1_000_001,
        "scaler": -1,
        "unit": 30,
        "capture_time": "2026-11-21T00:15:02Z",
        "target_time": "2026-11-21T00:15:00Z",
        "gateway_status": 5,
        "meter_status": 4,
    }


@pytest.mark.req("CON-03")
def test_no_password_digest_leaves_the_journal(lines: list[bytes]) -> None:
    assert consumer_profile().digest_sha256.encode() not in b"".join(lines)


def test_only_the_asked_chains_are_written(journal: Journal, lines: list[bytes]) -> None:
    written = list(journal.export(["system", "profiles"]))
    assert {json.loads(line)["chain"] for line in written[1:]} == {"system"}
    assert verify_export(written)[0].length == 2


def test_an_empty_journal_has_an_export(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "empty", bytes(32)) as journal:
        assert verify_export(journal.export(EXPORTED)) == ()
