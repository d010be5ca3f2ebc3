"""Evaluate tariffs reading by reading: what has been evaluated stands in the journal, written in the transaction that stores the readings.

For each term of a contract the journal's state holds a head: start of the running period, how far readings and commands were taken, and
the tariff state of each register. Closed bookings of a state are kept beside it in pages, so that a reading rewrites only the newest page.
At the end of a period, or of the term, the registers are appended; the next period starts from the readings stored at or after its start.
Source: TAF-02 to TAF-05, TAF-12, TAF-20, TAF-23, TAF-24.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final, NamedTuple

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.instant import from_microseconds, microseconds
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import Unit
from smgw.core.reading import SignedReading
from smgw.core.register import RegisterValue
from smgw.storage.journal import Journal
from smgw.tariff import stages, taf02, taf03, taf04, taf05, taf08, taf12
from smgw.tariff.common import billing_period
from smgw.tariff.contract_rules import rules_of
from smgw.tariff.rules import Credit, Event
from smgw.tariff.stages import Frame

PAGE_RUNS: Final = 32
"""Closed bookings in one page."""

CATCH_UP: Final = 2_000
"""When more rows than this were stored since the last evaluation, a contract's readings are looked up by their time."""

MAX_ENTRIES: Final = 2_000
"""At most so many events or credits of a contract are kept."""

_TICK: Final = timedelta(microseconds=1)

Signals = tuple[taf12.Signal, ...]
Entry = SignedReading | Event | Credit


class CalendarState(msgspec.Struct, frozen=True):
    """Join the state of TAF 2 to scaler and unit of the register; None before its first reading."""

    booked: taf02.State = taf02.State()
    scaler: int | None = None
    unit: int = Unit.COUNT


class Method(NamedTuple):
    """Describe how one use case is evaluated; `rules` are what `plan` made of the contract's rules for a period."""

    state: type[msgspec.Struct]
    step: Callable[[Frame, Any, Any, Any], tuple[Any, Signals]]
    registers: Callable[..., tuple[RegisterValue, ...]]
    page: msgspec.msgpack.Decoder[list[Any]] | None = None
    """Reads a page of the closed bookings that the state holds."""
    plan: Callable[[Frame, Any], Any] = lambda frame, rules: rules
    entry: type[Event] | type[Credit] | None = None
    """What the administrator may send besides the readings."""
    roll_over: Callable[[Any], Any] | None = None
    """Makes the state with which the next period starts; without it each period starts anew."""
    pause: Callable[[Any], Any] | None = None
    """Makes the state with which a later version starts when the contract did not hold in between."""


def _plan02(frame: Frame, rules: Any) -> taf02.Taf02Rules:
    return taf02.Taf02Rules(rules.calendar(), rules.stages, frame.start, frame.end)


def _step02(frame: Frame, rules: taf02.Taf02Rules, state: CalendarState, signed: SignedReading) -> tuple[CalendarState, Signals]:
    reading = signed.reading
    if reading.raw is None or not frame.takes(microseconds(reading.target_time)):
        return state, ()
    if state.scaler is not None and (state.scaler, state.unit) != (reading.scaler, reading.unit):
        raise DomainFault("tariff.unit_changed", f"{reading.meter_id} {reading.obis}")
    return CalendarState(taf02.step_reading(rules, state.booked, signed), reading.scaler, reading.unit), ()


def _registers02(frame: Frame, rules: taf02.Taf02Rules, state: CalendarState, **about: Any) -> tuple[RegisterValue, ...]:
    return taf02.register_values(rules, state.booked, scaler=state.scaler or 0, unit=state.unit, **about)


def _silent(step: Callable[[Frame, Any, Any, Any], Any]) -> Callable[[Frame, Any, Any, Any], tuple[Any, Signals]]:
    return lambda frame, rules, state, entry: (step(frame, rules, state, entry), ())


_PAGE_02: Final[msgspec.msgpack.Decoder[list[Any]]] = msgspec.msgpack.Decoder(list[taf02.Run])
_PAGE: Final[msgspec.msgpack.Decoder[list[Any]]] = msgspec.msgpack.Decoder(list[stages.Run])

