import pytest
from tests.codec.sml.samples import ENTRIES, METER_FILE, RESPONSE_FILE, messages, raw_list, raw_message

from smgw.codec.sml import Checksum, GetListResponse, SmlMessage, encode_messages, fast, strict
from smgw.codec.sml.crc import MIRROR


def both(data: bytes) -> tuple[tuple[SmlMessage, int] | None, tuple[SmlMessage, int]]:
    return fast.read_message(data, data.translate(MIRROR), 0, len(data), Checksum.X25), strict.read_message(
        data, 0, len(data), Checksum.X25
    )


@pytest.mark.parametrize("message", METER_FILE, ids=lambda message: type(message.body).__name__)
def test_the_usual_goes_the_short_way(message: SmlMessage) -> None:
    quick, thorough = both(encode_messages([message]))
    assert quick == thorough == (message, len(encode_messages([message])))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.obis.hex())
def test_each_entry_alone(entry: object) -> None:
    (message,) = messages(GetListResponse(b"S", (entry,)))
    quick, thorough = both(encode_messages([message]))
    assert thorough[0] == message
    assert quick is None or quick == thorough


@pytest.mark.parametrize("message", RESPONSE_FILE[2:-1], ids=lambda message: type(message.body).__name__)
def test_the_rare_is_left_to_the_strict_decoder(message: SmlMessage) -> None:
    quick, thorough = both(encode_messages([message]))
    assert quick is None
    assert thorough[0] == message


@pytest.mark.parametrize("head", [*range(0x52, 0x5A), *range(0x62, 0x6A)])
@pytest.mark.parametrize("content", [0x00, 0x7F, 0x80, 0xFF])
@pytest.mark.req("MEAS-03")
def test_integers_of_every_form(head: int, content: int) -> None:
    octets = bytes((head,)) + bytes((content,)) * ((head & 0x0F) - 1)
    quick, thorough = both(raw_list(f"77 07 0100010800ff 01 01 621e 5280 {octets.hex()} 01"))
    assert quick == thorough
    entry = thorough[0].body.entries[0]
    assert (entry.value_format, entry.scaler) == (head, -128)
    assert entry.value == int.from_bytes(octets[1:], "big", signed=head < 0x60)


def test_wrong_checksum_or_end_is_not_taken() -> None:
    data = encode_messages(METER_FILE[1:2])
    for place, flip in ((-2, 1), (-1, 1), (10, 0x20)):
        broken = bytearray(data)
        broken[place] ^= flip
        broken = bytes(broken)
        assert fast.read_message(broken, broken.translate(MIRROR), 0, len(broken), Checksum.X25) is None


def test_nothing_behind_the_end_is_taken() -> None:
    for message in METER_FILE:
        data = encode_messages([message])
        for end in range(len(data)):
            assert fast.read_message(data, data.translate(MIRROR), 0, end, Checksum.X25) is None


def test_sixteen_entries_and_more() -> None:
    for count in (0, 1, 15, 16, 17, 255, 256, 300):
        (message,) = messages(GetListResponse(b"S", ENTRIES[4:5] * count))
        quick, thorough = both(encode_messages([message]))
        assert thorough[0] == message
        assert (quick == thorough) == (count < 256)


def test_unknown_body() -> None:
    data = raw_message(bytes.fromhex("72 63 0909 7101"))
    assert fast.read_message(data, data.translate(MIRROR), 0, len(data), Checksum.X25) is None
