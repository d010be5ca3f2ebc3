"""The day chart as SVG: import above the axis, export below, gaps as gaps.

Moments lie at percentages and amounts at pixels, so letters keep their size on every screen. The chart is readable without script; each
slot carries its read-out in an attribute, which a small script shows on pointer and key. Binary floats only place ink here.
Source: the display rules of the project's design.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from markupsafe import Markup, escape

from smgw.core.instant import BERLIN
from smgw.core.quantity import Quantity
from smgw.gateway.han.consumption import DaySeries, Slot, SlotState
from smgw.gateway.han.i18n import Language, scaled

HEIGHT = 300
TOP = 12
BOTTOM = HEIGHT - 28
_GRID_LINES = 5


class DayChart(NamedTuple):
    """Hold what is drawn: one day, and the day before behind it."""

    title: str
    bought: DaySeries | None
    sold: DaySeries | None
    before: DaySeries | None
    """The day before of `bought`."""
    now: datetime | None
    """Where the present lies, when it lies in this day."""

    @property
    def leading(self) -> DaySeries:
        """Give the series whose slots the chart is divided into."""
        leading = self.bought or self.sold
        assert leading is not None
        return leading


def nice_step(height: Decimal) -> Decimal:
    """Give the distance of grid lines: 1, 2 or 5 times a power of ten, so that about five of them span `height`."""
    rough = height / _GRID_LINES
    power = Decimal(1).scaleb(rough.adjusted())
    return next(factor * power for factor in (Decimal(1), Decimal(2), Decimal(5), Decimal(10)) if factor * power >= rough)


def _lines(amount: Decimal, step: Decimal) -> int:
    return int((amount / step).to_integral_value(ROUND_CEILING))


def _value(slot: Slot) -> Decimal:
    return scaled(slot.energy)[0] if slot.energy is not None else Decimal(0)


def _largest(series: Sequence[DaySeries | None]) -> Decimal:
    return max((_value(slot) for one in series if one is not None for slot in one.slots), default=Decimal(0))


class _Scale:
    """Map moments to percent and amounts to pixels."""

    def __init__(self, chart: DayChart) -> None:
        slots = chart.leading.slots
        self.start, self.end = slots[0].start, slots[-1].end
        up, down = _largest([chart.bought, chart.before]), _largest([chart.sold])
        self.step = nice_step(up + down or Decimal("0.1"))
        self.lines_up = max(1, _lines(up, self.step)) if chart.bought is not None else 0
        self.lines_down = max(0 if chart.bought is not None else 1, _lines(down, self.step))
        self.zero = self.y(Decimal(0))

    def x(self, moment: datetime) -> float:
        return round((moment - self.start) / (self.end - self.start) * 100, 3)

    def y(self, amount: Decimal) -> float:
        share = float(amount / self.step + self.lines_down) / (self.lines_up + self.lines_down)
        return round(BOTTOM - share * (BOTTOM - TOP), 1)

    def column(self, start: datetime, end: datetime, margin: float = 0.0) -> tuple[str, str]:
        """Give x and width of a slot; `margin` is the share of the width that stays empty on each side."""
        left, width = self.x(start), self.x(end) - self.x(start)
        return f"{left + width * margin:.3f}%", f"{width * (1 - 2 * margin):.3f}%"


def chart_unit(chart: DayChart, language: Language) -> str:
    """Name the unit of the bars: `kWh / 15 min`."""
    slot, channel = chart.leading.slots[0], chart.leading.channel
    symbol = scaled(Quantity(0, channel.scaler, channel.unit))[1]
    return f"{symbol} / {language.duration(int((slot.end - slot.start).total_seconds()))}"


def day_chart(chart: DayChart, language: Language) -> Markup:
    """Draw a day of at least one counter."""
    scale = _Scale(chart)
    parts = [
        f'<svg class="chart" width="100%" height="{HEIGHT}" role="img" aria-labelledby="chart-title chart-text">',
        f'<title id="chart-title">{escape(chart.title)}</title><desc id="chart-text">{escape(_description(chart, language))}</desc>',
        _HATCH,
        *_gaps(scale, chart.leading),
        *_grid(scale, chart, language),
        *_before(scale, chart.before),
        *_bars(scale, chart.bought, "import", 1),
        *_bars(scale, chart.sold, "export", -1),
        f'<line class="zero" x1="0" x2="100%" y1="{scale.zero}" y2="{scale.zero}"/>',
        *_now(scale, chart.now),
        *_slots(scale, chart, language),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text above and below is escaped where it is put in


_HATCH = (
    '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch-line" width="2.5" height="5"/></pattern></defs>'
)


def _rect(look: str, column: tuple[str, str], y: float, height: float, more: str = "") -> str:
    return f'<rect {look} x="{column[0]}" width="{column[1]}" y="{y}" height="{height:.1f}"{more}/>'


def _description(chart: DayChart, language: Language) -> str:
    sentences = []
    for series, key in ((chart.bought, "chart.sum_import"), (chart.sold, "chart.sum_export")):
        if series is None or series.total is None:
            continue
        sentences.append(language.text(key, total=language.quantity(series.total)))
        missing = sum(slot.state is SlotState.MISSING for slot in series.slots)
        invalid = sum(slot.state is SlotState.INVALID for slot in series.slots)
        if missing or invalid:
            sentences.append(language.text("chart.flaws", missing=missing, invalid=invalid))
    return " ".join(sentences) or language.text("chart.nothing")


def _grid(scale: _Scale, chart: DayChart, language: Language) -> Iterator[str]:
    for line in range(-scale.lines_down, scale.lines_up + 1):
        amount = scale.step * line
        y = scale.y(amount)
        yield f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick tick-y" x="-8" y="{y + 4}">{escape(language.number(abs(_plain(amount))))}</text>'
    for slot in chart.leading.slots:
        local = slot.start.astimezone(BERLIN)
        if local.minute == 0 and local.hour % 3 == 0:
            yield _hour(scale.x(slot.start), local.hour)
    yield _hour(100.0, 24)


def _plain(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()


def _hour(x: float, hour: int) -> str:
    kind = "tick-main" if hour % 6 == 0 else "tick-between"
    line = f'<line class="grid {kind}" x1="{x}%" x2="{x}%" y1="{BOTTOM}" y2="{BOTTOM + 5}"/>'
    return f'{line}<text class="tick tick-x {kind}" x="{x}%" y="{BOTTOM + 20}">{hour}</text>'


def _gaps(scale: _Scale, series: DaySeries) -> Iterator[str]:
    """Shade where values are missing, one area for a run of slots."""
    start: datetime | None = None
    for slot in (*series.slots, None):
        missing = slot is not None and slot.state is SlotState.MISSING
        if missing and start is None and slot is not None:
            start = slot.start
        elif not missing and start is not None:
            column = scale.column(start, slot.start if slot is not None else scale.end)
            yield _rect('class="gap"', column, TOP, BOTTOM - TOP)
            start = None


def _before(scale: _Scale, series: DaySeries | None) -> Iterator[str]:
    """Draw the day before behind the bars, counted from its own midnight."""
    if series is None:
        return
    offset = scale.start - series.slots[0].start
    for slot in series.slots:
        if slot.energy is not None and slot.end + offset <= scale.end:
            y = scale.y(_value(slot))
            yield _rect('class="before"', scale.column(slot.start + offset, slot.end + offset), y, scale.zero - y)


def _bars(scale: _Scale, series: DaySeries | None, direction: str, sign: int) -> Iterator[str]:
    for slot in series.slots if series else ():
        if slot.energy is None:
            continue
        y = scale.y(_value(slot) * sign)
        column, top, height = scale.column(slot.start, slot.end, 0.14), min(y, scale.zero), abs(y - scale.zero)
        yield _rect(f'class="bar {direction}"', column, top, height)
        if slot.state is SlotState.INVALID:
            yield _rect('fill="url(#hatch)"', column, top, height)


def _now(scale: _Scale, now: datetime | None) -> Iterator[str]:
    if now is not None and scale.start < now < scale.end:
        x = scale.x(now)
        yield f'<line class="now" x1="{x}%" x2="{x}%" y1="{TOP - 8}" y2="{BOTTOM}"/>'


def _slots(scale: _Scale, chart: DayChart, language: Language) -> Iterator[str]:
    """Lay an empty column over each slot that carries its read-out."""
    yield '<g class="slots">'
    for index, slot in enumerate(chart.leading.slots):
        column = scale.column(slot.start, slot.end)
        yield _rect('class="slot"', column, TOP, BOTTOM - TOP, f' data-text="{escape(slot_text(chart, index, language))}"')
    yield "</g>"


def slot_text(chart: DayChart, index: int, language: Language) -> str:
    """Say in one line what a slot holds: time, import, export, the day before, and what is wrong with it."""
    slot = chart.leading.slots[index]
    parts = []
    for series, key in ((chart.bought, "chart.import"), (chart.sold, "chart.export"), (chart.before, "chart.before")):
        if series is not None and index < len(series.slots):
            energy = series.slots[index].energy
            amount = language.quantity(energy) if energy is not None else language.text("chart.no_value")
            parts.append(f"{language.text(key)} {amount}")
    state = "" if slot.state is SlotState.MEASURED else f" ({language.text(f'slot.{slot.state}')})"
    return f"{language.clock(slot.start)}–{language.clock(slot.end)}{state}: {', '.join(parts)}"