METHODS: Final[dict[int, Method]] = {
    2: Method(CalendarState, _step02, _registers02, _PAGE_02, _plan02),
    3: Method(stages.State, _silent(taf03.step), taf03.register_values, _PAGE),
    4: Method(stages.State, _silent(taf04.step), taf04.register_values, _PAGE),
    5: Method(taf05.State, _silent(taf05.step), taf05.register_values, _PAGE, entry=Event),
    12: Method(taf12.State, taf12.step, taf12.register_values, entry=Credit, roll_over=taf12.roll_over, pause=taf12.pause),
}
"""Use cases that are booked reading by reading."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """Hold where a contract's evaluation stands."""

    start_us: int
    seen: int
    """Number of the newest reading that was taken."""
    entries: int
    """How many events or credits were taken."""
    states: dict[str, msgspec.Raw]
    """OBIS code -> tariff state without its closed bookings; a register that can't be evaluated in this period is left out."""
    closed: dict[str, int]
    """OBIS code -> number of closed bookings in the pages."""


class _Carried(msgspec.Struct, frozen=True, array_like=True):
    """Hold what a contract that ended leaves to its next version."""

    end_us: int
    entries: int
    states: dict[str, msgspec.Raw]


class Held(NamedTuple):
    """Hold the same, decoded."""

    start: datetime
    seen: int
    entries: int
    states: dict[str, Any] | None
    """None before anything of the period was taken."""


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """Hold one event or credit and the number of the newest reading that was stored before it."""

    after: int
    content: msgspec.Raw


class Booked(NamedTuple):
    """Say what one call of `advance` brought."""

    until: datetime
    """All periods up to here are booked."""
    signals: Signals
    faults: tuple[str, ...]
    """Codes of the registers that can't be evaluated in their period, new ones only."""


