"""TAF 5, event-variable tariffs (German: ereignisvariable Tarife): a stage holds from the time stamp of an event until the next event.

An event may come after its time stamp, so an interval is booked only when the profile's latency has passed; until then its reading is
pending. An event that comes later still, or one that the profile does not know, says only that the stage changed: from its time stamp, at
the earliest from the last booked reading, no stage holds until the next event. What is used while no stage holds goes to the error
register 63, and so does each interval in which the stage changes or whose readings leave doubt. A reading taken at the time of an event
tells both stages apart, so readings off the raster count here.

The log that `evaluate` takes holds readings and events in the order in which the gateway stored them.
Source: TAF-05, TAF-20; 20-wan-crypto-pki 3.1, 3.2.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.tariff import stages
from smgw.tariff.common import is_usable
from smgw.tariff.rules import Event, EventRules
from smgw.tariff.stages import SECOND_US, Decide, Decision, Frame, Interval, Reason, doubt

NUMBER: Final = 5
MAX_AHEAD: Final = 1000
_NEVER_US: Final = -(1 << 62)


class Change(msgspec.Struct, frozen=True, gc=False):
    """Hold what one event made of the stage."""

    at_us: int
    """Time stamp of the event, microseconds since 1970."""
    stage: int
    reason: Reason


class Pending(msgspec.Struct, frozen=True):
    """Hold a reading that waits for late events."""

    arrived_us: int
    signed: SignedReading


class State(msgspec.Struct, frozen=True):
    """Hold everything that the evaluation of one register needs to go on; a value, stored and compared like one."""

    booked: stages.State = stages.State()
    pending: tuple[Pending, ...] = ()
    current: Change | None = None
    """What holds at the last booked reading."""
    ahead: tuple[Change, ...] = ()
    """Changes after the last booked reading, by time stamp."""
    now_us: int = 0
    """Latest time of any reading or event so far."""


def _frame(frame: Frame) -> Frame:
    return frame if not frame.raster else msgspec.structs.replace(frame, raster=False)


def _error(reason: Reason) -> Decision:
    return ERROR_REGISTER_TARIFF, reason


def _meaning(rules: EventRules, event: Event) -> Decision:
    stage = rules.events.get(event.name)
    return _error(Reason.EVENT_UNKNOWN) if stage is None else (stage, Reason.RULE)


def _initial(rules: EventRules) -> Decision:
    return _error(Reason.NO_EVENT) if rules.default is None else (rules.default, Reason.RULE)


def _joined(decisions: Iterable[Decision]) -> Decision:
    """Name the stage that holds over a whole interval."""
    found = list(dict.fromkeys(decisions))
    if len({stage for stage, _ in found}) > 1:
        return _error(Reason.EVENT_INSIDE)
    return found[0]


def _arrival_us(reading: Reading) -> int:
    return max(microseconds(reading.capture_time), microseconds(reading.target_time))


def _settled_us(frame: Frame, booked: stages.State) -> int:
    return booked.last.time_us if booked.last is not None else microseconds(frame.start)


def step(frame: Frame, rules: EventRules, state: State, entry: SignedReading | Event) -> State:
    """Take one more stored reading or event into account. Raises: DomainFault tariff.unit_changed, tariff.event_count."""
    frame = _frame(frame)
    if isinstance(entry, Event):
        return _take_event(frame, rules, _settle(frame, rules, state, microseconds(entry.received)), entry)
    now_us = max(state.now_us, _arrival_us(entry.reading))
    if frame.takes(microseconds(entry.reading.target_time)):
        state = msgspec.structs.replace(state, pending=(*state.pending, Pending(now_us, entry)))
    return _settle(frame, rules, state, now_us)


def _settle(frame: Frame, rules: EventRules, state: State, now_us: int) -> State:
    """Let time pass, and book what no event can change any more."""
    now_us = max(now_us, state.now_us)
    horizon_us = now_us - rules.latency_s * SECOND_US
    booked, current, ahead = state.booked, state.current, state.ahead
    count = 0
    for pending in state.pending:
        if pending.arrived_us > horizon_us:
            break
        count += 1
        booked = stages.step(frame, _decide(frame, rules, current, ahead), booked, pending.signed)
        past = bisect_right(ahead, _settled_us(frame, booked), key=lambda change: change.at_us)
        if past:
            current, ahead = ahead[past - 1], ahead[past:]
    return State(booked, state.pending[count:], current, ahead, now_us)


def _decide(frame: Frame, rules: EventRules, current: Change | None, ahead: Sequence[Change]) -> Decide:
    def decide(interval: Interval) -> Decision:
        error = doubt(frame, interval)
        if error is not None:
            return error
        holding = _initial(rules) if current is None else (current.stage, current.reason)
        inside = ((change.stage, change.reason) for change in ahead if change.at_us < interval.last.time_us)
        return _joined((holding, *inside))

    return decide


def _take_event(frame: Frame, rules: EventRules, state: State, event: Event) -> State:
    settled_us, at_us = _settled_us(frame, state.booked), microseconds(event.at)
    if state.current is not None and at_us < state.current.at_us:
        return state
    late = (microseconds(event.received) - at_us > rules.latency_s * SECOND_US) or (state.booked.last is not None and at_us < settled_us)
    change = Change(at_us, *(_error(Reason.EVENT_LATE) if late else _meaning(rules, event)))
    if at_us <= settled_us:
        return msgspec.structs.replace(state, current=change)
    if len(state.ahead) >= MAX_AHEAD:
        raise DomainFault("tariff.event_count", event.name[:40])
    before = tuple(other for other in state.ahead if other.at_us < at_us)
    after = tuple(other for other in state.ahead if other.at_us > at_us)
    return msgspec.structs.replace(state, ahead=(*before, change, *after))


def booked_with_pending(frame: Frame, rules: EventRules, state: State) -> stages.State:
    """Give the bookings as if no more event came; final when the latency has passed since the end of the period."""
    if not state.pending:
        return state.booked
    return _settle(_frame(frame), rules, state, state.pending[-1].arrived_us + rules.latency_s * SECOND_US).booked


_Known = tuple[int, int, int, Decision]
"""From when an event holds, its time stamp, its place in the log, and what it means."""


def _timeline(known: Iterable[_Known]) -> list[tuple[int, Change]]:
    """Give from when on which event holds: the one with the latest time stamp of those that hold already."""
    changes: list[tuple[int, Change]] = []
    newest = (_NEVER_US, -1)
    for from_us, at_us, order, decision in sorted(known):
        if (at_us, order) < newest:
            continue
        newest = at_us, order
        if changes and changes[-1][0] == from_us:
            changes.pop()
        changes.append((from_us, Change(at_us, *decision)))
    return changes


def evaluate(frame: Frame, rules: EventRules, log: Sequence[SignedReading | Event]) -> State:
    """Recompute the state from the whole log; bit for bit what `step` gives. Raises: as `step`."""
    frame = _frame(frame)
    latency_us = rules.latency_s * SECOND_US
    times = (microseconds(entry.received) if isinstance(entry, Event) else _arrival_us(entry.reading) for entry in log)
    clock = list(accumulate(times, max, initial=0))[1:]
    readings = [
        Pending(now_us, entry)
        for now_us, entry in zip(clock, log, strict=True)
        if not isinstance(entry, Event) and frame.takes(microseconds(entry.reading.target_time))
    ]
    arrivals = [pending.arrived_us for pending in readings]
    # The last booked reading after each number of settled readings.
    start_us = microseconds(frame.start)
    bounds = [_NEVER_US]
    for pending in readings:
        reading = pending.signed.reading
        bounds.append(max(bounds[-1], microseconds(reading.target_time) if is_usable(reading) else _NEVER_US))
    known: list[_Known] = []
    seen = 0
    for order, (now_us, entry) in enumerate(zip(clock, log, strict=True)):
        if not isinstance(entry, Event):
            seen += frame.takes(microseconds(entry.reading.target_time))
            continue
        bound = bounds[bisect_right(arrivals, now_us - latency_us, hi=seen)]
        at_us = microseconds(entry.at)
        late = microseconds(entry.received) - at_us > latency_us or at_us < bound
        known.append((max(at_us, bound, start_us), at_us, order, _error(Reason.EVENT_LATE) if late else _meaning(rules, entry)))
    changes = _timeline(known)
    starts = [from_us for from_us, _ in changes]

    def decide(interval: Interval) -> Decision:
        error = doubt(frame, interval)
        if error is not None:
            return error
        place = bisect_right(starts, interval.first.time_us)
        holding = _initial(rules) if place == 0 else (changes[place - 1][1].stage, changes[place - 1][1].reason)
        end = bisect_right(starts, interval.last.time_us - 1)
        return _joined((holding, *((change.stage, change.reason) for _, change in changes[place:end])))

    settled = bisect_right(arrivals, clock[-1] - latency_us) if clock else 0
    booked = stages.evaluate(frame, decide, [pending.signed for pending in readings[:settled]])
    place = bisect_right(starts, _settled_us(frame, booked))
    return State(
        booked,
        tuple(readings[settled:]),
        changes[place - 1][1] if place else None,
        tuple(change for _, change in changes[place:]),
        clock[-1] if clock else 0,
    )


def register_values(
    frame: Frame, rules: EventRules, state: State, *, profile_id: str, obis: Obis, created_at: datetime
) -> tuple[RegisterValue, ...]:
    """Give each stage, the error register 63 and the total, pending intervals booked by the events known so far."""
    booked = booked_with_pending(frame, rules, state)
    return stages.register_values(frame, rules.stages, booked, taf=NUMBER, profile_id=profile_id, obis=obis, created_at=created_at)
