"""The wake-up packet: the vector of the spec octet for octet, every field at its place, and no other length."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec import wakeup
from smgw.codec.wakeup import (
    ALGORITHM_OF_KEY_BITS,
    ALGORITHMS,
    LEAST_OCTETS,
    MOST_OCTETS,
    decode_packet,
    encode_packet,
    explain,
    plain_signature,
    recipient_id,
    signed_part,
)
from smgw.core.errors import DecodeFault, UsageError
from smgw.core.identifiers import DeviceId

RECIPIENT = DeviceId.parse("EBSI0112345678")
MADE_AT = int(datetime(2012, 7, 13, 11, 1, 20, tzinfo=UTC).timestamp())
SIGNED = bytes.fromhex("5755010e4253490100bc614e0000005000000000" + "0b" * 12)
"""Signed part of 20-wan-crypto-pki 1.7."""
PACKET = bytes.fromhex(
    "5755010e4253490100bc614e00000050000000000b0b0b0b0b0b0b0b0b0b0b0b010a04007f000701010401035918142197fc0f4fdb6d41c421dcf8db"
    "4b19352bff0c80ca504fa92e39aeeadd241a9a4c50acdd2b3d0c7537da49cbebe24c3776262b49a77c5c161f6a1175a3"
)
"""Whole packet of the same place, RFC 6979 signature by KEY."""
KEY = ec.derive_private_key(0x203EE4F9BE0A5C652C580FD7506A2E00952DE37AEE952CDE777EABD3688E3020, ec.BrainpoolP256R1())


@pytest.mark.req("WAN-04")
def test_the_signed_part_is_that_of_the_spec() -> None:
    assert MADE_AT == 0x50000000
    assert signed_part(RECIPIENT, MADE_AT) == SIGNED


@pytest.mark.req("WAN-04")
def test_the_packet_is_that_of_the_spec() -> None:
    signature = KEY.sign(SIGNED, ec.ECDSA(ALGORITHM_OF_KEY_BITS[256].hash, deterministic_signing=True))
    assert encode_packet(SIGNED, ALGORITHM_OF_KEY_BITS[256], plain_signature(signature, 32)) == PACKET
    assert len(PACKET) == 108


def test_the_packet_of_the_spec_is_read() -> None:
    packet = decode_packet(PACKET)
    assert recipient_id(packet.recipient) == RECIPIENT
    assert packet.seconds("little") == MADE_AT
    assert packet.seconds("big") == 0x50_0000_0000
    assert packet.signed == SIGNED
    assert ALGORITHMS[packet.oid].dotted == "0.4.0.127.0.7.1.1.4.1.3"
    KEY.public_key().verify(wakeup.der_signature(packet.signature), packet.signed, ec.ECDSA(ALGORITHMS[packet.oid].hash))


def test_the_printed_example_has_the_other_order() -> None:
    assert signed_part(RECIPIENT, MADE_AT, "big")[12:20] == bytes.fromhex("0000000050000000")


@pytest.mark.parametrize("bits", [256, 384, 512])
def test_every_size_of_key_has_its_length(bits: int) -> None:
    packet = encode_packet(SIGNED, ALGORITHM_OF_KEY_BITS[bits], bytes(2 * bits // 8))
    assert len(packet) == 44 + 2 * bits // 8
    assert decode_packet(packet).signature == bytes(2 * bits // 8)


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize("octets", [0, 1, LEAST_OCTETS - 1, MOST_OCTETS + 1, 65_507])
def test_another_length_is_no_packet(octets: int) -> None:
    with pytest.raises(DecodeFault) as fault:
        decode_packet(PACKET[:octets].ljust(octets, b"\0"))
    assert fault.value.code == "wakeup.length"


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize(
    ("offset", "value", "code"),
    [
        (0, 0x77, "wakeup.structure"),
        (1, 0x77, "wakeup.structure"),
        (2, 0, "wakeup.version"),
        (2, 2, "wakeup.version"),
        (20, 0x0C, "wakeup.structure"),
        (31, 0, "wakeup.structure"),
        (32, 2, "wakeup.structure"),
        (33, 0, "wakeup.structure"),
        (33, 9, "wakeup.structure"),
        (33, 15, "wakeup.structure"),
        (33, 255, "wakeup.structure"),
    ],
)
def test_the_field_that_does_not_fit_is_named(offset: int, value: int, code: str) -> None:
    packet = bytearray(PACKET)
    packet[offset] = value
    with pytest.raises(DecodeFault) as fault:
        decode_packet(bytes(packet))
    assert fault.value.code == code
    assert fault.value.offset == max(start for start in (0, 2, 20, 32, 33) if start <= offset) or (offset, value) == (33, 9)


def test_a_signature_of_odd_length_is_refused() -> None:
    with pytest.raises(DecodeFault, match=r"^wakeup\.structure"):
        decode_packet(PACKET[:-1])


def test_what_can_not_be_sent_is_our_own_mistake() -> None:
    with pytest.raises(UsageError):
        signed_part(RECIPIENT, 1 << 63)
    for signed, signature in ((SIGNED[:-1], bytes(64)), (SIGNED, bytes(54)), (SIGNED, bytes(180))):
        with pytest.raises(UsageError):
            encode_packet(signed, ALGORITHM_OF_KEY_BITS[256], signature)


@pytest.mark.parametrize(
    "octets", [b"", bytes(9), bytes.fromhex("0e42536901ffffffff"), bytes.fromhex("0e4253490105f5e100"), bytes.fromhex("114253490100000000")]
)
def test_nine_octets_that_are_no_device_id(octets: bytes) -> None:
    assert recipient_id(octets) is None


@given(st.builds(DeviceId, st.sampled_from("123456789EFG"), st.from_regex(r"[A-Z]{3}", fullmatch=True), st.integers(0, 255),
                 st.integers(0, 99_999_999)), st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from(("little", "big")))  # fmt: skip
def test_what_is_written_is_read(device: DeviceId, seconds: int, order: wakeup.Order) -> None:
    packet = decode_packet(encode_packet(signed_part(device, seconds, order), ALGORITHM_OF_KEY_BITS[256], bytes(64)))
    assert recipient_id(packet.recipient) == device
    assert packet.seconds(order) == seconds


def test_every_octet_is_explained_once() -> None:
    lines = list(explain(PACKET))
    leaves = [line for index, line in enumerate(lines) if index + 1 == len(lines) or lines[index + 1].depth <= line.depth]
    position = 0
    for line in leaves:
        assert line.offset == position
        position += line.length
    assert position == len(PACKET)
    text = "\n".join(line.meaning for line in lines)
    assert "EBSI0112345678" in text and "2012-07-13T11:01:20Z" in text and "ecdsa-plain-SHA256" in text


def test_times_beyond_the_calendar_and_unknown_identifiers_are_explained_too() -> None:
    packet = bytearray(PACKET)
    packet[3:20] = b"\xff" * 17
    packet[34] = 0xFF
    text = "\n".join(line.meaning for line in explain(bytes(packet)))
    assert "not a device id" in text and "not known" in text
    packet[12:20] = (1 << 62).to_bytes(8, "little")
    assert f"{1 << 62} s" in "\n".join(line.meaning for line in explain(bytes(packet)))
