"""Signed exports: what the signatures refuse, the export of one consumer, and chains of which the beginning is gone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.storage.samples import KEY, START, entry, reading, register, signed
from tests.storage.signing import SIGNER, check, signer

from smgw.core.errors import DecodeFault, IntegrityFault, SecurityFault, UsageError
from smgw.core.log_event import Log
from smgw.core.reading import canonical_bytes
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal
from smgw.storage.journal_export import EXPORTED, ExportAbout, item_of, verify_export, verify_signed_export

pytestmark = pytest.mark.req("LOG-02")

ABOUT = ExportAbout("EBSI0012345678", "2026-11-21T00:00:00Z")
TENANT = ExportAbout("EBSI0012345678", "2026-11-21T00:00:00Z", "flat1")


def check_reading(record: bytes, signature: bytes) -> None:
    if len(signature) != 64:
        raise SecurityFault("journal.signature")


@pytest.fixture
def sealed(path: Path) -> Iterator[Journal]:
    with Journal.open(path, KEY) as journal:
        journal.seal_by(SIGNER, ManualClock(START))
        journal.append_readings([signed(number) for number in range(300)])
        journal.append_registers([register(1)])
        journal.append_log([entry(number, log) for log in (Log.SYSTEM, Log.CALIBRATION) for number in range(5)])
        journal.append_log([entry(number, Log.CONSUMER, who) for who in ("flat1", "flat2") for number in range(260)])
        yield journal


def changed(lines: list[bytes], number: int, **fields: object) -> list[bytes]:
    return [*lines[:number], json.dumps({**json.loads(lines[number]), **fields}).encode(), *lines[number + 1 :]]


def numbers(lines: list[bytes], kind: str) -> list[int]:
    return [number for number, line in enumerate(lines) if json.loads(line).get("type") == kind]


def test_a_chain_that_is_not_sealed_to_its_end_is_refused(sealed: Journal) -> None:
    lines = list(sealed.export(EXPORTED, ABOUT))
    verify_export(lines)
    with pytest.raises(IntegrityFault, match=r"journal\.unsealed: calibration: 5 rows"):
        verify_signed_export(lines, check, check_reading)


def test_a_journal_without_key_seals_nothing(journal: Journal) -> None:
    for attempt in (lambda: journal.seal(EXPORTED), lambda: journal.export(EXPORTED, seal_here=True)):
        with pytest.raises(UsageError, match=r"journal\.no_signer"):
            attempt()


def test_seals_of_a_stranger_are_refused(sealed: Journal) -> None:
    sealed.seal_by(signer(b"stranger"), ManualClock(START))
    with pytest.raises(SecurityFault):
        verify_signed_export(sealed.export(EXPORTED, ABOUT, seal_here=True), check, check_reading)


def test_a_changed_seal_is_refused_at_its_line(sealed: Journal) -> None:
    lines = list(sealed.export(EXPORTED, ABOUT, seal_here=True))
    for number in numbers(lines, "seal"):
        seal = json.loads(lines[number])
        with pytest.raises(SecurityFault):
            verify_signed_export(changed(lines, number, signature="00" * 64), check, check_reading)
        for fields in ({"value": {**seal["value"], "length": 7}}, {"record": seal["record"][:-2]}, {"record": "zz"}, {"signature": "0"}):
            with pytest.raises(DecodeFault, match=rf"line {number + 1}"):
                verify_export(changed(lines, number, **fields))
        if json.loads(lines[number - 1])["type"] == "row":
            moved = [*lines[: number - 1], lines[number], lines[number - 1], *lines[number + 1 :]]
            with pytest.raises(IntegrityFault, match="is not what was sealed"):
                verify_export(moved)


def test_a_row_changed_by_who_can_mend_the_hashes_breaks_its_seal(sealed: Journal, tmp_path: Path) -> None:
    with Journal.open(tmp_path / "forged.db", KEY) as forged:
        forged.append_readings([signed(number, raw=1) for number in range(300)])
        first, *theirs = [line for line in forged.export(["readings"], ABOUT) if b'"seal"' not in line]
    ours = list(sealed.export(["readings"], ABOUT, seal_here=True))
    seals = [ours[number] for number in numbers(ours, "seal")]
    mended = [first, *theirs]
    verify_export(mended)
    with pytest.raises(IntegrityFault, match="readings: row 300 is not what was sealed"):
        verify_export([*mended, seals[-1]])
    with pytest.raises(IntegrityFault, match=r"journal\.unsealed"):
        verify_signed_export(mended, check, check_reading)


def test_a_reading_without_the_gateways_signature_is_refused(sealed: Journal) -> None:
    sealed.append_readings([(reading(1000), b"")])
    with pytest.raises(SecurityFault):
        verify_signed_export(sealed.export(["readings"], ABOUT, seal_here=True), check, check_reading)


@pytest.mark.req("CON-03")
@pytest.mark.parametrize("line", ["item", "cut"])
def test_an_export_of_whole_chains_holds_no_single_rows(sealed: Journal, line: str) -> None:
    sealed.cut("consumer", "flat1", 3, START, SIGNER)
    own = list(sealed.export(["consumer"], TENANT, items=[item_of("readings", canonical_bytes(reading(1)), bytes(64))], seal_here=True))
    whole = list(sealed.export(["consumer"], ABOUT, seal_here=True))
    (number,) = numbers(own, line)
    with pytest.raises(DecodeFault, match=r"journal\.export"):
        verify_export([whole[0], own[number], *whole[1:]])


def test_an_export_that_was_sealed_in_the_journal_verifies_whole(sealed: Journal) -> None:
    sealed.seal(EXPORTED)
    report = verify_signed_export(sealed.export(EXPORTED, ABOUT), check, check_reading)
    assert (report.head.gateway, report.head.time) == ("EBSI0012345678", "2026-11-21T00:00:00Z")
    assert (report.rows, report.readings, report.items) == (300 + 1 + 10 + 520, 300, 0)
    assert report.seals == 3 + 6
    sealed.verify()
    assert [one.seal.purpose for one in sealed.seals("consumer", "flat1")] == ["block", "export"]


def test_sealing_for_an_export_alone_leaves_the_journal_as_it_is(sealed: Journal, path: Path) -> None:
    before = sealed.verify()
    with Journal.open_read_only(path, KEY) as reader:
        reader.seal_by(SIGNER, ManualClock(START))
        report = verify_signed_export(reader.export(EXPORTED, ABOUT, seal_here=True), check, check_reading)
    assert report.seals == 9
    assert sealed.verify() == before


def test_a_chain_whose_beginning_is_gone_verifies_from_its_cut(sealed: Journal) -> None:
    sealed.cut("readings", "", 256, START, SIGNER)
    sealed.cut("consumer", "flat1", 200, START, SIGNER)
    sealed.cut("consumer", "flat1", 260, START, SIGNER)
    sealed.seal(EXPORTED)
    report = verify_signed_export(sealed.export(EXPORTED, ABOUT), check, check_reading)
    assert report.readings == 44
    lengths = {(chain.chain, chain.scope): chain.length for chain in report.head.chains}
    assert (lengths["readings", ""], lengths["consumer", "flat1"], lengths["cuts", ""]) == (300, 260, 3)
    own = verify_signed_export(sealed.export(["consumer"], TENANT), check, check_reading)
    assert own.rows == 0
    forged = [line.replace(b'"removed":60', b'"removed":59') for line in sealed.export(["consumer"], TENANT)]
    with pytest.raises(DecodeFault, match="was altered"):
        verify_export(forged)


@pytest.mark.req("CON-03")
def test_the_export_of_one_consumer_holds_nothing_of_another(sealed: Journal) -> None:
    item = item_of("readings", canonical_bytes(reading(7)), bytes(64))
    sealed.cut("consumer", "flat2", 5, START, SIGNER)
    sealed.cut("consumer", "flat1", 5, START, SIGNER)
    lines = list(sealed.export(["consumer", "readings", "system"], TENANT, items=[item], seal_here=True))
    report = verify_signed_export(lines, check, check_reading)
    assert [(chain.chain, chain.scope) for chain in report.head.chains] == [("consumer", "flat1")]
    assert (report.rows, report.items, report.readings) == (255, 1, 1)
    assert b"flat2" not in b"".join(lines)
    assert {json.loads(line)["type"] for line in lines[1:]} == {"cut", "row", "seal", "item"}
