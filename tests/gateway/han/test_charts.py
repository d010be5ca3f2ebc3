"""The day chart: escaped, described, with every slot told in words."""

from decimal import Decimal
from typing import Any

import pytest
from tests.gateway.han.test_consumption import DAY, IMPORT, after, at

from smgw.core.obis import ACTIVE_ENERGY_EXPORT
from smgw.gateway.han.charts import DayChart, day_chart, nice_step, slot_text
from smgw.gateway.han.consumption import day_series
from smgw.gateway.han.i18n import Language
from smgw.gateway.han.ports import Channel

EXPORT = Channel(ACTIVE_ENERGY_EXPORT, -1, 30)
EN = Language("en")


@pytest.mark.parametrize("height,step", [("0.71", "0.2"), ("0.1", "0.02"), ("4", "1"), ("4900", "1000"), ("0.0003", "0.0001")])
def test_grid_steps_are_round(height: str, step: str) -> None:
    assert nice_step(Decimal(height)) == Decimal(step)


def chart(bought: Any, sold: Any = None) -> DayChart:
    return DayChart("A day & <more>", bought, sold, None, None)


def test_a_chart_escapes_and_describes() -> None:
    readings = [at(index, index * index) for index in range(97)] + [at(i, 4 * i, obis=ACTIVE_ENERGY_EXPORT) for i in range(97)]
    drawn = day_chart(chart(*(day_series(channel, readings, DAY, 900, after()) for channel in (IMPORT, EXPORT))), EN)
    assert "A day &amp; &lt;more&gt;" in drawn and "0.9216\u00a0kWh were drawn from the grid." in drawn
    assert drawn.count('class="bar import"') == drawn.count('class="bar export"') == 96
    assert " style=" not in drawn


@pytest.mark.parametrize("direction", ["import", "export", "nothing"])
def test_charts_of_one_direction_and_of_nothing(direction: str) -> None:
    readings = [] if direction == "nothing" else [at(index, index) for index in range(97)]
    series = day_series(IMPORT, readings, DAY, 900, after())
    drawn = day_chart(chart(None, series) if direction == "export" else chart(series), EN)
    assert drawn.count('class="slot"') == 96
    assert ("There are no values for this day." in drawn) == (direction == "nothing")


def test_a_slot_says_what_is_wrong() -> None:
    series = day_series(IMPORT, [at(0, 0), at(1, 5)], DAY, 900, after())
    assert slot_text(chart(series), 0, EN) == "00:00–00:15: Import 0.0005\u00a0kWh"
    assert slot_text(chart(series), 7, EN) == "01:45–02:00 (no value): Import no value"
