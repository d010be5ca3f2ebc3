"""Real meters: every capture beside the project, entry by entry beside two other decoders."""

from pathlib import Path
from typing import Any

import pytest
from sml import SmlBase
from smllib import SmlStreamReader
from tests.shared import shared_files, shared_path

from smgw.codec.sml import GetListResponse, ListEntry, SmlTime, TimeKind, decode_frame, encode_frame, explain
from smgw.core.errors import DecodeFault
from smgw.core.obis import Obis
from smgw.protocol.sml_stream import SmlFileReceived, SmlFileRejected, SmlReject, SmlStream

CAPTURES = shared_files("sml", "*.bin")
GOOD_FILES = {
    "DrNeuhaus_SMARTY_ix-130": 12,
    "EMH-ED300L_consumption": 1,
    "EMH-ED300L_delivery": 2,
    "EMH_eHZ-HW8E2A5L0EK2P": 12,
    "EMH_eHZ-HW8E2A5L0EK2P_1": 12,
    "EMH_eHZ-HW8E2A5L0EK2P_2": 1,
    "EMH_eHZ-HW8E2AWL0EK2P": 13,
    "EMH_eHZ-IW8E2AWL0EK2P": 12,
    "EMH_eHZ361L5R": 1,
    "EMH_eHZ361L5R_1": 1,
    "EMH_mME40-AE6AKF0K0": 12,
    "HOLLEY_DTZ541-BDBA_with_PIN": 2,
    "HOLLEY_DTZ541-BDBA_without_PIN": 1,
    "ISKRA_MT175_D1A52-V22-K0t": 8,
    "ISKRA_MT175_eHZ": 10,
    "ISKRA_MT631-D1A52-K0z-H01_with_PIN": 5,
    "ISKRA_MT631-D1A52-K0z-H01_without_PIN": 5,
    "ISKRA_MT631-D2A51-V22-K0z_with_PIN": 4,
    "ISKRA_MT631-D2A51-V22-K0z_without_PIN": 2,
    "ISKRA_MT691_eHZ-MS2020": 18,
    "ITRON_OpenWay-3.HZ": 1,
    "ITRON_OpenWay-3.HZ_with_PIN": 5,
    "ITRON_OpenWay-3.HZ_without_PIN": 2,
    "eBZ_DD3_DD3BZ06DTA-SMZ1_without_PIN": 2,
}

pytestmark = [pytest.mark.shared, pytest.mark.req("LMN-02")]
each_capture = pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)


def good_files(capture: Path) -> list[SmlFileReceived]:
    return [event for event in SmlStream().receive_data(capture.read_bytes()) if isinstance(event, SmlFileReceived)]


def entries(file: SmlFileReceived) -> tuple[ListEntry, ...]:
    _, listed, _ = file.messages
    assert isinstance(listed.body, GetListResponse)
    return listed.body.entries


def test_captures_are_there() -> None:
    shared_path("sml")
    assert {path.stem for path in CAPTURES} >= set(GOOD_FILES)


@each_capture
def test_files_and_what_is_between(capture: Path) -> None:
    data = capture.read_bytes()
    stream = SmlStream()
    events = stream.receive_data(data) + stream.receive_eof()
    good = [event for event in events if isinstance(event, SmlFileReceived)]
    rejected = [event for event in events if isinstance(event, SmlFileRejected)]
    assert len(good) == GOOD_FILES[capture.stem]
    assert all(data[event.offset : event.offset + event.length] == event.frame for event in good)
    assert sum(event.length for event in events) + stream.skipped == len(data)
    assert [(event.reason, event.fault_offset) for event in rejected] in ([], [(SmlReject.FRAMING, len(data))])


@each_capture
def test_beside_smllib(capture: Path) -> None:
    for file in good_files(capture):
        reader = SmlStreamReader()
        reader.add(file.frame)
        frame = reader.get_frame()
        assert frame is not None
        opened, listed, closed = frame.parse_frame()
        ours = file.messages
        for our, their in zip(ours, (opened, listed, closed), strict=True):
            assert our.transaction_id.hex() == their.transaction_id
            assert (our.group_no, our.abort_on_error) == (their.group_no, their.abort_on_error)
        assert ours[0].body.server_id.hex() == opened.message_body.server_id
        assert ours[1].body.server_id.hex() == listed.message_body.server_id
        assert seconds(ours[1].body.act_sensor_time) == listed.message_body.act_sensor_time
        for entry, other in zip(entries(file), listed.message_body.val_list, strict=True):
            assert entry.obis.hex() == str(other.obis)
            assert (entry.status, entry.unit, entry.scaler) == (other.status, other.unit, other.scaler)
            assert seconds(entry.val_time) == other.val_time
            assert same_value(entry.value, other.value)
            assert (entry.signature.hex() if entry.signature else None) == other.value_signature


