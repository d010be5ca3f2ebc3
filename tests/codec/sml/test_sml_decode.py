import pytest
from tests.codec.sml.samples import (
    ENTRIES,
    LIST_RESPONSE,
    METER_FILE,
    METER_FRAME,
    OPEN_REQUEST,
    OPEN_RESPONSE,
    RAW_CLOSE,
    RAW_OPEN,
    REQUEST_FILE,
    REQUESTS,
    RESPONSE_FILE,
    RESPONSES,
    messages,
    raw_frame,
    raw_list,
    raw_message,
)

from smgw.codec.sml import (
    Checksum,
    GetListResponse,
    ListEntry,
    PublicCloseRequest,
    PublicCloseResponse,
    SmlMessage,
    SmlTime,
    TimeKind,
    decode_frame,
    decode_messages,
    encode_frame,
    encode_messages,
)
from smgw.codec.sml.transport import ESCAPE, build_frame
from smgw.core.errors import DecodeFault

NAME = "07 0100010800ff"


def fault_of(frame: bytes) -> DecodeFault:
    with pytest.raises(DecodeFault) as caught:
        decode_frame(frame)
    return caught.value


def test_five_reasons_and_their_offsets() -> None:
    cut = METER_FRAME[:-1]
    wrong_transport = METER_FRAME[:-1] + bytes((METER_FRAME[-1] ^ 1,))
    payload = bytearray(METER_FRAME[8 : -8 - METER_FRAME[-3]])
    payload[20] ^= 1
    wrong_message = build_frame(bytes(payload), Checksum.X25)
    wrong_structure = raw_frame(RAW_OPEN, raw_message(b"\x72\x63\x07\x01\x76"), RAW_CLOSE)
    wrong_meaning = raw_frame(RAW_OPEN, raw_message(bytes.fromhex("72 63 0909 7101")), RAW_CLOSE)
    faults = [fault_of(frame) for frame in (cut, wrong_transport, wrong_message, wrong_structure, wrong_meaning)]
    assert [(fault.code, fault.offset) for fault in faults] == [
        ("sml.framing", len(METER_FRAME) - 1),
        ("sml.transport_crc", len(METER_FRAME) - 2),
        ("sml.message_crc", METER_FRAME.index(b"\x63", 40)),
        ("sml.structure", faults[3].offset),
        ("sml.semantic", 8 + len(RAW_OPEN) + 10),
    ]
    assert 8 + len(RAW_OPEN) < faults[3].offset < len(wrong_structure) - 8


