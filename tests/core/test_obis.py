"""OBIS codes: wrong ones are refused, and each of the three forms is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import PeerFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT, ERROR_REGISTER_TARIFF, Obis

GROUP = st.integers(0, 255)
CODES = st.builds(Obis, GROUP, GROUP, GROUP, GROUP, GROUP, GROUP)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.8.0",
        "1-0:1.8.0*256",
        "256-0:1.8.0",
        "1-0:1.8",
        "1-0:1.8.0*",
        " 1-0:1.8.0",
        "1-0:1.8.0\n",
        "١-0:1.8.0",
        "0100010800f",
        "0100010800fg",
    ],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(PeerFault, match=r"value\.obis"):
        Obis.parse(text)


@pytest.mark.parametrize("octets", [b"", bytes(5), bytes(7)])
def test_a_code_has_six_octets(octets: bytes) -> None:
    with pytest.raises(PeerFault, match=r"value\.obis"):
        Obis.from_bytes(octets)


@pytest.mark.req("MEAS-01")
@given(CODES)
def test_every_form_is_read_back(code: Obis) -> None:
    assert Obis.parse(str(code)) == Obis.parse(code.hex) == Obis.parse(code.hex.upper()) == Obis.from_bytes(bytes(code)) == code


@pytest.mark.req("MEAS-01")
def test_group_f_may_be_left_out() -> None:
    assert Obis.parse("1-0:1.8.0") == ACTIVE_ENERGY_IMPORT
    assert ACTIVE_ENERGY_IMPORT.hex == "0100010800ff"


@given(CODES, GROUP)
def test_a_tariff_stage_changes_group_e_alone(code: Obis, tariff: int) -> None:
    staged = code.with_tariff(tariff)
    assert staged.e == tariff
    assert staged.with_tariff(code.e) == code


@pytest.mark.req("TAF-20")
def test_the_error_register() -> None:
    assert str(ACTIVE_ENERGY_IMPORT.with_tariff(ERROR_REGISTER_TARIFF)) == "1-0:1.8.63*255"


@given(CODES, CODES)
def test_codes_are_ordered_as_their_octets(first: Obis, second: Obis) -> None:
    assert (first < second) == (bytes(first) < bytes(second))
