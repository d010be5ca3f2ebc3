import pytest
from tests.codec.sml.samples import METER_FILE, REQUEST_FILE, RESPONSE_FILE

from smgw.codec.sml import Checksum, SmlMessage, encode_messages
from smgw.codec.sml.strict import read_message
from smgw.core.errors import DecodeFault

ALL = (*METER_FILE, *RESPONSE_FILE, *REQUEST_FILE)


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message.body).__name__)
@pytest.mark.req("LMN-04")
def test_a_message_cut_anywhere_is_a_fault(message: SmlMessage) -> None:
    data = encode_messages([message])
    assert read_message(data, 0, len(data), Checksum.X25) == (message, len(data))
    for end in range(len(data)):
        with pytest.raises(DecodeFault) as caught:
            read_message(data, 0, end, Checksum.X25)
        assert caught.value.code == "sml.structure"
        assert 0 <= caught.value.offset <= end


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message.body).__name__)
def test_a_message_with_any_bit_flipped_is_a_fault(message: SmlMessage) -> None:
    data = encode_messages([message])
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found, _ = read_message(bytes(flipped), 0, len(flipped), Checksum.X25)
        except DecodeFault as fault:
            assert fault.code in {"sml.structure", "sml.message_crc"}
            assert 0 <= fault.offset <= len(data)
        else:
            pytest.fail(f"bit {bit} gives {found}")
