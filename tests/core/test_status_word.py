"""Status words: forms that are refused, both bit orders, the four layouts, and the PTB scale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import PeerFault
from smgw.core.status_flags import GATEWAY_FLAGS, METER_FLAGS, mask_of
from smgw.core.status_word import (
    GATEWAY_OK,
    METER_FATAL,
    METER_IDENTIFICATION,
    METER_MAGNETIC,
    GatewayStatus,
    Layout,
    MeterKind,
    PtbStatus,
    flags_of,
    from_hex,
    identification_of,
    meter_kind,
    meter_word,
    oms_meter_word,
    parse_status,
    ptb_status,
    to_hex_lsb_first,
    to_hex_msb_first,
)

pytestmark = pytest.mark.req("MEAS-01")

WORDS = st.integers(0, (1 << 32) - 1)
DEFINED = mask_of(GATEWAY_FLAGS[Layout.V2])
GATEWAY_WORDS = st.integers(0, (1 << 32) - 1).map(lambda word: word & DEFINED | GATEWAY_OK)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a0",
        "000000000000000g",
        "0000000000000000",
        "8000000020000000",
        "2000000020000000",
        "a00000002000000",
        "a0000000200000000",
        "00000000",
        "00020000",
        "4",
        "99999999999999999999",
        "18446744073709551616",
        "+0000000500000004",
        "0000000500000004\n0000000500000004",
        "٠٠٠٠٠٠٠٥",
    ],
)
def test_what_carries_no_identification_is_refused(text: str) -> None:
    for read in (parse_status, from_hex):
        with pytest.raises(PeerFault, match=r"value\.status_word"):
            read(text)


@given(st.text(max_size=40) | st.text("0123456789abcdefA x:", max_size=24))
def test_any_text_gives_words_or_a_fault(text: str) -> None:
    try:
        found = parse_status(text)
    except PeerFault as fault:
        assert fault.code == "value.status_word"
    else:
        assert found.gateway is not None or found.meter is not None
        assert found.gateway is None or found.gateway & 5 == 5


@given(GATEWAY_WORDS, WORDS)
def test_both_bit_orders_read_back(gateway: int, meter: int) -> None:
    lsb, msb = to_hex_lsb_first(gateway, meter), to_hex_msb_first(gateway, meter)
    assert from_hex(lsb) == from_hex(msb.upper()) == (gateway, meter)
    assert parse_status(lsb).form.bit_0_first
    assert not parse_status(f"0x{msb}").form.bit_0_first
    decimal = str(int(msb, 16))
    if len(decimal) != 16:
        number = parse_status(decimal)
        assert (number.gateway, number.meter, number.form.number) == (gateway, meter, True)
    assert parse_status(f"{lsb[:8]} {lsb[8:]}")[:2] == (gateway, meter)


@given(GATEWAY_WORDS)
def test_a_gateway_word_alone_reads_back(gateway: int) -> None:
    assert parse_status(to_hex_lsb_first(gateway, 0)[:8])[:2] == (gateway, None)
    assert parse_status(to_hex_msb_first(gateway, 0)[:8])[:2] == (gateway, None)
    assert parse_status(str(gateway) if gateway > 10 else f"{gateway:08x}")[:2] == (gateway, None)


@given(WORDS, st.sampled_from([MeterKind.WIRED_ELECTRICITY, MeterKind.WIRED_GAS]))
def test_a_wired_meter_word_alone_reads_back(rest: int, kind: MeterKind) -> None:
    word = rest & 0x00FFFF00 | identification_of(kind)
    assert parse_status(to_hex_lsb_first(0, word)[8:])[:2] == (None, word)
    assert parse_status(to_hex_msb_first(0, word)[8:])[:2] == (None, word)
    assert meter_kind(GATEWAY_OK, word) is kind
    assert meter_word(word, kind) == word


@pytest.mark.parametrize(
    ("text", "gateway", "meter", "names"),
    [
        ("a000000020000000", 0x5, 0x4, []),
        ("0000000500000004", 0x5, 0x4, []),
        ("0000010500100504", 0x105, 0x100504, ["gateway_error", "active_power", "mechanical_tamper", "voltage_l3"]),
        ("e002000020000000", 0x4007, 0x4, ["not_for_billing", "meter_tamper"]),
        ("a0000000208c3800", 0x5, 0x1C3104, ["active_power", "export_l1", "export_l2", "voltage_l1", "voltage_l2", "voltage_l3"]),
        ("0000020508000008", 0x205, 0x08000008, ["time_not_valid", "warning_10"]),
    ],
)
def test_words_of_real_gateways(text: str, gateway: int, meter: int, names: list[str]) -> None:
    assert from_hex(text) == (gateway, meter)
    constant = ("gateway_word_0", "gateway_word_2", "meter_word", "gas_word")
    assert [found.flag.name for found in flags_of(gateway, meter) if found.flag.name not in constant] == names


def test_where_both_orders_carry_the_identification_the_one_without_undefined_bits_counts() -> None:
    assert from_hex("a0000007" + "00000004") == (0xA0000007, 4)
    assert from_hex("e0c00005" + "20000000") == (0xA0000307, 4)


@given(WORDS, WORDS, st.sampled_from(Layout))
def test_every_set_bit_is_named_once_in_order(gateway: int, meter: int, layout: Layout) -> None:
    found = flags_of(gateway, meter, layout)
    assert [flag.bit for word, flag in found if word == "gateway"] == [bit for bit in range(32) if gateway >> bit & 1]
    assert [flag.bit for word, flag in found if word == "meter"] == [bit for bit in range(32) if meter >> bit & 1]
    assert ptb_status(gateway, meter, layout) == max((flag.rank for _, flag in found), default=PtbStatus.NONE)
    assert all(flag.en and flag.de for _, flag in found)


def test_the_tables_name_each_bit_once() -> None:
    for flags in (*GATEWAY_FLAGS.values(), *METER_FLAGS.values()):
        assert len({flag.bit for flag in flags}) == len({flag.name for flag in flags}) == len(flags)
        assert [flag.bit for flag in flags] == sorted(flag.bit for flag in flags)
    named = {1 << flag.bit for flag in GATEWAY_FLAGS[Layout.V2]}
    assert named == {int(bit) for bit in GatewayStatus.__members__.values() if bit.bit_count() == 1} | {1, 4}


@pytest.mark.parametrize(
    ("gateway", "meter", "layout", "expected"),
    [
        (GATEWAY_OK, 0x1C0104, Layout.V2, PtbStatus.NONE),
        (GATEWAY_OK | GatewayStatus.WARNING, 4, Layout.V2, PtbStatus.WARNING),
        (GATEWAY_OK | GatewayStatus.WARNING | GatewayStatus.TIME_NOT_VALID, 4, Layout.V2, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK | GatewayStatus.NO_VALUE, 4, Layout.V2, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK | GatewayStatus.VALUE_TRIGGERED, 4, Layout.V2, PtbStatus.NONE),
        (GATEWAY_OK, 4 | METER_MAGNETIC, Layout.V2, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK, 4 | METER_FATAL, Layout.V2, PtbStatus.FATAL),
        (GATEWAY_OK | GatewayStatus.ERROR, 4, Layout.V2, PtbStatus.FATAL),
        (GATEWAY_OK | 0x2000, 4, Layout.FNN_OLD, PtbStatus.TEMPORARY_ERROR_USABLE),
        (GATEWAY_OK | 0x4000, 4, Layout.FNN_OLD, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK | 0x6000, 4, Layout.FNN_OLD, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK | 0x2, 4, Layout.FNN_OLD, PtbStatus.NONE),
        (GATEWAY_OK | GatewayStatus.WIRELESS, 4 | METER_FATAL, Layout.FNN_OLD, PtbStatus.FATAL),
        (GATEWAY_OK, 0x8 | 1 << 12, Layout.V2, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK, 0x8 | 1 << 20, Layout.V2, PtbStatus.WARNING),
        (GATEWAY_OK, 0x8 | METER_FATAL, Layout.V2, PtbStatus.FATAL),
        (GATEWAY_OK, 0x8 | 1 << 28, Layout.V2, PtbStatus.NONE),
        # The same bits of a wireless meter's word are flags of EF3 there.
        (GATEWAY_OK | GatewayStatus.WIRELESS, METER_FATAL | METER_MAGNETIC, Layout.V2, PtbStatus.NONE),
        (GATEWAY_OK | GatewayStatus.WIRELESS, oms_meter_word((0, 0, 0), 0x04), Layout.V2, PtbStatus.WARNING),
        (GATEWAY_OK | GatewayStatus.WIRELESS, oms_meter_word((0, 0, 0), 0x10), Layout.V2, PtbStatus.TEMPORARY_ERROR),
        (GATEWAY_OK | GatewayStatus.WIRELESS, oms_meter_word((0, 0, 0), 0x08), Layout.V2, PtbStatus.FATAL),
    ],
)
def test_the_ptb_scale(gateway: int, meter: int, layout: Layout, expected: PtbStatus) -> None:
    assert ptb_status(int(gateway), meter, layout) is expected


@given(st.tuples(*[st.integers(0, 255)] * 4))
def test_the_octets_of_a_wireless_meter_keep_their_bits_in_reverse(octets: tuple[int, int, int, int]) -> None:
    word = oms_meter_word(octets[:3], octets[3])
    names = {found.flag.name for found in flags_of(GATEWAY_OK | GatewayStatus.WIRELESS, word) if found.word == "meter"}
    expected = {f"ef{place + 1}_{bit}" for place in range(3) for bit in range(8) if octets[place] >> bit & 1}
    sts = ("sts_0", "application_error", "low_supply", "permanent_error", "temporary_error", "sts_5", "sts_6", "sts_7")
    assert names == expected | {sts[bit] for bit in range(8) if octets[3] >> bit & 1}


@pytest.mark.parametrize("status", [None, 0, 0x182, 1 << 32 | 4, 0x1C0108])
def test_a_word_that_is_not_of_the_layout_leaves_the_identification(status: int | None) -> None:
    assert meter_word(status) == METER_IDENTIFICATION


def test_a_gas_meter_keeps_its_own_word() -> None:
    assert meter_word(0x1108, MeterKind.WIRED_GAS) == 0x1108
    assert meter_word(0x1104, MeterKind.WIRED_GAS) == identification_of(MeterKind.WIRED_GAS) == 8
    assert identification_of(MeterKind.WIRELESS) == 0
