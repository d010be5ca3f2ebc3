"""Telegrams of wireless meters: a published example opens to its published values; whatever is changed, cut or not protected is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec.oms import Amount, main_register, open_telegram, read_telegram, session_keys, write_telegram
from smgw.core.errors import DecodeFault, PeerFault, SecurityFault
from smgw.core.obis import Obis

pytestmark = pytest.mark.req("LMN-04")

KEY = bytes(range(16))
# CEN/TR 17167 F.3, a gas meter of profile B: number 12345678, counter 0xAB3; the length is that without check sequences.
EXAMPLE = bytes.fromhex(
    "43449315785634123303"
    "8C2075"
    "900F002C25B30A000021924D4F2FB66E01"
    "7A7500200710"
    "9058475F4BC91DF878B80A1B0F98B629024AAC727942BFC549233C0140829B93"
)
GAS, HEAT, WATER, ELECTRICITY = 0x03, 0x04, 0x07, 0x02
CBC_AT, MAC_AT, COUNTER_AT = 36, 22, 18


def test_the_published_example_gives_its_published_keys_and_values() -> None:
    telegram = read_telegram(EXAMPLE)
    encryption, authentication = session_keys(KEY, telegram.counter, telegram.number)
    assert (encryption.hex(), authentication.hex()) == ("eccf39d475d730b8284fdfdc1995d52f", "c9cd19ff5a9aad5a6bbda13bd2c4c7ad")
    assert (telegram.server_id.hex(), telegram.counter) == ("019315785634123303", 0xAB3)
    content = open_telegram(telegram, KEY)
    assert content.hex().startswith("2f2f0c1427048502046d32371f1502fd170000")
    assert main_register(content, telegram.device_type) == Amount(Obis(7, 0, 3, 0, 0, 255), 2_850_427, -2, 13)


@pytest.mark.parametrize("at", range(10, len(EXAMPLE)))
def test_an_octet_that_is_changed_is_noticed(at: int) -> None:
    changed = bytearray(EXAMPLE)
    changed[at] ^= 0x01
    if at in (11, 12):
        # The number of an access at the radio layer is not covered, and says nothing.
        assert open_telegram(read_telegram(bytes(changed)), KEY)
        return
    with pytest.raises(PeerFault) as fault:
        open_telegram(read_telegram(bytes(changed)), KEY)
    assert fault.value.code.startswith("oms.")


def test_another_key_and_another_meters_telegram_do_not_open() -> None:
    with pytest.raises(SecurityFault, match=r"oms\.mac"):
        open_telegram(read_telegram(EXAMPLE), bytes(16))
    other = EXAMPLE[:4] + bytes([EXAMPLE[4] ^ 1]) + EXAMPLE[5:]
    with pytest.raises(SecurityFault, match=r"oms\.mac"):
        open_telegram(read_telegram(other), KEY)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (bytes([13]) + EXAMPLE[1:10] + bytes.fromhex("78021300"), "oms.unprotected"),
        (bytes([25]) + EXAMPLE[1:10] + bytes.fromhex("7a75001005") + bytes(11), "oms.unprotected"),
        (EXAMPLE[:33] + bytes.fromhex("2005") + EXAMPLE[35:], "oms.unprotected"),
        (EXAMPLE[:15] + bytes.fromhex("0028") + EXAMPLE[17:], "oms.unprotected"),
        (EXAMPLE[:17] + bytes([0x27]) + EXAMPLE[18:], "oms.unprotected"),
        (EXAMPLE[:-1], "oms.structure"),
        (bytes([len(EXAMPLE) - 2]) + EXAMPLE[1:-1], "oms.structure"),
        (b"", "oms.structure"),
    ],
    ids=["in clear", "mode 5", "mode 5 below a MAC", "no MAC", "a MAC of 16 octets", "cut", "cut, length right", "nothing"],
)
def test_what_is_not_profile_b_is_refused(octets: bytes, code: str) -> None:
    with pytest.raises(PeerFault) as fault:
        read_telegram(octets)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("device", "records", "amount"),
    [
        (ELECTRICITY, "0406d2040000", Amount(Obis(1, 0, 1, 8, 0, 255), 1234, 3, 30)),
        (ELECTRICITY, "07031500000000000000", Amount(Obis(1, 0, 1, 8, 0, 255), 21, 0, 30)),
        (HEAT, "0c0678563412", Amount(Obis(6, 0, 1, 0, 0, 255), 12_345_678, 3, 30)),
        (WATER, "02fd170000" + "0413d2040000", Amount(Obis(8, 0, 1, 0, 0, 255), 1234, -3, 13)),
        (WATER, "440301000000" + "441301000000" + "0413d2040000", Amount(Obis(8, 0, 1, 0, 0, 255), 1234, -3, 13)),
        (WATER, "0d781131323334353637383930313233343536" + "37" + "0413d2040000", Amount(Obis(8, 0, 1, 0, 0, 255), 1234, -3, 13)),
    ],
    ids=["kWh", "Wh of 8 octets", "BCD", "after an error flag", "after stored values", "after a text"],
)
def test_the_main_register_is_found(device: int, records: str, amount: Amount) -> None:
    assert main_register(bytes.fromhex("2f2f" + records), device) == amount


@pytest.mark.parametrize(
    ("device", "records"),
    [
        (WATER, "441301000000"),
        (WATER, "84100601000000"),
        (WATER, "0413d204"),
        (WATER, "0f0102"),
        (WATER, "0c13aa000000"),
        (0x0D, "0413d2040000"),
        (GAS, "84"),
        (GAS, "2f2f2f"),
    ],
)
def test_where_there_is_none_it_is_said(device: int, records: str) -> None:
    with pytest.raises(DecodeFault, match=r"oms\."):
        main_register(bytes.fromhex("2f2f" + records), device)


@given(st.binary(max_size=300), st.integers(0, 255))
def test_octets_from_outside_cause_nothing_but_faults_of_a_peer(octets: bytes, device: int) -> None:
    for deed in (lambda: open_telegram(read_telegram(octets), KEY), lambda: main_register(octets, device)):
        try:
            deed()
        except PeerFault as fault:
            assert fault.code.startswith("oms.")


@given(
    st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.integers(0, 99_999_999), st.sampled_from([ELECTRICITY, GAS, WATER])
)
def test_what_is_written_is_read(key: bytes, counter: int, value: int, device: int) -> None:
    server_id = b"\x01\x93\x15\x78\x56\x34\x12\x33" + bytes([device])
    records = bytes([0x04, 0x03 if device == ELECTRICITY else 0x13]) + value.to_bytes(4, "little")
    telegram = read_telegram(write_telegram(server_id, key, counter, records))
    assert (telegram.server_id, telegram.counter) == (server_id, counter)
    assert main_register(open_telegram(telegram, key), telegram.device_type).raw == value