@pytest.mark.parametrize(
    ("message", "offset", "detail"),
    [
        (bytes.fromhex("7401010101"), 0, "six elements"),
        (b"\x05abcd", 0, "six elements"),
        (raw_message(bytes.fromhex("7263 0701 71 01"))[:-1] + b"\x01", -1, "end of message"),
        (raw_message(bytes.fromhex("01")), 9, "messageBody: list expected, nothing found"),
        (raw_message(bytes.fromhex("71 630701")), 9, "choice of 1"),
        (raw_message(bytes.fromhex("72 0201 01")), 10, "unsigned expected, octet string found"),
        (raw_message(bytes.fromhex("72 66 0000000701 7101")), 10, "more than 4"),
        (raw_message(bytes.fromhex("72 63 0201 72 01 01")), 13, "SML_PublicClose.Res: 2 elements, 1 expected"),
        (raw_message(bytes.fromhex("72 63 0201 01")), 13, "SML_PublicClose.Res: list expected, nothing found"),
        (raw_message(bytes.fromhex("72 63 0201 71 6201")), 14, "globalSignature: octet string expected"),
        (raw_message(bytes.fromhex("72 63 0201 71 01"), head="7604000001 6200 01"), 7, "abortOnError: unsigned expected, nothing found"),
        (raw_message(bytes.fromhex("72 63 0201 71 01"), head="7604000001 630000 6200"), 5, "groupNo: more than 1"),
        (raw_message(bytes.fromhex("72 63 0201 71 01"), head="7604000001 E00300 6200"), 5, "groupNo: more than 1"),
        (raw_list("76 01 01 01 01 01 01"), 20, "SML_ListEntry: 6 elements"),
        (raw_list(f"77 {NAME} 0201 01 01 01 01 01"), 28, "status: unsigned expected"),
        (raw_list(f"77 {NAME} 5201 01 01 01 01 01"), 28, "status: unsigned expected, signed found"),
        (raw_list(f"77 {NAME} 01 660000000000 01 01 01 01"), 29, "valTime: more than 4"),
        (raw_list(f"77 {NAME} 01 71 6201 01 01 01 01"), 29, "valTime: choice of 1"),
        (raw_list(f"77 {NAME} 01 72 6203 72 6201 5200 01 01 01 01"), 32, "local time of 2"),
        (raw_list(f"77 {NAME} 01 72 6203 6201 01 01 01 01"), 32, "list expected"),
        (raw_list(f"77 {NAME} 01 01 631e00 01 01 01"), 30, "unit: more than 1"),
        (raw_list(f"77 {NAME} 01 01 01 62ff 01 01"), 31, "scaler: signed expected"),
        (raw_list(f"77 {NAME} 01 01 01 01 71 01 01"), 32, "value: choice of 1"),
        (raw_list(f"77 {NAME} 01 01 01 01 01 6201"), 33, "valueSignature: octet string expected"),
        (raw_message(bytes.fromhex("72 63 0100 77 01 01 01 01 01 01 5201")), 20, "smlVersion: unsigned expected"),
        (raw_message(bytes.fromhex("72 63 0500 75 01 01 01 71 6201 01")), 18, "parameterTreePath: octet string expected"),
        (raw_message(bytes.fromhex("72 63 0300 79 01 01 01 6201 01 01 70 01 01")), 17, "withRawdata: boolean expected"),
        (raw_message(bytes.fromhex("72 63 0301 78 01 01 01 70 70 70 01 01")), 15, "actTime: list expected, nothing found"),
        (raw_message(bytes.fromhex("72 63 0301 78 01 650000000101 70 70 70 01 01")), 20, "regPeriod: unsigned expected, nothing found"),
        (raw_message(bytes.fromhex("72 63 0501 73 01 70 73 01 71 6201 01")), 18, "parameterValue: choice of 1"),
    ],
)
@pytest.mark.req("LMN-04")
def test_structure(message: bytes, offset: int, detail: str) -> None:
    fault = fault_of(raw_frame(RAW_OPEN, message, RAW_CLOSE))
    assert fault.code == "sml.structure"
    assert detail in fault.detail
    assert fault.offset == 8 + len(RAW_OPEN) + offset % len(message)


@pytest.mark.parametrize(
    ("message", "offset", "detail"),
    [
        (raw_message(bytes.fromhex("72 63 0801 71 01")), 10, "unknown message body 0801"),
        (raw_list(f"77 {NAME} 01 72 6204 6201 01 01 01 01"), 30, "valTime: unknown kind of time 4"),
        (raw_list(f"77 {NAME} 01 01 01 01 72 6202 01 01"), 33, "value: unknown kind of list 2"),
        (raw_message(bytes.fromhex("72 63 0501 73 01 70 73 01 72 6206 01 01")), 19, "parameterValue: unknown kind of value 6"),
    ],
)
def test_semantics(message: bytes, offset: int, detail: str) -> None:
    fault = fault_of(raw_frame(RAW_OPEN, message, RAW_CLOSE))
    assert (fault.code, fault.detail, fault.offset) == ("sml.semantic", detail, 8 + len(RAW_OPEN) + offset)


def test_encoding_before_checksum_before_content() -> None:
    unknown_body = raw_message(bytes.fromhex("72 63 0801 71 01"))
    assert fault_of(raw_frame(RAW_OPEN, unknown_body, RAW_CLOSE)).code == "sml.semantic"
    wrong = unknown_body[:-3] + b"\x00\x01\x00"
    assert fault_of(raw_frame(RAW_OPEN, wrong, RAW_CLOSE)).code == "sml.message_crc"
    assert fault_of(raw_frame(RAW_OPEN, wrong[:-1] + b"\x07", RAW_CLOSE)).code == "sml.structure"


