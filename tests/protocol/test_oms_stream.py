"""Lines of a radio receiver: telegrams come out, however the octets are cut; nonsense is told and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.protocol.oms_stream import MAX_LINE, OmsReceived, OmsRejected, OmsStream

pytestmark = pytest.mark.req("LMN-04")


def test_lines_are_telegrams_with_their_place_in_the_stream() -> None:
    stream = OmsStream()
    assert stream.receive_data(b"0102\r\n\n  \nT1;1;1;2026-03-01 12:00:00;70;90;12345678;0x0A0B\nno hex\n") == [
        OmsReceived(0, b"\x01\x02"),
        OmsReceived(10, b"\x0a\x0b"),
        OmsRejected(59),
    ]
    assert stream.receive_data(b"01") == []
    assert stream.receive_eof() == [OmsRejected(66)]
    assert stream.receive_eof() == []


def test_a_line_without_end_costs_one_refusal_and_no_memory() -> None:
    stream = OmsStream()
    for _ in range(100):
        assert stream.receive_data(b"0" * MAX_LINE) == []
        assert len(stream._buffer) <= MAX_LINE
    assert [type(event) for event in stream.receive_data(b"0\n0102\n")] == [OmsRejected, OmsReceived]


@given(st.lists(st.sampled_from([b"0102", b"x", b"", b";0x03"]), max_size=6), st.integers(1, 9))
def test_cuts_change_nothing(lines: list[bytes], step: int) -> None:
    octets = b"".join(line + b"\n" for line in lines)
    whole, pieces = OmsStream(), OmsStream()
    found = [event for at in range(0, len(octets), step) for event in pieces.receive_data(octets[at : at + step])]
    assert found == whole.receive_data(octets)
