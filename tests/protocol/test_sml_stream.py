import pytest
from tests.codec.sml.samples import METER_FILE, METER_FRAME, RAW_CLOSE, RAW_OPEN, messages, raw_frame, raw_list, raw_message

from smgw.codec.sml import Checksum, SmlMessage, encode_frame, encode_messages
from smgw.codec.sml.transport import ESCAPE, FRAME_START, build_frame
from smgw.core.error_codes import ERROR_CODES
from smgw.protocol.sml_stream import SmlEvent, SmlFileReceived, SmlFileRejected, SmlReject, SmlStream

LENGTH = len(METER_FRAME)
GOOD = SmlFileReceived


def received(data: bytes, *, limit: int = 65536) -> tuple[list[SmlEvent], int]:
    """Feed at once, octet by octet and in odd pieces; all must give the same."""
    results = []
    for size in (len(data) or 1, 1, 3, 7, 100):
        stream = SmlStream(limit)
        events = [event for place in range(0, len(data), size) for event in stream.receive_data(data[place : place + size])]
        results.append((events + stream.receive_eof(), stream.skipped))
    assert all(result == results[0] for result in results)
    events, skipped = results[0]
    assert sum(event.length for event in events) + skipped == len(data)
    return results[0]


def outline(data: bytes, *, limit: int = 65536) -> list[tuple[object, ...]]:
    events, _ = received(data, limit=limit)
    return [
        ("good", event.offset, event.length)
        if isinstance(event, GOOD)
        else (event.reason.value, event.offset, event.length, event.fault_offset)
        for event in events
    ]


def broken_transport() -> bytes:
    return METER_FRAME[:40] + bytes((METER_FRAME[40] ^ 4,)) + METER_FRAME[41:]


def broken_message() -> bytes:
    payload = bytearray(encode_messages(METER_FILE))
    payload[20] ^= 1
    return build_frame(bytes(payload), Checksum.X25)


BROKEN = {
    "transport_crc": (broken_transport(), LENGTH - 2),
    "message_crc": (broken_message(), METER_FRAME.index(b"\x63", 40)),
    "structure": (raw_frame(RAW_OPEN, b"\x05abcd", RAW_CLOSE), 8 + len(RAW_OPEN)),
    "semantic": (raw_frame(RAW_OPEN, raw_message(bytes.fromhex("72 63 0909 7101")), RAW_CLOSE), 8 + len(RAW_OPEN) + 10),
    "framing": (METER_FRAME[:-3] + b"\x09\x00\x00", LENGTH - 3),
}


@pytest.mark.parametrize("reason", SmlReject)
@pytest.mark.req("LMN-04")
def test_each_reason_between_two_good_files(reason: SmlReject) -> None:
    frame, fault = BROKEN[reason.value]
    assert outline(METER_FRAME + frame + METER_FRAME) == [
        ("good", 0, LENGTH),
        (reason.value, LENGTH, len(frame), LENGTH + fault),
        ("good", LENGTH + len(frame), LENGTH),
    ]
    assert reason.code in ERROR_CODES


def test_nothing() -> None:
    assert received(b"") == ([], 0)


@pytest.mark.parametrize("garbage", [b"x" * 1000, b"\x1b" * 3, FRAME_START[:7], ESCAPE + b"\x1a\x00\x00\x00", METER_FRAME[1:]])
def test_garbage_alone_is_counted(garbage: bytes) -> None:
    assert received(garbage) == ([], len(garbage))