def test_octets_behind_the_last_message() -> None:
    fault = fault_of(raw_frame(RAW_OPEN, RAW_CLOSE, b"\x00\x00"))
    assert (fault.code, fault.offset) == ("sml.structure", 8 + len(RAW_OPEN) + len(RAW_CLOSE))


@pytest.mark.parametrize(
    ("bodies", "place", "detail"),
    [
        ((), 0, "without a message"),
        ((LIST_RESPONSE, PublicCloseResponse()), 0, "does not begin"),
        ((OPEN_RESPONSE,), 0, "does not end with PublicCloseResponse"),
        ((OPEN_RESPONSE, LIST_RESPONSE), 1, "does not end with PublicCloseResponse"),
        ((OPEN_RESPONSE, LIST_RESPONSE, PublicCloseRequest()), 2, "does not end with PublicCloseResponse"),
        ((OPEN_REQUEST, REQUESTS[0], PublicCloseResponse()), 2, "does not end with PublicCloseRequest"),
        ((OPEN_RESPONSE, OPEN_RESPONSE, PublicCloseResponse()), 1, "PublicOpenResponse inside a file of responses"),
        ((OPEN_RESPONSE, PublicCloseResponse(), PublicCloseResponse()), 1, "PublicCloseResponse inside"),
        ((OPEN_RESPONSE, REQUESTS[0], PublicCloseResponse()), 1, "GetListRequest inside a file of responses"),
        ((OPEN_REQUEST, REQUESTS[0], RESPONSES[-1], PublicCloseRequest()), 2, "AttentionResponse inside a file of requests"),
    ],
)
def test_order_of_messages(bodies: tuple, place: int, detail: str) -> None:
    file = messages(*bodies)
    fault = fault_of(encode_frame(file))
    assert fault.code == "sml.semantic"
    assert detail in fault.detail
    assert fault.offset == 8 + len(encode_messages(file[:place]))


@pytest.mark.req("LMN-02")
@pytest.mark.parametrize("file", [METER_FILE, RESPONSE_FILE, REQUEST_FILE], ids=["meter", "responses", "requests"])
@pytest.mark.parametrize("checksum", Checksum)
def test_every_message_both_ways(file: tuple[SmlMessage, ...], checksum: Checksum) -> None:
    assert decode_frame(encode_frame(file, checksum=checksum), checksum=checksum) == file
    assert decode_messages(encode_messages(file, checksum=checksum), checksum=checksum) == file


def test_a_checksum_of_the_other_kind_is_wrong() -> None:
    frame = encode_frame(METER_FILE, checksum=Checksum.KERMIT)
    assert fault_of(frame).code == "sml.transport_crc"
    mixed = build_frame(encode_messages(METER_FILE, checksum=Checksum.KERMIT), Checksum.X25)
    assert fault_of(mixed).code == "sml.message_crc"


def test_a_frame_written_by_hand() -> None:
    written = raw_frame(
        raw_message(bytes.fromhex("72 630101 76 01 01 0246 0b0a01534d470000bc614e 72 6201 65017162a8 01")),
        raw_list(f"77 {NAME} 65001c0104 72 6201 65017162a8 621e 52ff 65 01677c7a 01", "77 07 0100100700ff 01 01 621b 5200 53 fe88 01"),
        RAW_CLOSE,
    )
    opened, listed, closed = decode_frame(written)
    moment = SmlTime(TimeKind.SEC_INDEX, 0x017162A8)
    assert opened.body.server_id == bytes.fromhex("0a01534d470000bc614e")
    assert opened.body.ref_time == moment
    assert opened.transaction_id == b"\x00\x00\x01"
    assert listed.body == GetListResponse(
        b"S",
        (
            ListEntry(bytes.fromhex("0100010800ff"), 0x1C0104, moment, 30, -1, 23_559_290, value_format=0x65),
            ListEntry(bytes.fromhex("0100100700ff"), None, None, 27, 0, -376, value_format=0x53),
        ),
    )
    assert closed.body == PublicCloseResponse()


