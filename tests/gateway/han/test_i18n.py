"""Languages: both catalogues say the same things, and numbers and times are written as each language does."""

import datetime as dt
import re
import string
from datetime import UTC, datetime
from importlib.resources import files
from typing import get_args

import pytest

from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.core.state import LampPattern, SignalPattern, State
from smgw.core.status_word import GATEWAY_OK, METER_FATAL, METER_IDENTIFICATION, METER_MAGNETIC, GatewayStatus
from smgw.gateway.han.i18n import Language, catalogue, choose, status_key

DE, EN = Language("de"), Language("en")


def parameters(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def sources() -> str:
    package = files("smgw.gateway.han")
    entries = [entry for folder in (package, package / "templates") for entry in folder.iterdir()]
    return "".join(entry.read_text() for entry in entries if entry.name.endswith((".html", ".py")))


@pytest.mark.req("CON-01")
def test_both_catalogues_have_the_same_keys_and_parameters() -> None:
    german, english = catalogue("de"), catalogue("en")
    assert list(german) == list(english)
    for key in german:
        assert parameters(german[key]) == parameters(english[key]), key
        assert german[key].strip() and english[key].strip(), key


def test_every_key_that_is_used_exists_and_every_key_is_used() -> None:
    text = sources()
    used = set(re.findall(r"""\b(?:t|text)\(\s*["']([a-z_0-9.]+)["']\s*[,)]""", text))
    assert used <= set(catalogue("de"))
    composed = tuple(re.findall(r"""["']([a-z_]+\.[a-z_]*)(?:["']\s*~|\{)""", text))
    assert [key for key in catalogue("de") if not re.search(rf"""["']{re.escape(key)}["']""", text) and not key.startswith(composed)] == []


def test_every_state_and_lamp_has_words() -> None:
    for language in (DE, EN):
        assert all(language.text(f"state.{state.value}") for state in State)
        assert all(language.text(f"led.{name}") for name in ("PWR", "TLS", "LMC", "wMT", *get_args(LampPattern), *get_args(SignalPattern)))


@pytest.mark.req("MEAS-03")
@pytest.mark.parametrize(
    "raw,scaler,unit,german,english",
    [
        (123456789, -1, 30, "12.345,6789 kWh", "12,345.6789 kWh"),
        (0, -1, 30, "0,0000 kWh", "0.0000 kWh"),
        (5, 3, 30, "5,000 kWh", "5.000 kWh"),
        (-431, 0, 27, "−431 W", "−431 W"),
        (2312, -1, 35, "231,2 V", "231.2 V"),
        (1234567, -3, 13, "1.234,567 m³", "1,234.567 m³"),
        (7, 0, 99, "7 unit 99", "7 unit 99"),
        (2**64 - 1, -4, 30, "1.844.674.407.370,9551615 kWh", "1,844,674,407,370.9551615 kWh"),
    ],
)
def test_numbers_keep_every_digit(raw: int, scaler: int, unit: int, german: str, english: str) -> None:
    quantity = Quantity(raw, scaler, unit)
    assert DE.quantity(quantity).replace("\u00a0", " ") == german
    assert EN.quantity(quantity).replace("\u00a0", " ") == english


def test_extreme_scalers_are_written_and_a_glance_is_rounded() -> None:
    assert EN.quantity(Quantity(2**64 - 1, 127, 30)).startswith("184,467,440,737")
    assert EN.quantity(Quantity(1, -128, 30)).startswith("0.0000")
    assert DE.quantity(Quantity(43715, -1, 30), 2) == "4,37\u00a0kWh"


def test_dates_and_times() -> None:
    moment = datetime(2026, 11, 20, 23, 15, 7, tzinfo=UTC)
    assert DE.moment(moment) == "21.11.2026, 00:15"
    assert EN.moment(moment, seconds=True).replace("\u00a0", " ") == "21 Nov 2026, 00:15:07"
    assert DE.long_date(dt.date(2026, 3, 1)) == "Sonntag, 1. März 2026"
    assert EN.long_date(dt.date(2026, 3, 1)) == "Sunday, 1 March 2026"


@pytest.mark.req("TIME-01")
def test_the_hour_that_comes_twice_is_told_apart() -> None:
    first, second = datetime(2026, 10, 25, 0, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert DE.clock(first) == "02:15\u00a0MESZ" and DE.clock(second) == "02:15\u00a0MEZ"
    assert EN.clock(first) == "02:15\u00a0CEST" and EN.clock(second) == "02:15\u00a0CET"
    assert DE.clock(datetime(2026, 10, 25, 2, 0, tzinfo=UTC)) == "03:00"


def test_durations() -> None:
    assert [EN.duration(seconds) for seconds in (900, 3600, 86_400, 90, 5400)] == ["15 min", "1 h", "1 d", "90 s", "90 min"]


@pytest.mark.parametrize(
    "code,german",
    [
        ("1-0:1.8.0*255", "Bezug"),
        ("1-0:2.8.2*255", "Einspeisung Tarif 2"),
        ("1-0:16.7.0*255", "Leistung"),
        ("1-0:36.7.0*255", "Leistung L1"),
        ("1-0:52.7.0*255", "Spannung L2"),
        ("1-0:71.7.0*255", "Strom L3"),
        ("1-0:14.7.0*255", "Netzfrequenz"),
        ("1-0:1.7.0*255", "Bezugsleistung"),
        ("7-0:3.0.0*255", "Gas"),
        ("1-0:96.50.1*1", "Register"),
        ("1-0:81.7.4*255", "Register"),
    ],
)
def test_registers_have_names(code: str, german: str) -> None:
    assert DE.register_name(Obis.parse(code)) == german
    assert EN.register_name(Obis.parse(code))


@pytest.mark.req("MEAS-01")
@pytest.mark.parametrize(
    "gateway,meter,raw,key",
    [
        (GATEWAY_OK, METER_IDENTIFICATION, 1, "measured"),
        (GATEWAY_OK | GatewayStatus.WARNING, METER_IDENTIFICATION, 1, "warning"),
        (GATEWAY_OK | GatewayStatus.TIME_NOT_VALID, METER_IDENTIFICATION, 1, "clock"),
        (GATEWAY_OK | GatewayStatus.METER_TAMPER, METER_IDENTIFICATION, 1, "tamper"),
        (GATEWAY_OK, METER_IDENTIFICATION | METER_MAGNETIC, 1, "invalid"),
        (GATEWAY_OK, METER_IDENTIFICATION | METER_FATAL, 1, "fatal"),
        (GATEWAY_OK, METER_IDENTIFICATION, None, "missing"),
    ],
)
def test_status_words_in_words(gateway: int, meter: int, raw: int | None, key: str) -> None:
    assert status_key(int(gateway), meter, raw) == key
    assert catalogue("de")[f"status.{key}"]


def test_language_choice() -> None:
    assert choose("en", "de", "de", "de") == "en"
    assert choose("fr", None, "de", "en") == "de"
    assert choose(None, None, None, "de-CH, fr") == "de"
    assert choose(None, None, None, "fr, de") == "en"
