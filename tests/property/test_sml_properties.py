import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.codec.sml.samples import METER_FILE, METER_FRAME
from tests.property.sml_strategies import files, list_responses, open_responses

from smgw.codec.sml import Checksum, SmlMessage, decode_frame, decode_messages, encode_frame, encode_messages, explain, fast, strict
from smgw.codec.sml.crc import MIRROR
from smgw.core.errors import DecodeFault
from smgw.protocol.sml_stream import SmlEvent, SmlFileReceived, SmlStream

bits = st.integers(0, 2**20)


def flipped(data: bytes, places: list[int]) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place // 8 % len(data)] ^= 1 << place % 8
    return bytes(changed)


@given(files())
@settings(max_examples=150, deadline=None)
@pytest.mark.req("LMN-02", "MEAS-03")
def test_what_is_written_is_read(file: tuple[SmlMessage, ...]) -> None:
    assert decode_messages(encode_messages(file)) == file
    assert decode_frame(encode_frame(file)) == file


@given(files(), bits)
@settings(max_examples=150, deadline=None)
@pytest.mark.req("LMN-04")
def test_one_flipped_bit_is_refused(file: tuple[SmlMessage, ...], bit: int) -> None:
    with pytest.raises(DecodeFault):
        decode_frame(flipped(encode_frame(file), [bit]))


@given(st.lists(files(), max_size=3), st.lists(st.binary(max_size=12), min_size=4, max_size=4), st.lists(bits, max_size=3), st.data())
@settings(max_examples=100, deadline=None)
def test_pieces_do_not_matter(contents: list, garbage: list[bytes], places: list[int], data: st.DataObject) -> None:
    octets = garbage[0] + b"".join(encode_frame(file) + rest for file, rest in zip(contents, garbage[1:], strict=False))
    assume(octets)
    octets = flipped(octets, places)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=20)))
    limit = data.draw(st.sampled_from([100, 1000, 65536]))

    def receive(pieces: list[bytes]) -> tuple[list[SmlEvent], int]:
        stream = SmlStream(limit)
        events = [event for piece in pieces for event in stream.receive_data(piece)]
        return events + stream.receive_eof(), stream.skipped

    at_once = receive([octets])
    assert receive([octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]) == at_once
    assert receive([bytes((octet,)) for octet in octets]) == at_once
    assert sum(event.length for event in at_once[0]) + at_once[1] == len(octets)


def same_both_ways(data: bytes) -> None:
    quick = fast.read_message(data, data.translate(MIRROR), 0, len(data), Checksum.X25)
    if quick is not None:
        assert strict.read_message(data, 0, len(data), Checksum.X25) == quick


def with_right_checksum(data: bytes) -> bytes:
    """Put the right checksum into a message that ends in `63 xx xx 00`."""
    content = data[:-4]
    return content + b"\x63" + Checksum.X25.of(content).to_bytes(2, "big") + b"\x00"


@given(open_responses | list_responses, st.lists(bits, max_size=3), st.sampled_from(METER_FILE))
@settings(max_examples=400, deadline=None)
def test_the_short_way_gives_what_the_strict_one_gives(body: object, places: list[int], usual: SmlMessage) -> None:
    for message in (SmlMessage(b"1", body), usual):
        same_both_ways(encode_messages([message]))
        data = flipped(encode_messages([message]), places)
        same_both_ways(data)
        same_both_ways(with_right_checksum(data))


@given(st.integers(0, len(METER_FRAME) - 1), st.binary(max_size=8), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_the_short_way_on_edited_messages(place: int, inserted: bytes, removed: int) -> None:
    for message in METER_FILE:
        data = encode_messages([message])
        at = place % (len(data) - 4)
        same_both_ways(with_right_checksum(data[:at] + inserted + data[at + removed : -4] + data[-4:]))


@given(files(), st.lists(bits, max_size=4), st.integers(0, 2000))
@settings(max_examples=100, deadline=None)
def test_explanations_cover_every_octet(file: tuple[SmlMessage, ...], places: list[int], cut: int) -> None:
    frame = flipped(encode_frame(file), places)
    for part in (frame, frame[:cut], frame[cut:]):
        position = 0
        for line in explain(part):
            if line.length:
                assert line.offset == position
            position += line.length
        assert position == len(part)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_good_file_between_anything_is_found(before: bytes, behind: bytes) -> None:
    assume(b"\x1b\x1b\x1b" not in before)
    stream = SmlStream()
    events = stream.receive_data(before + METER_FRAME + behind)
    assert [event.messages for event in events if isinstance(event, SmlFileReceived)] == [METER_FILE]