def test_faults_behind_an_escape_stand_at_their_place_in_the_frame() -> None:
    wrong = raw_message(bytes.fromhex("72 63 0201 71 6201"))
    listed = raw_list(f"77 {NAME} 01 01 01 01 05 1b1b1b1b 01")
    frame = raw_frame(RAW_OPEN, listed, wrong, RAW_CLOSE)
    assert ESCAPE * 2 in frame
    fault = fault_of(frame)
    assert fault.offset == 8 + len(RAW_OPEN) + len(listed) + 4 + 14
    assert frame[fault.offset] == 0x62
    good = decode_frame(raw_frame(RAW_OPEN, listed, RAW_CLOSE))
    assert good[1].body.entries[0].value == ESCAPE


@pytest.mark.parametrize(
    ("element", "moment"),
    [
        ("6501020304", SmlTime(TimeKind.UNTAGGED, 0x01020304)),
        ("6205", SmlTime(TimeKind.UNTAGGED, 5)),
        ("72 6201 6501020304", SmlTime(TimeKind.SEC_INDEX, 0x01020304)),
        ("72 6202 6501020304", SmlTime(TimeKind.TIMESTAMP, 0x01020304)),
        ("72 6202 630304", SmlTime(TimeKind.TIMESTAMP, 0x0304)),
        ("72 6203 73 6501020304 53003c 5300b4", SmlTime(TimeKind.LOCAL_TIMESTAMP, 0x01020304, 60, 180)),
        ("72 6203 73 6501020304 52c4 5200", SmlTime(TimeKind.LOCAL_TIMESTAMP, 0x01020304, -60, 0)),
    ],
)
@pytest.mark.req("LMN-02")
def test_times_as_meters_send_them(element: str, moment: SmlTime) -> None:
    found = decode_frame(raw_frame(RAW_OPEN, raw_list(f"77 {NAME} 01 {element} 01 01 01 01"), RAW_CLOSE))
    assert found[1].body.entries[0].val_time == moment


def test_a_short_checksum_element() -> None:
    """Meters drop the first octet of a checksum when it is zero."""
    for number in range(2000):
        message = raw_message(bytes.fromhex("7263 0201 71 01"), head=f"7605{number:08x} 6200 6200")
        if message[-3] == 0:
            break
    else:
        pytest.fail("no checksum with a leading zero")
    short = message[:-4] + b"\x62" + message[-2:]
    assert decode_frame(raw_frame(RAW_OPEN, short))[1].body == PublicCloseResponse()


def test_an_empty_value_is_kept_as_an_entry() -> None:
    found = decode_frame(raw_frame(RAW_OPEN, raw_list(f"77 {NAME} 01 01 621e 52ff 01 01"), RAW_CLOSE))
    assert found[1].body.entries == (ListEntry(bytes.fromhex("0100010800ff"), None, None, 30, -1, None),)


def test_sizes_are_bounded() -> None:
    assert decode_frame(METER_FRAME, limit=len(METER_FRAME)) == METER_FILE
    with pytest.raises(DecodeFault, match="more than") as caught:
        decode_frame(METER_FRAME, limit=len(METER_FRAME) - 1)
    assert (caught.value.code, caught.value.offset) == ("sml.framing", len(METER_FRAME) - 1)
    with pytest.raises(DecodeFault, match="more than"):
        decode_messages(bytes(20), limit=19)
    deep = "73 01 01 71 " * 20 + "73 01 01 01"
    fault = fault_of(raw_frame(RAW_OPEN, raw_message(bytes.fromhex(f"72 63 0501 73 01 70 {deep}")), RAW_CLOSE))
    assert (fault.code, "deeper" in fault.detail) == ("sml.structure", True)


def test_long_lists() -> None:
    many = messages(OPEN_RESPONSE, GetListResponse(b"S", ENTRIES[:6] * 50), PublicCloseResponse())
    assert decode_frame(encode_frame(many)) == many