@pytest.mark.parametrize("garbage", [b"", b"x", b"\x1b", b"\x1b" * 9, b"\x1b" * 4 + b"\x01\x01\x01", METER_FRAME[LENGTH // 2 :]])
@pytest.mark.req("LMN-02")
def test_a_listener_may_start_anywhere(garbage: bytes) -> None:
    events, skipped = received(garbage + METER_FRAME)
    assert [event.messages for event in events if isinstance(event, GOOD)] == [METER_FILE]
    assert skipped == len(garbage)


@pytest.mark.parametrize("cut", range(8, LENGTH))
@pytest.mark.req("LMN-04")
def test_restart_inside_a_file_at_every_octet(cut: int) -> None:
    events, _ = received(METER_FRAME[:cut] + METER_FRAME)
    assert [type(event) for event in events] == [SmlFileRejected, GOOD]
    assert (events[0].offset, events[0].length) == (0, cut)
    assert events[0].reason in (SmlReject.FRAMING, SmlReject.TRANSPORT_CRC)
    assert (events[1].offset, events[1].length) == (cut, LENGTH)


def test_many_restarts_then_recovery_with_the_next_file() -> None:
    pieces = [METER_FRAME[: 8 + 31 * number] for number in range(7)]
    found = outline(b"".join(pieces) + METER_FRAME)
    assert [line[0] for line in found] == ["framing"] * 7 + ["good"]


@pytest.mark.parametrize("cut", range(LENGTH))
def test_cut_off_at_the_end(cut: int) -> None:
    events, skipped = received(METER_FRAME[:cut])
    if cut < 8:
        assert (events, skipped) == ([], cut)
    else:
        assert events == [SmlFileRejected(0, cut, SmlReject.FRAMING, cut, "input ends inside a frame")]


def test_any_bit_flipped_gives_no_file() -> None:
    for bit in range(8 * LENGTH):
        flipped = bytearray(METER_FRAME)
        flipped[bit // 8] ^= 1 << bit % 8
        stream = SmlStream()
        events = stream.receive_data(bytes(flipped)) + stream.receive_eof()
        assert not any(isinstance(event, GOOD) for event in events), bit


def test_the_file_behind_a_flipped_bit_is_read() -> None:
    for bit in range(0, 8 * LENGTH, 5):
        flipped = bytearray(METER_FRAME)
        flipped[bit // 8] ^= 1 << bit % 8
        stream = SmlStream()
        events = stream.receive_data(bytes(flipped) + METER_FRAME)
        assert isinstance(events[-1], GOOD), bit
        assert events[-1].offset == LENGTH


def test_unknown_escape_ends_the_frame() -> None:
    data = METER_FRAME[:50] + ESCAPE + b"\x02\x02\x02\x02" + METER_FRAME[50:] + METER_FRAME
    assert outline(data) == [("framing", 0, 50, 54), ("good", LENGTH + 8, LENGTH)]


@pytest.mark.parametrize("run", range(1, 20))
def test_escape_octets_in_values(run: int) -> None:
    frame = raw_frame(
        RAW_OPEN,
        raw_list(f"77 07 0100010800ff 01 01 01 01 {'81%02x' % (run + 2 - 16) if run > 13 else '%02x' % (run + 1)} {'1b' * run} 01"),
        RAW_CLOSE,
    )
    assert outline(frame + frame) == [("good", 0, len(frame)), ("good", len(frame), len(frame))]


class TestLimit:
    def test_a_frame_of_just_the_limit(self) -> None:
        assert outline(METER_FRAME, limit=LENGTH) == [("good", 0, LENGTH)]

    def test_one_octet_more(self) -> None:
        found = outline(METER_FRAME + METER_FRAME, limit=LENGTH - 1)
        assert [line[:2] for line in found] == [("framing", 0), ("framing", LENGTH)]

    def test_recovery_behind_an_endless_frame(self) -> None:
        data = FRAME_START + b"x" * 5000 + METER_FRAME
        assert outline(data, limit=LENGTH) == [("framing", 0, LENGTH - 7, LENGTH), ("good", 5008, LENGTH)]

    @pytest.mark.parametrize("shift", range(20))
    def test_a_start_at_the_limit(self, shift: int) -> None:
        data = FRAME_START + b"x" * (LENGTH - 18 + shift) + METER_FRAME
        found = outline(data, limit=LENGTH)
        assert found[-1] == ("good", LENGTH - 10 + shift, LENGTH)
        assert len(found) == 2

    def test_memory_is_bounded(self) -> None:
        stream = SmlStream(1000)
        stream.receive_data(FRAME_START)
        for _ in range(100):
            stream.receive_data(b"\x1b\x1b" * 50)
            assert len(stream._buffer) <= 1100

    def test_a_limit_below_the_smallest_frame(self) -> None:
        assert outline(METER_FRAME, limit=0)[0][0] == "framing"


def test_a_start_hidden_behind_a_cut_escape() -> None:
    cut = METER_FRAME[:-4]
    assert cut.endswith(ESCAPE)
    assert outline(cut + METER_FRAME) == [("transport_crc", 0, len(cut), len(cut) + LENGTH - 2), ("good", len(cut), LENGTH)]


def test_end_of_input_and_on() -> None:
    stream = SmlStream()
    assert stream.receive_data(b"ab" + METER_FRAME[:20]) == []
    assert stream.receive_eof()[0].offset == 2
    assert stream.receive_eof() == []
    (event,) = stream.receive_data(METER_FRAME)
    assert (event.offset, stream.skipped) == (22, 2)


def test_the_checksum_of_the_profile_is_used() -> None:
    kermit = encode_frame(METER_FILE, checksum=Checksum.KERMIT)
    (event,) = SmlStream(checksum=Checksum.KERMIT).receive_data(kermit)
    assert isinstance(event, GOOD)
    (event,) = SmlStream().receive_data(kermit)
    assert event.reason is SmlReject.TRANSPORT_CRC


def test_requests_go_through_as_well() -> None:
    file: tuple[SmlMessage, ...] = messages(*(message.body for message in METER_FILE))
    assert SmlStream().receive_data(encode_frame(file))[0].messages == file
