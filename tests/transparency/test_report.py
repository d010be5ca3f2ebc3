"""How the result of a check is shown: JSON, terminal, page."""

import io
import json

import pytest
from lxml import html
from msgspec.structs import replace
from rich.console import Console
from tests.trudi_files import EXPORT, START, berlin, device, meter_reading, quarter_hours, stage, supplier

from smgw.codec.trudi_model import Document, TariffStage
from smgw.core.errors import PeerFault
from smgw.transparency.recompute import verify
from smgw.transparency.report import amount_text, as_json, chart_of, error_json, print_error, print_table, render_html

END = berlin(2026, 11, 5)
FULL = quarter_hours(START, END)
EVIL = "<script>alert(1)</script>[red]\u009b31m"


def _result(readings: int = 97, tariff: Document | None = None, **changes: object) -> object:
    return verify(tariff or supplier(), device(meter_reading(FULL[:readings]), **changes))


@pytest.mark.req("CON-06")
def test_json_names_use_case_period_registers_and_findings() -> None:
    shown = json.loads(as_json(_result()))  # type: ignore[arg-type]
    assert shown == {
        "tariff_use_case": 2,
        "period": {"start": "2026-11-04T00:00:00+01:00", "end": "2026-11-05T00:00:00+01:00"},
        "registers": [
            {"obis": "1-0:1.8.1*255", "tariff": 1, "value": 360},
            {"obis": "1-0:1.8.2*255", "tariff": 2, "value": 600},
            {"obis": "1-0:1.8.63*255", "tariff": 63, "value": 0},
        ],
        "findings": [],
    }


def test_json_of_a_finding_tells_where_and_how_much() -> None:
    findings = json.loads(as_json(_result(90)))["findings"]  # type: ignore[arg-type]
    assert findings == [
        {
            "code": "no_valid_end",
            "register": "1-0:1.8.0*255",
            "to": "2026-11-04T22:15:00+01:00",
            "text": "No valid reading stands at the end of the billing period; use after 2026-11-04 22:15 is in no tariff register",
        }
    ]


def test_json_of_a_refusal_names_the_reason() -> None:
    assert json.loads(error_json(PeerFault("trudi.day_id", "no day profile 2"))) == {"error": "trudi.day_id", "detail": "no day profile 2"}


@pytest.mark.parametrize(
    ("value", "scaler", "uom", "german", "english"),
    [
        (360, -1, 72, "0,0360 kWh", "0.0360 kWh"),
        (4902078100, -4, 72, "490,2078100 kWh", "490.2078100 kWh"),
        (12345678, 0, 72, "12.345,678 kWh", "12,345.678 kWh"),
        (-5, 3, 72, "-5 kWh", "-5 kWh"),
        (1234567, -2, 42, "12.345,67 m³", "12,345.67 m³"),
        (7, 0, 0, "7", "7"),
    ],
)
@pytest.mark.req("MEAS-03")
def test_amounts_are_exact(value: int, scaler: int, uom: int, german: str, english: str) -> None:
    assert amount_text(value, scaler, uom, "de") == german
    assert amount_text(value, scaler, uom, "en") == english


def _table(result: object) -> str:
    out = io.StringIO()
    print_table(result, Console(file=out, width=120))  # type: ignore[arg-type]
    return out.getvalue()


def test_the_terminal_shows_registers_and_findings() -> None:
    shown = _table(_result())
    assert "1-0:1.8.63*255" in shown
    assert "0.0600 kWh" in shown
    assert "no findings" in shown
    assert "Signatures: 0 verified of 97 readings, 97 unsigned" in shown
    assert "no_valid_end" in _table(_result(90))


def test_what_a_file_says_steers_neither_terminal_nor_page() -> None:
    tariff = supplier(tariff_name=EVIL, stages=(stage(1), replace(stage(2), description=EVIL)))
    result = _result(tariff=tariff, tariff_name=EVIL)
    shown = _table(result)
    assert "\u009b" not in shown
    assert "[red]" in shown
    page = render_html(result, {EVIL: "00"})  # type: ignore[arg-type]
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_refusal_says_what_to_do() -> None:
    out = io.StringIO()
    print_error(PeerFault("trudi.other_smgw", "a and b"), Console(file=out, width=120))
    assert out.getvalue().splitlines() == [
        "refused: Read-out and supplier file belong to different gateways (trudi.other_smgw)",
        "  a and b",
        "  Compare smgwId.",
    ]


@pytest.mark.req("CON-06")
def test_the_page_holds_both_languages_and_fetches_nothing() -> None:
    result = verify(
        supplier(stages=(stage(1), stage(2), stage(3, "02", 63))),
        device(meter_reading([held for number, held in enumerate(FULL) if number != 24]), meter_reading(FULL, EXPORT)),
    )
    page = render_html(result, {"supplier.xml": "ab" * 32})
    assert page == render_html(result, {"supplier.xml": "ab" * 32})
    tree = html.fromstring(page)
    assert not tree.xpath("//script | //link | //img | //@src | //@href")
    german, english = (" ".join(tree.xpath(f"//span[@lang='{language}']/text()")) for language in ("de", "en"))
    assert "Nachrechnung einer Abrechnung" in german
    assert "A bill recomputed" in english
    assert "Fehlende Messwerte zwischen 04.11.2026 05:45 und 04.11.2026 06:15: 1" in german
    assert "Readings missing between 2026-11-04 05:45 and 2026-11-04 06:15: 1" in english
    assert "0,0590 kWh" in german
    assert len(tree.xpath("//svg//rect[@x]")) == 3
    assert tree.xpath("//code[contains(., 'SHA-256')]")
    assert "@media print" in page


def test_the_page_of_a_month_has_a_bar_for_each_day_and_tariff() -> None:
    start, end = berlin(2026, 10, 1), berlin(2026, 11, 1)
    result = verify(supplier(start=start, end=end), device(meter_reading(quarter_hours(start, end))))
    chart = chart_of(result.lists[0].obis, result.days)
    assert chart is not None
    assert len(chart.bars) == 62
    assert chart.highest == 1000
    assert all(0 <= bar.x <= chart.width - chart.bar_width + 1e-6 and bar.y >= -0.02 for bar in chart.bars)
    assert chart_of(result.lists[0].obis, ()) is None


def test_the_page_of_taf1_has_no_days() -> None:
    end = berlin(2026, 12, 1)
    tariff = supplier(start=berlin(2026, 11, 1), end=end, use_case=1, stages=(TariffStage(1, "0100010801ff"),), profiles={"1": (1,) * 96})
    readings = quarter_hours(berlin(2026, 11, 1), end, period_s=86400)
    page = render_html(verify(tariff, device(meter_reading(readings))), {})
    assert "<svg" not in page
    assert "Keine: alle Messwerte" in page
