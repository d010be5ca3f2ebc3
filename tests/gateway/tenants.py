"""Three consumers behind one gateway, five meters, and values that tell whose they are wherever they turn up.

| meter | who | when |
| --- | --- | --- |
| 1 | East | always |
| 2 | West | always |
| 3 | East, then West, then North | one after another |
| 4 | East the import, North the export | at the same time |
| 5 | North; West has a contract that is still to come | always |
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import ConsumerProfile, EvaluationProfile, MeterProfile, Profile, RegisterProfile
from smgw.core.reading import Reading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION
from smgw.protocol.digest_auth import CONSUMER_REALM, Algorithm, ha1
from smgw.storage.journal import Journal

NOW = datetime(2026, 11, 21, 13, 17, 20, tzinfo=UTC)
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
FIRST = datetime(2026, 11, 18, tzinfo=UTC)
"""Readings begin here and go on to NOW."""
SECOND_MOVE, THIRD_MOVE = datetime(2026, 11, 19, 12, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)
"""When meter 3 goes from East to West, and from West to North."""
IMPORT, EXPORT = ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT


class Tenant(NamedTuple):
    """Describe one consumer."""

    consumer_id: str
    user: str
    password: str


EAST = Tenant("canary-east-91.sm", "east-canary-17", "pa55-east-0815-x")
WEST = Tenant("canary-west-82.sm", "west-canary-28", "pa55-west-0816-y")
NORTH = Tenant("canary-north-73.sm", "north-canary-39", "pa55-north-0817-z")
TENANTS = (EAST, WEST, NORTH)


class Meter(NamedTuple):
    """Describe one meter."""

    meter_id: str
    server_id: str
    registers: tuple[Obis, ...]


METERS = {
    1: Meter("1CNR0071000001", "0a01434e520071a10001", (IMPORT, EXPORT)),
    2: Meter("1CNR0072000002", "0a01434e520072a20002", (IMPORT,)),
    3: Meter("1CNR0073000003", "0a01434e520073a30003", (IMPORT,)),
    4: Meter("1CNR0074000004", "0a01434e520074a40004", (IMPORT, EXPORT)),
    5: Meter("1CNR0075000005", "0a01434e520075a50005", (IMPORT,)),
}


class Deal(NamedTuple):
    """Describe one contract and what its values begin with."""

    tenant: Tenant
    profile_id: str
    meter: int
    register: Obis
    mark: int
    """First four digits of each of its values, which nothing else begins with."""
    taf: int = 7
    start: datetime = FIRST - HOUR
    end: datetime | None = None


DEALS = (
    Deal(EAST, "taf7-east-one-5101.sm", 1, IMPORT, 7411),
    Deal(EAST, "taf1-east-two-5102.sm", 1, IMPORT, 7411, taf=1),
    Deal(EAST, "taf7-east-sun-5103.sm", 1, EXPORT, 7412),
    Deal(WEST, "taf7-west-one-5201.sm", 2, IMPORT, 7421),
    Deal(EAST, "taf7-east-flat-5104.sm", 3, IMPORT, 7431, end=SECOND_MOVE),
    Deal(WEST, "taf7-west-flat-5202.sm", 3, IMPORT, 7432, start=SECOND_MOVE, end=THIRD_MOVE),
    Deal(NORTH, "taf7-north-flat-5301.sm", 3, IMPORT, 7433, start=THIRD_MOVE),
    Deal(EAST, "taf7-east-roof-5105.sm", 4, IMPORT, 7441),
    Deal(NORTH, "taf7-north-roof-5302.sm", 4, EXPORT, 7442),
    Deal(NORTH, "taf7-north-one-5303.sm", 5, IMPORT, 7451),
    Deal(WEST, "taf7-west-next-5203.sm", 5, IMPORT, 7452, start=NOW + HOUR),
)


def name_of(deal: Deal) -> str:
    """Give the contract's name as its consumer sees it."""
    return f"Vertrag {deal.profile_id.removesuffix('.sm').rpartition('-')[2]} {deal.tenant.user}"


def metering_point(deal: Deal) -> str:
    """Give the contract's metering point."""
    return f"DE00099{deal.profile_id.removesuffix('.sm').rpartition('-')[2]}{deal.mark}0000000000000000000000"[:33]


def profiles() -> Iterator[Profile]:
    """Give all profiles in the order of installation."""
    for number, meter in METERS.items():
        yield MeterProfile(meter.meter_id, meter.server_id, tuple(RegisterProfile(str(code)) for code in meter.registers), f"link-{number}")
    for tenant in TENANTS:
        secrets = {
            name: ha1(algorithm, tenant.user, CONSUMER_REALM, tenant.password)
            for name, algorithm in (("digest_md5", Algorithm.MD5), ("digest_sha256", Algorithm.SHA256))
        }
        yield ConsumerProfile(consumer_id=tenant.consumer_id, user_name=tenant.user, **secrets)
    for deal in DEALS:
        yield EvaluationProfile(
            profile_id=deal.profile_id,
            taf=deal.taf,
            meter_id=METERS[deal.meter].meter_id,
            registers=(str(deal.register),),
            consumer_id=deal.tenant.consumer_id,
            usage_point_name=name_of(deal),
            metering_point_id=metering_point(deal),
            valid_from=deal.start,
            valid_to=deal.end,
        )


