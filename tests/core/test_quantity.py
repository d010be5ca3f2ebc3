"""Quantities: exact, or refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import DomainFault
from smgw.core.quantity import UNIT_SYMBOLS, Quantity, Unit, unit_symbol

RAW = st.integers(-(1 << 63), (1 << 64) - 1)
SCALERS = st.integers(-12, 12)
QUANTITIES = st.builds(Quantity, RAW, SCALERS, st.just(30))


def test_digits_are_never_lost() -> None:
    with pytest.raises(DomainFault, match=r"value\.scale"):
        Quantity(15, -1, 30).rescale(0)


def test_units_are_never_mixed() -> None:
    with pytest.raises(DomainFault, match=r"value\.unit"):
        Quantity(1, 0, 30).minus(Quantity(1, 0, 32))


@pytest.mark.req("MEAS-03")
@given(QUANTITIES, SCALERS)
def test_a_quantity_rescaled_is_the_same_amount(quantity: Quantity, scaler: int) -> None:
    try:
        changed = quantity.rescale(scaler)
    except DomainFault:
        assert quantity.raw % 10 ** (scaler - quantity.scaler)
    else:
        assert changed.scaler == scaler
        assert exact(changed) == exact(quantity)
        assert changed.rescale(min(scaler, quantity.scaler)) == quantity.rescale(min(scaler, quantity.scaler))


@pytest.mark.req("MEAS-03")
@given(QUANTITIES, QUANTITIES)
def test_a_difference_is_exact_at_the_finer_scaler(first: Quantity, second: Quantity) -> None:
    difference = first.minus(second)
    assert difference.scaler == min(first.scaler, second.scaler)
    assert exact(difference) == exact(first) - exact(second)


@given(QUANTITIES)
def test_the_decimal_is_the_amount(quantity: Quantity) -> None:
    assert Fraction(quantity.decimal()) == exact(quantity)


def exact(quantity: Quantity) -> Fraction:
    """Give the amount as a fraction, independent of the code under test."""
    return quantity.raw * Fraction(10) ** quantity.scaler


def test_units_have_symbols() -> None:
    assert set(Unit) <= set(UNIT_SYMBOLS)
    assert (unit_symbol(30), unit_symbol(77)) == ("Wh", "unit 77")
