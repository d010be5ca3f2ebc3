import pytest

from smgw.codec.sml import tlv
from smgw.core.errors import DecodeFault, UsageError


@pytest.mark.parametrize(
    ("octets", "offset", "detail"),
    [
        ("", 0, "missing"),
        ("82", 0, "cut off"),
        ("8182838485", 0, "more than 4"),
        ("8192", 1, "type bits"),
        ("11", 0, "reserved type 1"),
        ("2200", 0, "reserved type 2"),
        ("3200", 0, "reserved type 3"),
        ("00", 0, "end of message"),
        ("40", 0, "shorter"),
        ("8001", 0, "shorter"),
        ("0541", 0, "4 octets, 1 are left"),
        ("41", 0, "boolean of 0"),
        ("430000", 0, "boolean of 2"),
        ("51", 0, "integer of 0"),
        ("61", 0, "integer of 0"),
        ("6a000000000000000000", 0, "integer of 9"),
        ("7301", 0, "list of 3 elements in 1"),
        ("720165", 2, "4 octets, 0 are left"),
        ("7201", 0, "list of 2"),
        ("f0000000", 0, None),
    ],
)
@pytest.mark.req("LMN-04")
def test_broken_encoding(octets: str, offset: int, detail: str | None) -> None:
    data = bytes.fromhex(octets)
    if detail is None:
        assert tlv.read_node(data, 0, len(data)).value == ()
        return
    with pytest.raises(DecodeFault, match=detail) as caught:
        tlv.read_node(data, 0, len(data))
    assert (caught.value.code, caught.value.offset) == ("sml.structure", offset)


def test_end_is_a_wall() -> None:
    with pytest.raises(DecodeFault):
        tlv.read_node(b"\x05abcd", 0, 4)
    assert tlv.read_node(b"\x05abcd", 0, 5).value == b"abcd"


def test_depth_is_bounded() -> None:
    fits = b"\x71" * tlv.MAX_DEPTH + b"\x01"
    assert tlv.read_node(fits, 0, len(fits)).end == len(fits)
    deeper = b"\x71" * (tlv.MAX_DEPTH + 1) + b"\x01"
    with pytest.raises(DecodeFault, match="deeper") as caught:
        tlv.read_node(deeper, 0, len(deeper))
    assert caught.value.offset == tlv.MAX_DEPTH


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.req("MEAS-03")
def test_integers_of_every_width_keep_their_value(width: int) -> None:
    top = 1 << 8 * width
    for value in {0, 1, top // 2 - 1, top // 2, top - 1}:
        octets = tlv.write_integer(value, tlv.UNSIGNED, width)
        node = tlv.read_node(octets, 0, len(octets))
        assert (node.kind, node.value, node.head, node.end) == (tlv.UNSIGNED, value, 0x61 + width, width + 1)
    for value in {-top // 2, -1, 0, top // 2 - 1}:
        octets = tlv.write_integer(value, tlv.SIGNED, width)
        assert tlv.read_node(octets, 0, len(octets)).value == value
    for value, kind in ((top, tlv.UNSIGNED), (-1, tlv.UNSIGNED), (top // 2, tlv.SIGNED), (-top // 2 - 1, tlv.SIGNED)):
        with pytest.raises(UsageError, match=r"sml\.encode"):
            tlv.write_integer(value, kind, width)


@pytest.mark.parametrize(("length", "head"), [(0, "01"), (14, "0f"), (15, "8101"), (48, "8302"), (253, "8f0f"), (254, "818001")])
def test_length_of_octet_strings(length: int, head: str) -> None:
    octets = tlv.write_octets(bytes(length))
    assert octets.hex().startswith(head)
    node = tlv.read_node(octets, 0, len(octets))
    assert (node.value, node.end) == (bytes(length), len(octets))


@pytest.mark.parametrize(("count", "head"), [(0, "70"), (15, "7f"), (16, "f100"), (255, "ff0f"), (256, "f18000")])
def test_length_of_lists(count: int, head: str) -> None:
    octets = tlv.write_list(*[tlv.ABSENT] * count)
    assert octets.hex().startswith(head)
    assert tlv.read_node(octets, 0, len(octets)).value == tuple(
        tlv.Node(0, len(head) // 2 + n, len(head) // 2 + n + 1, 1, b"") for n in range(count)
    )


def test_a_longer_head_than_needed_is_read() -> None:
    assert tlv.read_node(b"\x80\x04ab", 0, 4).value == b"ab"


def test_length_that_no_head_holds() -> None:
    with pytest.raises(UsageError, match="length octets"):
        tlv.write_head(tlv.LIST, 1 << 16)


def test_booleans() -> None:
    assert tlv.read_node(tlv.write_boolean(True), 0, 2).value is True
    assert tlv.read_node(tlv.write_boolean(False), 0, 2).value is False
    assert tlv.read_node(b"\x42\x7f", 0, 2).value is True
