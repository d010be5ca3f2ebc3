import pytest

from smgw.codec.sml.crc import MIRROR, Checksum

CHECK = b"123456789"


def bit_by_bit(data: bytes, start: int, final: int) -> int:
    register = start
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return register ^ final


def swapped(value: int) -> int:
    return (value & 0xFF) << 8 | value >> 8


@pytest.mark.req("LMN-02")
def test_check_values_of_the_catalogue() -> None:
    assert Checksum.X25.of(CHECK) == swapped(0x906E)
    assert Checksum.KERMIT.of(CHECK) == 0x2189


def test_same_as_the_bitwise_form() -> None:
    for length in range(300):
        data = bytes((7 * place + length) & 0xFF for place in range(length))
        assert Checksum.X25.of(data) == swapped(bit_by_bit(data, 0xFFFF, 0xFFFF))
        assert Checksum.KERMIT.of(data) == bit_by_bit(data, 0, 0)


def test_mirror_is_its_own_inverse() -> None:
    assert bytes(range(256)).translate(MIRROR).translate(MIRROR) == bytes(range(256))
