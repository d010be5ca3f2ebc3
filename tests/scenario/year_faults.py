"""What goes wrong in the simulated year: a seeded plan of faults, what each does to the world, and what must be told of it."""

import random
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.scenario.year_contracts import FLAT, GAS, HOUSE, PARTICIPANT, STRANGER, Span
from tests.scenario.year_world import PlayedMeter, PowerCut, YearWorld

from smgw.core.instant import period_floor
from smgw.core.log_event import Log

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
S, C, L = Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER

METER_LINKS = (HOUSE.link, FLAT.link, GAS.link)
QUARTERLY = (HOUSE.link, FLAT.link)


@dataclass
class Fault:
    """Hold one fault: planned, and after it has happened also what it touched."""

    kind: str
    start: datetime
    end: datetime
    link: str = ""
    number: int = 0
    expected: list[tuple[Log, str]] = field(default_factory=list)
    """Log and event of every entry that must tell of it."""
    meters: tuple[str, ...] = ()
    """Meters whose readings may be missing or marked by it; what their energy is booked to may be the error register."""
    done: bool = False
    note: str = ""


class Kind(NamedTuple):
    """Describe one kind of fault."""

    label: str
    a_year: int
    longest: timedelta
    happen: Callable[[YearWorld, Fault], None]
    links: tuple[str, ...] = ("",)
    told: tuple[tuple[Log, str], ...] = ()
    books: bool = False
    """Whether readings are missing or marked because of it."""
    shortest: timedelta = timedelta()


def _silence(world: YearWorld, fault: Fault, treat: Callable[[bytes], bytes | None] = lambda _: None) -> None:
    world.mute[fault.link] = treat
    world.at(fault.end, lambda: world.mute.pop(fault.link, None) and None)


def _gap(world: YearWorld, fault: Fault) -> None:
    """Lose exactly one telegram."""
    fault.end = fault.start + timedelta(seconds=world.connected[fault.link].device.period_s)
    _silence(world, fault)


def flipped(octets: bytes, number: int) -> bytes:
    """Turn one bit of a frame's inside."""
    place = 16 + number % (len(octets) - 32)
    return octets[:place] + bytes((octets[place] ^ 1 << number % 8,)) + octets[place + 1 :]


def _flip(world: YearWorld, fault: Fault) -> None:
    """Damage one telegram a moment before a good one comes."""
    before = world.rejected
    world.transmit(fault.link, flipped(world.connected[fault.link].telegram(world.now), fault.number))
    assert world.rejected == before + 1, "a telegram with a flipped bit was taken"
    if str(world.rejected).strip("0") == "1":
        fault.expected.append((S, "telegram_rejected"))


def _noise(world: YearWorld, fault: Fault) -> None:
    """Damage every telegram for a while."""
    if not world.rejected:
        fault.expected.append((S, "telegram_rejected"))
    _silence(world, fault, lambda octets: flipped(octets, fault.number))


def _double(world: YearWorld, fault: Fault) -> None:
    """Send the same octets again and again."""
    octets = world.connected[fault.link].telegram(world.now)
    for _ in range(3):
        world.transmit(fault.link, octets)


def _late(world: YearWorld, fault: Fault) -> None:
    """Let a telegram come that is older than the one before it."""
    octets = world.connected[fault.link].telegram(world.now - MINUTE)
    world.transmit(fault.link, world.connected[fault.link].telegram(world.now))
    world.transmit(fault.link, octets, world.up.clock.now() - MINUTE)


def _stranger(world: YearWorld, fault: Fault) -> None:
    """Let a meter be heard that no profile admits."""
    if world.up.acquisition.unknown.get(STRANGER.meter_id) is None:
        fault.expected.append((S, "meter_unknown"))
    for minute in range(5):
        world.transmit(fault.link, PlayedMeter(STRANGER).telegram(world.now - minute * MINUTE))


def _away(world: YearWorld, fault: Fault) -> None:
    """Let the time server be away; after a week the clock is not valid any more."""
    world.keeper.reachable = False

    def back() -> None:
        world.keeper.reachable = True

    world.at(fault.end, back)


