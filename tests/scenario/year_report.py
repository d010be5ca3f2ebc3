"""The report page of the simulated year: one file without anything external, readable in light and dark, on paper and on a phone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tests.scenario.year_faults import KINDS
from tests.scenario.year_timeline import bars, timeline

from smgw.core.instant import BERLIN
from smgw.core.obis import ERROR_REGISTER_TARIFF
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import unit_symbol
from smgw.core.register import RegisterValue
from smgw.tariff.catalogue import CATALOGUE

if TYPE_CHECKING:
    from tests.scenario.year import Run
    from tests.scenario.year_faults import Fault

STYLE = Path(__file__).with_suffix(".css")
_NOTHING = '<span class="none">–</span>'


def report_page(run: Run) -> str:
    """Write the page."""
    passed = sum(check.passed for check in run.checks)
    tokens = (resources.files("smgw.net.web") / "tokens.css").read_text()
    whole = passed == len(run.checks)
    days = round((run.span.end - run.span.start) / timedelta(days=1))
    verdict = (
        '<span class="chip good">every check passed</span>'
        if whole
        else f'<span class="chip bad">{len(run.checks) - passed} checks failed</span>'
    )
    sections = (
        ("checks", "What was checked", _checks(run)),
        ("faults", "What went wrong, and when", _faults(run)),
        ("contracts", "Contracts and their registers", _contracts(run)),
        ("errors", "What went to the error registers, and why", _errors(run)),
        ("chains", "Chains, seals and cuts", _chains(run)),
    )
    nav = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{text}</section>'
        for name, title, text in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>A simulated year with faults</title>
<style>{tokens}{STYLE.read_text()}</style>
</head>
<body>
<header>
<h1>A simulated year with faults</h1>
<p>One gateway, {_day(run.span.start)} to {_day(run.span.end)}, {days} days, seed {run.seed}. {verdict}</p>
<p class="muted">Everything inside the gateway is the real program: encrypted journal, clock, tariffs, upkeep, outbox over mutual TLS.
Played are the octets of the meters, the time server's clock and the passing of time. All times are local.</p>
{_figures(run)}
<nav aria-label="Sections">{nav}</nav>
</header>
<main>{body}</main>
<footer>Retention times were shortened, so that a year sees deletions. Simulated in {run.spent_s:,.0f} s.
A software gateway is not certified.</footer>
</body>
</html>
"""


def _local(moment: datetime) -> datetime:
    return moment.astimezone(BERLIN)


def _day(moment: datetime) -> str:
    return f"{_local(moment):%-d %b %Y}"


def _time(moment: datetime) -> str:
    return f"{_local(moment):%-d %b %Y, %H:%M}"


def _figures(run: Run) -> str:
    evidence = run.evidence
    queued, _ = evidence.deliveries
    rows = (
        (f"{sum(map(len, evidence.readings.values())):,}", "readings stored"),
        (f"{sum(map(len, evidence.registers.values())):,}", "register values booked"),
        (f"{len(run.faults)}", "faults"),
        (f"{run.starts}", "starts of the gateway"),
        (f"{queued:,}", "messages, each arrived once"),
        (f"{evidence.statements:,}", "seals and cuts verified"),
    )
    return '<div class="figures">' + "".join(f"<div><strong>{number}</strong><span>{name}</span></div>" for number, name in rows) + "</div>"


