"""Drawings of the simulated year's report: when what went wrong, and how periods divide into stages; readable without script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from smgw.core.instant import BERLIN, local_day, local_midnight
from smgw.core.obis import ERROR_REGISTER_TARIFF

if TYPE_CHECKING:
    from tests.scenario.year_faults import Fault

WIDTH, LEFT, TOP, LANE = 1120, 176, 44, 22
_STAGES = {1: "var(--accent)", 2: "var(--export)", 3: "var(--import)"}


def _label(day: datetime, *, months: bool) -> str:
    local = day.astimezone(BERLIN)
    return f"{local:%b %Y}" if months and (local.month == 1 or local.month == 10) else f"{local:%b}" if months else f"{local:%-d %b}"


def _marks(start: datetime, end: datetime) -> tuple[list[datetime], bool]:
    """Give the midnights to mark: those of months in a long run, every second day in a short one."""
    days = [local_midnight(local_day(start) + timedelta(days=number)) for number in range((local_day(end) - local_day(start)).days + 1)]
    months = [day for day in days if local_day(day).day == 1]
    return (months, True) if len(months) > 3 else (days[::2], False)


def _changes(start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Find the days of 23 and 25 hours, the turn of the year and a leap day."""
    days = [local_midnight(local_day(start) + timedelta(days=number)) for number in range((local_day(end) - local_day(start)).days + 1)]
    found = []
    for day, following in pairwise(days):
        hours = round((following - day) / timedelta(hours=1))
        date = local_day(day)
        if hours != 24:
            found.append((day, f"{hours} h"))
        elif (date.month, date.day) == (1, 1):
            found.append((day, "new year"))
        elif (date.month, date.day) == (2, 29):
            found.append((day, "leap day"))
    return found


def timeline(start: datetime, end: datetime, lanes: Sequence[tuple[str, bool, Sequence[Fault]]]) -> str:
    """Draw each kind of fault as a lane; `lanes` are name, whether readings are touched, and the faults."""
    height = TOP + LANE * len(lanes) + 28

    def x(moment: datetime) -> float:
        return LEFT + (WIDTH - LEFT - 12) * ((moment - start) / (end - start))

    parts = []
    for number, (name, _, faults) in enumerate(lanes):
        y = TOP + LANE * number
        if number % 2 == 0:
            parts.append(f'<rect x="0" y="{y}" width="{WIDTH}" height="{LANE}" fill="var(--surface)"/>')
        parts.append(
            f'<text class="name" x="8" y="{y + 15}">{escape(name)}</text>'
            f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{len(faults)}</text>'
        )
    bottom = TOP + LANE * len(lanes)
    marks, months = _marks(start, end)
    for mark in marks:
        parts.append(f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{TOP}" y2="{bottom}" stroke="var(--line)"/>')
        if x(mark) < WIDTH - 60:
            parts.append(f'<text x="{x(mark) + 4:.1f}" y="{bottom + 18}">{_label(mark, months=months)}</text>')
    for moment, word in _changes(start, end):
        middle = x(moment + timedelta(hours=12))
        parts.append(
            f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="var(--line-strong)" stroke-dasharray="2 3"/>'
        )
        parts.append(f'<text x="{middle:.1f}" y="{TOP - 14}" text-anchor="middle">{word}</text>')
    for number, (name, touches, faults) in enumerate(lanes):
        colour = "var(--import)" if touches else "var(--accent)"
        for fault in faults:
            left, right = x(fault.start), x(min(fault.end, end))
            width = max(right - left, 3)
            about = f"{name}{f' ({fault.link})' if fault.link else ''}: {fault.start.astimezone(BERLIN):%-d %b %Y, %H:%M}"
            parts.append(
                f'<rect x="{left:.1f}" y="{TOP + LANE * number + 4}" width="{width:.1f}" height="{LANE - 8}" rx="1.5" fill="{colour}">'
                f"<title>{escape(about)}</title></rect>"
            )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="timeline-title timeline-desc">'
        '<title id="timeline-title">Faults over time</title><desc id="timeline-desc">Each row is a kind of fault, each mark one fault'
        f" from its begin to its end. The table below lists them all.</desc>{''.join(parts)}</svg>"
    )


def bars(periods: Sequence[tuple[str, str, Sequence[tuple[int, int]]]]) -> str:
    """Draw how each period divides into stages, register by register; the table beside it is the twin."""
    periods = sorted(periods, key=lambda period: period[1])
    largest = max((sum(max(raw, 0) for _, raw in parts) for _, _, parts in periods), default=0)
    if not largest or len(periods) < 3:
        return ""
    stages = sorted({stage for _, _, parts in periods for stage, _ in parts if stage != ERROR_REGISTER_TARIFF})
    registers = sorted({register for _, register, _ in periods})
    step = min(44.0, (WIDTH - 24) / (len(periods) + len(registers)))
    drawn = []
    for number, (name, register, parts) in enumerate(periods):
        left = 8 + step * (number + registers.index(register))
        if number == 0 or periods[number - 1][1] != register:
            drawn.append(f'<text x="{left:.1f}" y="132">{escape(register)}</text>')
        y = 112.0
        for stage, raw in parts:
            tall = 104 * max(raw, 0) / largest
            y -= tall
            error = stage == ERROR_REGISTER_TARIFF
            fill = "var(--bad)" if error else _STAGES.get(stage, "var(--line-strong)")
            word = "error register" if error else f"stage {stage}"
            about = f"<title>{escape(f'{name}, {register}, {word}')}</title>"
            drawn.append(f'<rect x="{left:.1f}" y="{y:.2f}" width="{step - 6:.1f}" height="{tall:.2f}" fill="{fill}">{about}</rect>')
    width = 16 + step * (len(periods) + len(registers) - 1)
    keys = "".join(
        f'<span class="key" style="background:{_STAGES.get(stage, "var(--line-strong)")}"></span>stage {stage}' for stage in stages
    )
    keys += '<span class="key" style="background:var(--bad)"></span>error register'
    line = f'<line x1="0" x2="{width:.0f}" y1="112.5" y2="112.5" stroke="var(--line-strong)"/>'
    return (
        f'<div class="bars"><svg viewBox="0 0 {width:.0f} 138" width="{width:.0f}" role="img"'
        f' aria-label="Periods divided into stages; the table gives the values">{"".join(drawn)}{line}</svg>'
        f'<p class="small muted">{keys}</p></div>'
    )