def seconds(moment: SmlTime | None) -> int | None:
    if moment is None:
        return None
    assert moment.kind is TimeKind.SEC_INDEX
    return moment.seconds


def same_value(ours: Any, theirs: Any) -> bool:
    """The other decoder gives hex for octets, or the text when they are letters and digits."""
    if isinstance(ours, bytes):
        return theirs == ours.hex() or theirs == ours.decode(errors="ignore")
    return ours == theirs and type(ours) is type(theirs)


@each_capture
def test_beside_pysml(capture: Path) -> None:
    for file in good_files(capture):
        end, frame = SmlBase.find_frame(file.frame)
        assert end == file.length
        assert frame is not None
        found = frame[1]["messageBody"]["valList"]
        for entry, other in zip(entries(file), found, strict=True):
            assert str(Obis.from_bytes(entry.obis)) == other["objName"]
            assert entry.status == other.get("status")
            if isinstance(entry.value, int):
                assert scaled(entry) == pytest.approx(other["value"], rel=1e-12)
                assert type(other.get("unit")) is (type(None) if entry.unit is None else str)
            elif isinstance(other["value"], bytes):
                assert entry.value == other["value"]


def scaled(entry: ListEntry) -> float:
    assert isinstance(entry.value, int)
    return entry.value * 10.0 ** (entry.scaler or 0)


@each_capture
def test_written_again_it_reads_the_same(capture: Path) -> None:
    for file in good_files(capture):
        assert decode_frame(encode_frame(file.messages)) == file.messages


@each_capture
def test_a_flipped_bit_gives_no_value(capture: Path) -> None:
    frame = good_files(capture)[0].frame
    step = 7
    for bit in range(0, 8 * len(frame), step):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeFault):
            decode_frame(bytes(flipped))
        stream = SmlStream()
        events = stream.receive_data(bytes(flipped)) + stream.receive_eof()
        assert not any(isinstance(event, SmlFileReceived) for event in events)


@each_capture
def test_octet_by_octet_is_the_same(capture: Path) -> None:
    data = capture.read_bytes()
    at_once, slowly = SmlStream(), SmlStream()
    expected = at_once.receive_data(data) + at_once.receive_eof()
    found = [event for place in range(len(data)) for event in slowly.receive_data(data[place : place + 1])]
    assert found + slowly.receive_eof() == expected
    assert slowly.skipped == at_once.skipped


@each_capture
def test_every_octet_is_explained(capture: Path) -> None:
    for file in good_files(capture):
        lines = list(explain(file.frame))
        assert sum(line.length for line in lines) == file.length
        assert not any("not understood" in line.meaning or "wrong" in line.meaning for line in lines)


def test_two_meters_on_one_line() -> None:
    """Interleaved octets of two meters give no value; afterwards each is read again."""
    left = good_files(shared_path("sml", "ISKRA_MT691_eHZ-MS2020.bin"))[0].frame
    right = good_files(shared_path("sml", "EMH_mME40-AE6AKF0K0.bin"))[0].frame
    mixed = bytes(octet for pair in zip(left, right, strict=False) for octet in pair)
    stream = SmlStream()
    assert not any(isinstance(event, SmlFileReceived) for event in stream.receive_data(mixed))
    events = stream.receive_data(left + right)
    assert [event.frame for event in events if isinstance(event, SmlFileReceived)] == [left, right]
    for size in (4, 16, 64, 100):
        chunks = (data[place : place + size] for place in range(0, len(left), size) for data in (left, right))
        stream = SmlStream()
        assert not any(isinstance(event, SmlFileReceived) for event in stream.receive_data(b"".join(chunks)) + stream.receive_eof())


@each_capture
def test_restarted_inside_a_file(capture: Path) -> None:
    frame = good_files(capture)[0].frame
    for cut in range(8, len(frame), 11):
        stream = SmlStream()
        events = stream.receive_data(frame[:cut] + frame)
        assert [type(event) for event in events] == [SmlFileRejected, SmlFileReceived]
        assert (events[0].offset, events[0].length, events[1].offset) == (0, cut, cut)