def _table(
    heads: Iterable[str], rows: Iterable[Iterable[str]], numbers: frozenset[int] = frozenset(), sums: frozenset[int] = frozenset()
) -> str:
    """Make a table; cells are HTML already, those of `numbers` stand right, those of `sums` are set strong."""

    def kind(place: int) -> str:
        words = [word for word, places in (("n", numbers), ("sum", sums)) if place in places]
        return f' class="{" ".join(words)}"' if words else ""

    head = "".join(f'<th scope="col"{kind(place)}>{text}</th>' for place, text in enumerate(heads))
    body = "".join("<tr>" + "".join(f"<td{kind(place)}>{cell}</td>" for place, cell in enumerate(row)) + "</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _checks(run: Run) -> str:
    rows = []
    for check in run.checks:
        chip = '<span class="chip good">passed</span>' if check.passed else '<span class="chip bad">failed</span>'
        problems = "".join(f'<br><span class="small">{escape(line[:200])}</span>' for line in check.problems[:10])
        rows.append((chip, escape(check.name), escape(check.found) + problems))
    return _table(("", "check", "found"), rows)


def _faults(run: Run) -> str:
    lanes = [(name, KINDS[name].books, [fault for fault in run.faults if fault.kind == name]) for name in KINDS]
    chart = timeline(run.span.start, run.span.end, [lane for lane in lanes if lane[2]])
    counts = Counter(fault.kind for fault in run.faults)
    booked = Counter(booking.fault.kind for booking in run.evidence.bookings if booking.fault)
    kinds = [
        (escape(name), escape(kind.label), str(counts[name]), str(booked[name]) if kind.books or booked[name] else _NOTHING,
         escape(", ".join(sorted({event for _, event in kind.told})) or "nothing: no effect is the effect"))
        for name, kind in KINDS.items()
        if counts[name]
    ]  # fmt: skip
    every = [
        (
            f'<span class="nowrap">{_time(fault.start)}</span>',
            f'<span class="nowrap">{_length(fault)}</span>',
            escape(fault.kind),
            escape(fault.link or "–"),
            escape(fault.note),
        )
        for fault in sorted(run.faults, key=lambda fault: fault.start)
    ]
    legend = (
        '<p class="small muted"><span class="key" style="background:var(--import)"></span>readings missing or marked'
        '<span class="key" style="background:var(--accent)"></span>no effect on readings</p>'
    )
    return (
        f'{legend}<div class="chart" tabindex="0">{chart}</div><details><summary>The kinds of fault, and what is told of each</summary>'
        + _table(("kind", "what happens", "times", "error bookings", "events that must tell of it"), kinds, frozenset({2, 3}))
        + f"</details><details><summary>All {len(every)} faults</summary>"
        + _table(("begin", "length", "kind", "link", ""), every, frozenset({1}))
        + "</details>"
    )


def _length(fault: Fault) -> str:
    minutes = (fault.end - fault.start) / timedelta(minutes=1)
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h" if minutes < 2_880 else f"{minutes / 1_440:.1f} d"


def amount(value: int | None, scaler: int, unit: int) -> str:
    """Write a value exactly; watt-hours and watts as thousands of them."""
    if value is None:
        return '<span class="chip warn">no value</span>'
    symbol = unit_symbol(unit)
    if symbol in ("Wh", "W"):
        symbol, scaler = f"k{symbol}", scaler - 3
    digits = max(-scaler, 0)
    text = f"{value * 10**scaler:,}" if scaler >= 0 else f"{abs(value) // 10**digits:,}.{abs(value) % 10**digits:0{digits}d}"
    return f"{'−' if value < 0 and scaler < 0 else ''}{text}&#8239;{symbol}"


def _contracts(run: Run) -> str:
    cards = []
    for contract in sorted(run.evidence.contracts, key=lambda one: (one.taf, one.valid_from, one.profile_id)):
        values = run.evidence.registers[contract.profile_id]
        ends = f" to {_day(contract.valid_to)}" if contract.valid_to is not None and contract.valid_to <= run.span.end else ""
        facts = (contract.profile_id, contract.consumer_id, f"meter {contract.meter_id}", ", ".join(contract.registers))
        about = " · ".join((*map(escape, facts), f"from {_day(contract.valid_from)}{ends}"))
        title = f"TAF {contract.taf} · {escape(CATALOGUE[contract.taf].en)}"
        cards.append(f'<div class="card"><h3>{title}</h3><p class="small muted">{about}</p>{_registers(run, contract, values)}</div>')
    return "".join(cards)


def _registers(run: Run, contract: EvaluationProfile, values: list[RegisterValue]) -> str:
    if contract.taf in (2, 3, 4, 5):
        return _staged(values)
    if values:
        rows = [
            (f"{_time(v.period_start)} – {_time(v.period_end)}", escape(str(v.obis)), amount(v.raw, v.scaler, v.unit))
            for v in sorted(values, key=lambda v: (v.period_end, v.obis))
        ]
        table = _table(("period", "register", "value"), rows, frozenset({2}), frozenset({2}))
        return table if len(rows) <= 30 else f"<details><summary>{len(rows)} values</summary>{table}</details>"
    sent = run.sent.get(contract.profile_id, (0, 0))
    if sent[0]:
        return f"<p>{sent[1]:,} values delivered in {sent[0]:,} messages to {escape(', '.join(contract.recipients))}, none twice.</p>"
    return '<p class="none">No period ended and nothing was ordered.</p>'


def _staged(values: list[RegisterValue]) -> str:
    """Show periods as rows and stages as columns; each row adds up before the reader's eyes."""
    if not values:
        return '<p class="none">No period ended yet.</p>'
    stages = sorted({v.obis.e for v in values if v.obis.e not in (0, ERROR_REGISTER_TARIFF)})
    rows, drawn = [], []
    ordered = sorted(values, key=lambda v: (v.period_end, v.obis.with_tariff(0), v.obis.e))
    for (_, base), group in groupby(ordered, key=lambda v: (v.period_end, v.obis.with_tariff(0))):
        members = {v.obis.e: v for v in group}
        total, error = members[0], members[ERROR_REGISTER_TARIFF]
        exact = sum(v.raw or 0 for stage, v in members.items() if stage) == (total.raw or 0)
        mark = '<span class="chip good">exact</span>' if exact else '<span class="chip bad">differs</span>'
        parts = [amount(members[stage].raw, total.scaler, total.unit) if stage in members else "" for stage in stages]
        shown = amount(error.raw, error.scaler, error.unit) if error.raw else '<span class="none">0</span>'
        period = f'<span class="nowrap">{_day(total.period_start)} – {_day(total.period_end)}</span>'
        rows.append((period, escape(str(base)), *parts, shown, amount(total.raw, total.scaler, total.unit), mark))
        drawn.append(
            (_day(total.period_start), str(base), [(stage, members[stage].raw or 0) for stage in (*stages, ERROR_REGISTER_TARIFF)])
        )
    heads = ("period", "register", *(f"stage {stage}" for stage in stages), "error 63", "total", "Σ = total")
    numbers = frozenset(range(2, 4 + len(stages)))
    return bars(drawn) + _table(heads, rows, numbers, frozenset({3 + len(stages)}))


def _errors(run: Run) -> str:
    if not run.evidence.bookings:
        return "<p>Nothing did.</p>"
    meters = {contract.profile_id: contract for contract in run.evidence.contracts}
    units = {v.profile_id: (v.scaler, v.unit) for values in run.evidence.registers.values() for v in values if v.obis.c in (1, 2, 3)}
    kinds: dict[str, list[int]] = {}
    for booking in run.evidence.bookings:
        kinds.setdefault(booking.fault.kind if booking.fault else "unexplained", []).append(booking.raw)
    rows = []
    for booking in sorted(run.evidence.bookings, key=lambda one: (one.start, one.contract)):
        scaler, unit = units.get(booking.contract, (-1, 30))
        why = (
            f"{escape(booking.fault.kind)} at {_time(booking.fault.start)}"
            if booking.fault
            else '<span class="chip bad">unexplained</span>'
        )
        rows.append(
            (f'<span class="nowrap">{_time(booking.start)}</span>', f"{_quarters(booking.end - booking.start)}",
             f"TAF {meters[booking.contract].taf}", escape(str(booking.obis)), amount(booking.raw, scaler, unit),
             escape(booking.reason), why)
        )  # fmt: skip
    table = _table(("from", "periods", "contract", "register", "amount", "rule", "fault"), rows, frozenset({1, 4}))
    by_kind = ", ".join(f"{escape(kind)} {len(raws)}" for kind, raws in sorted(kinds.items(), key=lambda item: -len(item[1])))
    summary = f"<p>{len(rows)} bookings, each within the reach of a fault: {by_kind}.</p>"
    return f"{summary}<details><summary>All bookings</summary>{table}</details>"


def _quarters(length: timedelta) -> str:
    return f"{length / timedelta(minutes=15):.0f}"


def _chains(run: Run) -> str:
    rows = [
        (escape(chain.kind), escape(chain.scope or "–"), f"{chain.length:,}", f"<code>{chain.digest.hex()[:16]}…</code>")
        for chain in run.evidence.report.chains
    ]
    told = "".join(
        f"<h3>{log} log{f' of {escape(owner)}' if owner else ''}</h3>"
        + _table(("event", "entries"), [(escape(event), f"{number:,}") for event, number in counts.most_common()], frozenset({1}))
        for (log, owner), counts in run.told.items()
    )
    return (
        _table(("chain", "of", "rows ever", "head"), rows, frozenset({2}))
        + f'<p class="small muted after">Walked completely at the end; {run.evidence.statements:,} signatures under seals and cuts verify; '
        f"{run.evidence.cuts} cuts deleted what was past its time.</p>"
        f"<details><summary>What the logs tell of</summary>{told}</details>"
    )
