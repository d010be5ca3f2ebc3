"""German and English for the portal: both complete, numbers with every digit, days as their clocks show them."""

import re
from datetime import UTC, date, datetime
from importlib.resources import files

import msgspec
import pytest

from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.participant.portal.language import LANGUAGES, Language, choose

GERMAN, ENGLISH = Language("de"), Language("en")


def test_both_languages_say_everything_with_the_same_parameters() -> None:
    texts = msgspec.json.decode((files("smgw.participant.portal") / "texts.json").read_bytes(), type=dict[str, dict[str, str]])
    for key, text in texts.items():
        assert sorted(text) == sorted(LANGUAGES), key
        assert len({tuple(sorted(re.findall(r"{(\w+)}", text[code]))) for code in LANGUAGES}) == 1, key


@pytest.mark.req("MEAS-03")
@pytest.mark.parametrize(
    ("quantity", "german", "english"),
    [
        (Quantity(12_345_678, -1, 30), "1.234,5678 kWh", "1,234.5678 kWh"),
        (Quantity(-5, -1, 30), "−0,0005 kWh", "−0.0005 kWh"),
        (Quantity(1_234, 0, 27), "1.234 W", "1,234 W"),
        (Quantity((1 << 64) - 1, 3, 30), "18.446.744.073.709.551.615 kWh", "18,446,744,073,709,551,615 kWh"),
        (Quantity(7, 2, 255), "700", "700"),
    ],
)
def test_amounts_keep_every_digit(quantity: Quantity, german: str, english: str) -> None:
    assert GERMAN.amount(quantity).replace("\u00a0", " ") == german
    assert ENGLISH.amount(quantity).replace("\u00a0", " ") == english


def test_the_end_of_a_day_and_the_hour_that_comes_twice() -> None:
    day = date(2026, 10, 25)
    assert GERMAN.clock(datetime(2026, 10, 25, 23, 0, tzinfo=UTC), day) == "24:00"
    assert GERMAN.clock(datetime(2026, 10, 25, 0, 15, tzinfo=UTC), day) == "02:15\u00a0MESZ"
    assert GERMAN.clock(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), day) == "02:15\u00a0MEZ"
    assert ENGLISH.clock(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), day) == "02:15\u00a0CET"
    assert ENGLISH.long_day(day) == "Sunday, 25 October 2026"
    assert GERMAN.day(day) == "25.10.2026"


def test_registers_have_names() -> None:
    assert GERMAN.register(Obis(1, 0, 1, 8, 2)) == "Bezug Tarif 2"
    assert ENGLISH.register(Obis(1, 0, 2, 8, 0)) == "Export"
    assert ENGLISH.register(Obis(7, 0, 3, 0, 0)) == "Register"


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [("de", "en", "en", "de"), (None, "de", "en", "de"), ("fr", None, "de-DE,en", "de"), (None, None, "", "en"), (None, None, "fr", "en")],
)
def test_the_choice_of_language(asked: str | None, remembered: str | None, accepted: str, expected: str) -> None:
    assert choose(asked, remembered, accepted) == expected