def value_at(mark: int, moment: datetime) -> int:
    """Give the counter of a mark at a moment: four digits that tell whose it is, six that grow."""
    return mark * 1_000_000 + int((moment - FIRST) / QUARTER) * 3 + 111


HANDED_OVER = 7430
"""Mark of a value at the moment of a move: it closes one contract and opens the other, so both see it."""


def _mark(meter: int, register: Obis, moment: datetime) -> int:
    deals = [deal for deal in DEALS if (deal.meter, deal.register) == (meter, register)]
    if any(deal.end == moment for deal in deals):
        return HANDED_OVER
    return next(deal.mark for deal in deals if deal.start <= moment and (deal.end is None or moment < deal.end))


def readings() -> Iterator[tuple[Reading, bytes]]:
    """Give every quarter hour of every meter; each value carries the mark of whoever may see it."""
    moment = FIRST
    while moment <= NOW:
        for number, meter in METERS.items():
            for code in meter.registers:
                raw = value_at(_mark(number, code, moment), moment)
                item = Reading(meter.meter_id, code, raw, -1, 30, moment + timedelta(seconds=2), moment, GATEWAY_OK, METER_IDENTIFICATION)
                yield item, raw.to_bytes(8, "big") * 8
        moment += QUARTER


def log_text(tenant: Tenant) -> str:
    """Give a word that stands in this consumer's log alone."""
    return f"emt-of-{tenant.user}"


def entries() -> Iterator[LogEntry]:
    """Give log entries of every consumer, and some of the gateway."""
    for number, tenant in enumerate(TENANTS):
        deal = next(deal for deal in DEALS if deal.tenant is tenant)
        facts = {"count": "96", "contract": deal.profile_id, "partner": log_text(tenant), "message": f"message-{tenant.user}"}
        for step in range(60):
            moment = NOW - HOUR * (60 - step) + timedelta(minutes=number)
            yield LogEntry(Log.CONSUMER, "dispatched", moment, True, deal.profile_id, tenant.consumer_id, facts)
    yield LogEntry(Log.SYSTEM, "started", NOW - 70 * HOUR, parameters={"version": "0.1.0"})
    yield LogEntry(Log.CALIBRATION, "started", NOW - 70 * HOUR, parameters={"version": "0.1.0"})


def fill(journal: Journal) -> None:
    """Write everything into a journal."""
    for profile in profiles():
        journal.put_profile(profile, b"signed " + type(profile).__name__.encode(), FIRST - HOUR)
    journal.append_readings(list(readings()))
    for deal in DEALS:
        if deal.taf == 1:
            start, end = FIRST, FIRST + timedelta(days=1)
            amount = value_at(deal.mark, end)
            journal.append_registers([RegisterValue(deal.profile_id, 1, deal.register, amount, -1, 30, start, end, GATEWAY_OK, (1,), end)])
    journal.append_log(list(entries()))


def secrets_of(tenant: Tenant) -> dict[str, str]:
    """Give every word and the beginning of every number that only this consumer may ever see, with what it is."""
    own = [deal for deal in DEALS if deal.tenant is tenant]
    shared = {deal.meter for deal in DEALS if deal.tenant is not tenant}
    found = {
        tenant.consumer_id.removesuffix(".sm"): "consumer id",
        tenant.user: "user name",
        log_text(tenant): "log text",
        **{deal.profile_id.removesuffix(".sm"): "contract id" for deal in own},
        **{name_of(deal): "contract name" for deal in own},
        **{metering_point(deal): "metering point" for deal in own},
        **{str(deal.mark): "value" for deal in own if deal.start <= NOW},
    }
    for deal in own:
        if deal.meter not in shared:
            found |= {METERS[deal.meter].meter_id: "meter id", METERS[deal.meter].server_id: "server id"}
    return found


_SPACES = {ord(letter): None for letter in " .,\u00a0\u202f\u2009'"}


@cache
def _theirs(tenant: Tenant | None) -> tuple[dict[str, str], dict[str, str]]:
    """Gather words and beginnings of numbers of everybody but one, of all for a stranger: what is looked for -> what it is."""
    words, marks = {}, {}
    for other in TENANTS:
        for word, what in secrets_of(other).items() if other is not tenant else ():
            meaning = f"{what} of {other.user}: {word}"
            if what == "value":
                marks[word] = meaning
            else:
                words |= {word.casefold(): meaning, word.casefold().encode().hex(): meaning}
    return words, marks


def leaks(seen: str, tenant: Tenant | None) -> list[str]:
    """List what of other consumers shows in what one was shown, however numbers are grouped and letters cased; None is a stranger."""
    words, marks = _theirs(tenant)
    plain = seen.casefold()
    grouped = plain.translate(_SPACES)
    found = {meaning for word, meaning in words.items() if word in plain}
    return sorted(found | {meaning for mark, meaning in marks.items() if mark in grouped and _begins_number(grouped, mark)})


def _begins_number(text: str, mark: str) -> bool:
    """Tell whether a number of ten digits begins with a mark; digits inside long hex, as of certificates, are no numbers."""
    found = re.finditer(rf"(?<![0-9]){mark}[0-9]{{6}}", text)
    return any(len(_run_around(text, match.start())) <= 24 for match in found)


def _run_around(text: str, at: int) -> str:
    start, end = at, at
    while start > at - 25 and start > 0 and text[start - 1] in "0123456789abcdef":
        start -= 1
    while end < at + 25 and end < len(text) and text[end] in "0123456789abcdef":
        end += 1
    return text[start:end]