def _drift(world: YearWorld, fault: Fault) -> None:
    """Let the oscillator run fast or slow between two looks at the time server."""
    amount = _DRIFTS[fault.kind][fault.number % len(_DRIFTS[fault.kind])]
    fault.note = f"{amount:+d} s"
    begin = period_floor(world.now, 3600) + 21 * MINUTE
    # Just after the time server was asked, so that the next answer shows all of it.
    world.skew.add(begin if begin > world.now else begin + HOUR, 50 * MINUTE, timedelta(seconds=amount))
    if fault.kind == "clock far off" and amount > 0:
        fault.expected += [(S, "clock_behind_values"), (C, "clock_behind_values")]


_DRIFTS = {"clock off": (7, -5, 19, -23), "clock far off": (950, -970), "clock wrong": (65, -140, 210, -33)}


def _restart(world: YearWorld, fault: Fault) -> None:
    world.stop()
    world.at(fault.end, world.boot)


def _power_cut(world: YearWorld, fault: Fault) -> None:
    """Cut the power inside the next transaction that stores readings: all of it is written, nothing of it is committed."""
    gateway, evaluation = world.up, world.up.evaluation
    run = evaluation.run

    def cut(*arguments: object) -> int:
        run(*arguments)  # type: ignore[arg-type]
        place = world.snapshot()
        fault.note = f"{gateway.journal.count_readings()} readings, the last not committed"
        raise PowerCut(place)

    evaluation.run = cut  # type: ignore[method-assign]
    count = gateway.journal.count_readings()
    while world.gateway is gateway:
        try:
            world.run_until(world.now + MINUTE)
        except PowerCut as cut_off:
            world.kill(cut_off.args[0])
    fault.start = world.now
    fault.end = max(fault.end, world.now + 5 * MINUTE)

    def again() -> None:
        world.boot()
        assert world.up.journal.count_readings() == count, "what was not committed is there, or what was is not"

    world.at(fault.end, again)


def _cut_at_receipt(world: YearWorld, fault: Fault) -> None:
    """Cut the power when the partner has stored a message and signed for it, and the gateway has not stored the receipt."""
    gateway = world.up
    waiting = [message.message_id for message in gateway.journal.pending()]
    if not waiting:
        fault.note = "nothing waited: a plain power cut"

    def cut(*_: object) -> None:
        raise PowerCut

    gateway.journal.acknowledge = cut  # type: ignore[method-assign]
    try:
        world.deliver()
    except PowerCut:
        fault.note = "one message is delivered twice and stored once"
    world.kill()

    def again() -> None:
        world.boot()
        assert [message.message_id for message in world.up.journal.pending()] == waiting
        world.deliver()

    world.at(fault.end, again)