class Tariffs:
    """Carry the tariff states of all contracts on. Joins open transactions."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, tuple[bytes, Held, dict[str, int]]] = {}
        """Key of a term -> what its stored head decodes to; good only while the head is still stored as it was."""

    def advance(self, profile: EvaluationProfile, closed: datetime, now: datetime) -> Booked:
        """Take everything that was stored since the last call, and book the periods that ended at or before `closed`.

        Raises: DomainFault tariff.* when the contract itself can't be evaluated.
        """
        method, rules = METHODS[profile.taf], rules_of(profile)
        held, paged = self._load(profile, method)
        signals: Signals = ()
        faults: list[str] = []
        grace = timedelta(seconds=rules.latency_s) if profile.taf == 5 else timedelta()
        while True:
            frame = frame_of(profile, held.start)
            if frame is None:
                break
            held, caused = self._feed(profile, method, frame, rules, held, faults)
            signals += caused
            if closed < frame.end + grace:
                break
            self._journal.append_registers(registers_of(profile, frame, rules, held.states or {}, now))
            held, paged = self._next(profile, method, frame, held), {}
        self._save(profile, method, held, paged)
        return Booked(held.start, signals, tuple(dict.fromkeys(faults)))

    def append(self, profile: EvaluationProfile, entry: Event | Credit) -> None:
        """Store an event or a credit behind the readings stored so far. Raises: DomainFault tariff.event_count, tariff.use_case."""
        if not isinstance(entry, METHODS[profile.taf].entry or ()):
            raise DomainFault("tariff.use_case", f"TAF {profile.taf}")
        entries = self.entries(profile)
        if len(entries) >= MAX_ENTRIES:
            raise DomainFault("tariff.event_count", profile.profile_id)
        entries.append(Stored(self._journal.count_readings(), msgspec.Raw(msgspec.json.encode(entry))))
        self._journal.set_state(f"tariff-log/{profile.profile_id}", msgspec.json.encode(entries))

    def entries(self, profile: EvaluationProfile) -> list[Stored]:
        """Give the contract's events or credits in the order in which they were stored."""
        stored = self._journal.get_state(f"tariff-log/{profile.profile_id}")
        return msgspec.json.decode(stored, type=list[Stored]) if stored is not None else []

    def booked_until(self, profile: EvaluationProfile) -> datetime:
        """Give the moment up to which all periods of a contract are booked."""
        return self._load(profile, METHODS[profile.taf])[0].start

    def states(self, profile: EvaluationProfile) -> dict[str, Any]:
        """Give the tariff state of each register in the running period."""
        return self._load(profile, METHODS[profile.taf])[0].states or {}

    def _feed(
        self, profile: EvaluationProfile, method: Method, frame: Frame, rules: Any, held: Held, faults: list[str]
    ) -> tuple[Held, Signals]:
        states = {text: method.state() for text in profile.registers} if held.states is None else held.states
        readings, seen = self._new_readings(profile, frame, held)
        plan = method.plan(frame, rules)
        signals: Signals = ()
        entries = self.entries(profile)[held.entries :] if method.entry is not None else []
        decoded = [(stored.after, 1, msgspec.json.decode(stored.content, type=method.entry)) for stored in entries]
        ordered: list[tuple[int, int, Any]] = sorted(
            [*((signed.sequence, 0, signed) for signed in readings), *decoded], key=lambda item: item[:2]
        )
        if method.roll_over is not None:
            # What was stored after the first reading of the next period belongs to that.
            ordered = list(takewhile(lambda item: item[1] or item[2].reading.target_time <= frame.end, ordered))
        by_code = {Obis.parse(text): text for text in profile.registers}
        for _, _, entry in ordered:
            wanted = [by_code[entry.reading.obis]] if isinstance(entry, SignedReading) else list(states)
            for text in wanted:
                if text not in states:
                    continue
                try:
                    following, caused = method.step(frame, plan, states[text], entry)
                except DomainFault as fault:
                    faults.append(fault.code)
                    states = {code: state for code, state in states.items() if code != text}
                else:
                    states = {**states, text: following}
                    signals += caused
        return Held(held.start, seen, held.entries + sum(kind for _, kind, _ in ordered), states), signals

    def _next(self, profile: EvaluationProfile, method: Method, frame: Frame, held: Held) -> Held:
        """Begin the next period; a state that rolls over is kept for the next version of the contract, too."""
        if method.roll_over is None:
            return _begin(frame.end)
        states = {text: method.roll_over(state) for text, state in (held.states or {}).items()}
        kept = _Carried(
            microseconds(frame.end), held.entries, {text: msgspec.Raw(msgspec.msgpack.encode(state)) for text, state in states.items()}
        )
        self._journal.set_state(f"tariff-carry/{profile.profile_id}", msgspec.msgpack.encode(kept))
        return Held(frame.end, 0, held.entries, states)

    def _first(self, profile: EvaluationProfile, method: Method) -> Held:
        stored = self._journal.get_state(f"tariff-carry/{profile.profile_id}") if method.roll_over is not None else None
        if stored is None:
            return _begin(profile.valid_from)
        kept = msgspec.msgpack.decode(stored, type=_Carried)
        states = {text: msgspec.msgpack.decode(raw, type=method.state) for text, raw in kept.states.items()}
        if method.pause is not None and kept.end_us != microseconds(profile.valid_from):
            states = {text: method.pause(state) for text, state in states.items()}
        return Held(profile.valid_from, 0, kept.entries, states)

    def _new_readings(self, profile: EvaluationProfile, frame: Frame, held: Held) -> tuple[list[SignedReading], int]:
        newest = self._journal.count_readings()
        codes = [Obis.parse(text) for text in profile.registers]
        missed = newest - held.seen
        if held.seen and missed <= CATCH_UP:
            found = self._journal.recent_readings(missed) if missed else []
            mine = [s for s in found if s.reading.meter_id == profile.meter_id and s.reading.obis in codes]
        else:
            mine = self._journal.readings(profile.meter_id, codes, after=frame.start - _TICK)
        return sorted((s for s in mine if s.sequence > held.seen), key=lambda s: s.sequence), newest

    def _load(self, profile: EvaluationProfile, method: Method) -> tuple[Held, dict[str, int]]:
        key = _key(profile)
        data = self._journal.get_state(key)
        if data is None:
            return self._first(profile, method), {}
        known = self._known.get(key)
        if known is not None and known[0] == data:
            return known[1], known[2]
        head = msgspec.msgpack.decode(data, type=_Head)
        states = {}
        for text, raw in head.states.items():
            state = msgspec.msgpack.decode(raw, type=method.state)
            states[text] = _with_closed(state, self._runs(profile, method, text, head.closed.get(text, 0)))
        held = Held(from_microseconds(head.start_us), head.seen, head.entries, states)
        self._known[key] = (data, held, head.closed)
        return held, head.closed

    def _runs(self, profile: EvaluationProfile, method: Method, text: str, count: int) -> tuple[Any, ...]:
        runs: list[Any] = []
        if method.page is not None:
            for page in range(-(-count // PAGE_RUNS)):
                runs += method.page.decode(self._journal.get_state(_page_key(profile, text, page)) or b"\x90")
        return tuple(runs)

    def _save(self, profile: EvaluationProfile, method: Method, held: Held, paged: dict[str, int]) -> None:
        bare: dict[str, msgspec.Raw] = {}
        closed: dict[str, int] = {}
        for text, state in (held.states or {}).items():
            runs = _closed(state)
            first = paged.get(text, 0) // PAGE_RUNS if len(runs) > paged.get(text, 0) else -(-len(runs) // PAGE_RUNS)
            for page in range(first, -(-len(runs) // PAGE_RUNS)):
                content = runs[page * PAGE_RUNS : (page + 1) * PAGE_RUNS]
                self._journal.set_state(_page_key(profile, text, page), msgspec.msgpack.encode(content))
            closed[text] = len(runs)
            bare[text] = msgspec.Raw(msgspec.msgpack.encode(_with_closed(state, ())))
        head = _Head(microseconds(held.start), held.seen, held.entries, bare, closed)
        data = msgspec.msgpack.encode(head)
        if data != self._journal.get_state(_key(profile)):
            self._journal.set_state(_key(profile), data)
        self._known[_key(profile)] = (data, held, closed)


def _begin(start: datetime) -> Held:
    return Held(start, 0, 0, None)


def frame_of(profile: EvaluationProfile, start: datetime) -> Frame | None:
    """Give the period of a contract that starts at `start`; None when the contract has ended. Raises: DomainFault tariff.period."""
    if profile.valid_to is not None and start >= profile.valid_to:
        return None
    end = billing_period(profile, start)[1]
    if profile.valid_to is not None:
        end = min(end, profile.valid_to)
    return Frame(start, end, profile.period_s)


def book_extremes(journal: Journal, profile: EvaluationProfile, closed: datetime, now: datetime) -> datetime:
    """Book highest and lowest average power of all periods that ended (TAF 8); gives the moment up to which they are booked.

    Joins an open transaction. Raises: DomainFault tariff.power.
    """
    key, rules = extremes_key(profile), rules_of(profile)
    stored = journal.get_state(key)
    start = profile.valid_from if stored is None else from_microseconds(int.from_bytes(stored, "big"))
    codes = [Obis.parse(text) for text in profile.registers]
    while (frame := frame_of(profile, start)) is not None and frame.end <= closed:
        readings = journal.readings(profile.meter_id, codes, after=start - _TICK, until=frame.end)
        about: dict[str, Any] = {"meter_id": profile.meter_id, "profile_id": profile.profile_id, "created_at": now}
        journal.append_registers([value for obis in codes for value in taf08.evaluate(frame, rules, readings, obis=obis, **about)])
        start = frame.end
        journal.set_state(key, microseconds(start).to_bytes(8, "big"))
    return start


def registers_of(profile: EvaluationProfile, frame: Frame, rules: Any, states: dict[str, Any], now: datetime) -> Sequence[RegisterValue]:
    """Give the registers of a period: every stage, the error register and the total of each OBIS code."""
    method = METHODS[profile.taf]
    plan = method.plan(frame, rules)
    return [
        value
        for text, state in states.items()
        for value in method.registers(frame, plan, state, profile_id=profile.profile_id, obis=Obis.parse(text), created_at=now)
    ]


def extremes_key(profile: EvaluationProfile) -> str:
    """Give the name under which the journal keeps how far extremes are booked."""
    return f"booked/{profile.profile_id}@{microseconds(profile.valid_from)}"


def _key(profile: EvaluationProfile) -> str:
    """Name a term of a contract by its start: a version that only moves the end goes on with the state."""
    return f"tariff/{profile.profile_id}@{microseconds(profile.valid_from)}"


def _page_key(profile: EvaluationProfile, text: str, page: int) -> str:
    return f"{_key(profile)}/{text}/{page}"


def _closed(state: Any) -> tuple[Any, ...]:
    runs: tuple[Any, ...] = getattr(getattr(state, "booked", state), "closed", ())
    return runs


def _with_closed(state: Any, runs: tuple[Any, ...]) -> Any:
    if hasattr(state, "booked"):
        return msgspec.structs.replace(state, booked=msgspec.structs.replace(state.booked, closed=runs))
    return msgspec.structs.replace(state, closed=runs) if hasattr(state, "closed") else state
