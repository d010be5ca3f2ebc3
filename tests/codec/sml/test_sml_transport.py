import pytest
from tests.codec.sml.samples import METER_FRAME

from smgw.codec.sml import Checksum, decode_frame
from smgw.codec.sml.transport import ESCAPE, FRAME_START, START, Found, Mark, build_frame, check_frame, find_mark, unescape
from smgw.core.errors import DecodeFault


def checked(frame: bytes) -> bytes:
    """Put the right checksum under a frame."""
    return frame[:-2] + Checksum.X25.of(frame[:-2]).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("frame", "offset", "detail"),
    [
        (b"", 0, "no start"),
        (METER_FRAME[1:], 0, "no start"),
        (METER_FRAME[:-1], len(METER_FRAME) - 1, "no end"),
        (METER_FRAME + b"\x00", len(METER_FRAME), "behind the end"),
        (METER_FRAME[:100] + METER_FRAME, 100, "starts inside"),
        (METER_FRAME[:100] + ESCAPE + b"\x02\x02\x02\x02" + METER_FRAME[100:], 104, "unknown escape 02"),
        (FRAME_START + ESCAPE + b"\x1a\x01\x00\x00", 13, "1 fill octets"),
        (FRAME_START + bytes(8) + ESCAPE + b"\x1a\x04\x00\x00", 21, "4 fill octets"),
    ],
)
@pytest.mark.req("LMN-04")
def test_not_a_frame(frame: bytes, offset: int, detail: str) -> None:
    with pytest.raises(DecodeFault, match=detail) as caught:
        check_frame(frame)
    assert (caught.value.code, caught.value.offset) == ("sml.framing", offset)
    with pytest.raises(DecodeFault):
        decode_frame(frame)


@pytest.mark.parametrize("length", range(1, 9))
def test_fill_and_length(length: int) -> None:
    frame = build_frame(b"x" * length, Checksum.X25)
    assert len(frame) % 4 == 0
    assert check_frame(frame) == -length % 4
    assert frame == checked(frame)


@pytest.mark.parametrize("run", range(1, 30))
@pytest.mark.parametrize("around", [(b"", b""), (b"abc", b""), (b"", b"abc"), (b"\x01", b"\x1a"), (b"", START), (b"", b"\x1a\x00\x00\x00")])
@pytest.mark.req("LMN-02")
def test_runs_of_the_escape_octet_anywhere(run: int, around: tuple[bytes, bytes]) -> None:
    payload = around[0] + b"\x1b" * run + around[1]
    frame = build_frame(payload, Checksum.X25)
    fill = check_frame(frame)
    assert unescape(frame[8 : len(frame) - 8 - fill]).data == payload


def test_offsets_behind_escapes() -> None:
    payload = unescape(b"ab" + ESCAPE * 2 + b"cd" + ESCAPE * 2 + b"e")
    assert payload.data == b"ab" + ESCAPE + b"cd" + ESCAPE + b"e"
    assert payload.escapes == (2, 8)
    assert [payload.frame_offset(n) for n in (0, 1, 2, 3, 6, 8, 9, 12)] == [8, 9, 10, 15, 18, 20, 25, 28]


def test_search_goes_on_where_it_stopped() -> None:
    data = b"ab" + ESCAPE * 2 + ESCAPE[:3]
    assert find_mark(data, 0, len(data)) == Found(Mark.MORE, 10)
    assert find_mark(b"ab" + ESCAPE * 2, 0, 10) == Found(Mark.MORE, 10)
    assert find_mark(b"ab" + ESCAPE, 0, 6) == Found(Mark.MORE, 2)
    assert find_mark(b"abcdef", 0, 6) == Found(Mark.MORE, 3)