@contextmanager
def _largest_file(octets: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _disk_full(world: YearWorld, fault: Fault) -> None:
    """Let no file of the process grow: every write of the journal is refused by the system."""
    stack = ExitStack()
    stack.enter_context(_largest_file(4096))
    world.disk_full = True

    def room() -> None:
        world.disk_full = False
        stack.close()

    world.at(fault.end, room)


def _offline(world: YearWorld, fault: Fault) -> None:
    world.runner.run(world.partners[PARTICIPANT].leave())
    world.at(fault.end, lambda: world.runner.run(world.partners[PARTICIPANT].arrive()))


def _fall(world: YearWorld, fault: Fault) -> None:
    """Let the import register fall: for one period, or for good."""
    wires = world.connected[fault.link].wires
    amount = 20_000 + fault.number % 30_000
    wires.lowered += amount
    if fault.number % 2:
        fault.note = f"by {amount / 10:.1f} Wh for one period"
        world.at(fault.start + 15 * MINUTE, lambda: setattr(wires, "lowered", wires.lowered - amount))
    else:
        fault.note = f"by {amount / 10:.1f} Wh for good"
    fault.end = fault.start + 15 * MINUTE


def _flag(name: str) -> Callable[[YearWorld, Fault], None]:
    def happen(world: YearWorld, fault: Fault) -> None:
        meter = world.connected[fault.link].sml
        setattr(meter, name, True)
        world.at(fault.end, lambda: setattr(meter, name, False))

    return happen


def _tariff_event(world: YearWorld, fault: Fault) -> None:
    """Report an event that the contract does not know, or one that is an hour old; put it right at the end."""
    contract = next(p for p in world.up.evaluation_profiles() if p.taf == 5 and (p.valid_to is None or p.valid_to > world.up.clock.now()))
    fault.meters = (contract.meter_id,)
    at = period_floor(world.up.clock.now(), 900)
    name, moment = ("storm", at) if fault.kind == "event unknown" else ("high", at - HOUR)
    world.command("POST", "fas/event", {"contract": contract.profile_id, "name": name, "at": moment.isoformat()})

    def right() -> None:
        following = period_floor(world.up.clock.now(), 900)
        world.command("POST", "fas/event", {"contract": contract.profile_id, "name": "low", "at": following.isoformat()})

    world.at(fault.end, right)


_LOST = ((S, "meter_lost"), (C, "meter_lost"), (S, "meter_found"))
_VALUE = ((S, "value_missing"), (L, "value_missing"))
_INVALID = ((S, "clock_invalid"), (C, "clock_invalid"), (S, "clock_valid"), (C, "clock_valid"), (S, "state_changed"), (C, "state_changed"))
_STEPPED = ((S, "clock_stepped"), (C, "clock_stepped"))
_STARTED = ((S, "started"), (C, "started"), (S, "special_functions"))
_FULL = ((S, "storage_full"), (C, "storage_full"), (S, "storage_available"), (C, "storage_available"))

KINDS: dict[str, Kind] = {
    "telegram lost": Kind("one telegram does not arrive", 45, HOUR, _gap, METER_LINKS, (*_LOST, *_VALUE), True),
    "meter silent": Kind("a meter is silent for hours", 12, 9 * HOUR, _silence, QUARTERLY, (*_LOST, *_VALUE), True, HOUR),
    "line noise": Kind("every telegram of a link is damaged", 4, 3 * HOUR, _noise, QUARTERLY, (*_LOST, *_VALUE), True, HOUR),
    "bit flipped": Kind("one bit of a telegram is wrong, a good one follows", 40, MINUTE, _flip, METER_LINKS),
    "telegram doubled": Kind("the same telegram comes four times", 40, MINUTE, _double, METER_LINKS),
    "telegram late": Kind("a telegram overtakes another", 25, MINUTE, _late, QUARTERLY, ((S, "telegram_out_of_order"),)),
    "stranger heard": Kind("a meter without profile sends", 4, MINUTE, _stranger, (FLAT.link,)),
    "time server away": Kind("the time server does not answer", 3, 2 * DAY, _away, told=((S, "time_server_unreachable"),),
                             shortest=3 * HOUR),
    "holdover ends": Kind(
        "no time server for more than a week", 2, 9 * DAY, _away, told=((S, "time_server_unreachable"), *_INVALID), books=True,
        shortest=8 * DAY,
    ),
    "clock off": Kind("the oscillator gains or loses seconds", 8, HOUR, _drift, told=_STEPPED, shortest=HOUR),
    "clock wrong": Kind("the oscillator gains or loses a minute or more", 8, 2 * HOUR, _drift, told=(*_STEPPED, *_INVALID), books=True,
                        shortest=2 * HOUR),
    "clock far off": Kind("the oscillator is wrong by more than a period", 4, 3 * HOUR, _drift, told=(*_STEPPED, *_INVALID), books=True,
                          shortest=3 * HOUR),
    "restart": Kind("the gateway is stopped and started", 8, 3 * HOUR, _restart, told=((S, "stopped"), *_STARTED), books=True,
                    shortest=MINUTE),
    "power cut": Kind("the power fails inside a transaction", 10, HOUR, _power_cut, told=((S, "power_returned"), *_STARTED), books=True,
                      shortest=20 * MINUTE),
    "cut at a receipt": Kind("the power fails before a receipt is stored", 4, HOUR, _cut_at_receipt,
                             told=((S, "power_returned"), *_STARTED), books=True, shortest=20 * MINUTE),
    "disk full": Kind("the disk takes nothing", 5, 5 * HOUR, _disk_full, told=_FULL, shortest=HOUR),
    "disk full for days": Kind(
        "the disk takes nothing until values are given up", 1, 9 * DAY, _disk_full,
        told=(*_FULL, (S, "values_given_up"), (C, "values_given_up")), books=True, shortest=8 * DAY,
    ),
    "participant away": Kind("the participant can't be reached", 6, 5 * DAY, _offline, told=((S, "handshake_failed"),), shortest=2 * DAY),
    "register fell": Kind("a register shows less than before", 6, HOUR, _fall, QUARTERLY,
                          ((S, "reading_implausible"), (C, "reading_implausible")), True),
    "meter opened": Kind("a meter reports manipulation", 4, 4 * HOUR, _flag("tampered"), QUARTERLY,
                         ((S, "meter_tamper"), (C, "meter_tamper"), (L, "meter_tamper")), True, HOUR),
    "meter broken": Kind("a meter reports a fatal error", 3, 4 * HOUR, _flag("broken"), QUARTERLY,
                         ((S, "meter_fatal"), (C, "meter_fatal"), (L, "meter_fatal")), True, HOUR),
    "event unknown": Kind("a tariff event that the contract does not know", 5, 8 * HOUR, _tariff_event,
                          told=((S, "tariff_event"), (L, "tariff_event")), shortest=2 * HOUR),
    "event late": Kind("a tariff event comes an hour late", 4, 8 * HOUR, _tariff_event, told=((S, "tariff_event"), (L, "tariff_event")),
                       shortest=2 * HOUR),
}  # fmt: skip
"""Name of the kind -> its row."""

CALM = 3 * HOUR
"""At least so long between two faults, so that each can be told from the next."""


def plan(span: Span, seed: int, kinds: Sequence[str] = ()) -> list[Fault]:
    """Spread faults over the run, one after the other: in the numbers of the table, or each of `kinds` once and short.

    Raises: ValueError when they don't fit.
    """
    dice = random.Random(seed)
    wanted = [(name, KINDS[name].shortest) for name in kinds] or _by_the_table(span, dice)
    dice.shuffle(wanted)
    margin = min(DAY, (span.end - span.start) / 8)
    free = span.end - span.start - 2 * margin - sum((length + CALM for _, length in wanted), timedelta())
    if free < timedelta():
        raise ValueError(f"{len(wanted)} faults are too many")
    cuts = sorted(dice.random() for _ in wanted)
    faults, taken = [], span.start + margin
    for (name, length), cut in zip(wanted, cuts, strict=True):
        # A few minutes into a period: the telegram of its end is the first to be touched.
        start = period_floor(taken + free * cut, 3600) + timedelta(minutes=15 * dice.randrange(4) + 3)
        faults.append(Fault(name, start, start + length, dice.choice(KINDS[name].links), dice.randrange(1 << 30)))
        taken += length + CALM
    return faults


def _by_the_table(span: Span, dice: random.Random) -> list[tuple[str, timedelta]]:
    """Choose kinds and lengths; a run of weeks goes without what lasts for days."""
    wanted = []
    for name, kind in KINDS.items():
        share = kind.a_year * ((span.end - span.start) / DAY) / 365
        for _ in range(int(share) + (dice.random() < share % 1)):
            length = kind.shortest + (kind.longest - kind.shortest) * dice.random()
            if length * 5 < span.end - span.start:
                wanted.append((name, length))
    return wanted


def inject(world: YearWorld, fault: Fault) -> None:
    """Put a fault on the agenda."""

    def begin() -> None:
        kind = KINDS[fault.kind]
        fault.expected += kind.told
        if kind.books:
            links = [fault.link] if fault.link else list(world.connected)
            fault.meters = tuple(world.connected[link].device.meter_id for link in links)
        kind.happen(world, fault)
        fault.done = True

    world.at(fault.start, begin)
