"""What the administrator orders for a contract: tariff events, credits, records of control actions, and read-outs in case of need.

Each order is checked, logged where the consumer sees it, and done in the transaction that its answer is kept in.
Source: TAF-05, TAF-06, TAF-11, TAF-12; LOG-01.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import msgspec

from smgw.core.contract import term_at
from smgw.core.errors import DomainFault, PeerFault
from smgw.core.instant import local_midnight
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import Tariffs
from smgw.storage.journal import Journal
from smgw.tariff import taf06, taf11
from smgw.tariff.rules import Credit, Event, Moment, ReadOutReason, ReadOutRequest, SwitchAction

MAX_AMOUNT: Final = 1 << 48
"""Largest credit that is taken at once."""

_TICK: Final = timedelta(microseconds=1)


class EventOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell that an event took place; it counts as received now."""

    contract: str
    name: str
    at: Moment


class CreditOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Load a credit."""

    contract: str
    credit_id: str
    amount: int


class SwitchOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Record a control action."""

    contract: str
    at: Moment
    device: str
    action: Literal["on", "off", "limit", "release"]
    ordered_by: str
    limit_w: int | None = None


class ReadOutOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Send the values at the start of some local days to the contract's recipients."""

    contract: str
    reason: ReadOutReason
    requested_by: str
    first: date
    last: date


class Desk(NamedTuple):
    """Hold what orders work on."""

    journal: Journal
    recorder: Recorder
    evaluation: Evaluation
    partner: str
    """Name of the administrator, as the logs show it."""


def obey_order(desk: Desk, name: str, body: bytes, now: datetime) -> dict[str, object]:
    """Do one order and say what it brought, never a value. Joins an open transaction; leaves nothing behind when it fails.

    Raises: PeerFault command.structure, DomainFault tariff.*, command.profile for a contract that is not installed.
    """
    kind, taf, work = ORDERS[name]
    try:
        order = msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as problem:
        raise PeerFault("command.structure", str(problem)[:160]) from problem
    with desk.journal.transaction():
        return work(desk, _contract(desk, order.contract, taf, now), order, now)


def _contract(desk: Desk, profile_id: str, taf: int, now: datetime) -> EvaluationProfile:
    for profile in term_at(contract_terms(desk.journal), now):
        if profile.profile_id == profile_id:
            if profile.taf != taf:
                raise DomainFault("tariff.use_case", f"TAF {profile.taf}")
            return profile
    raise DomainFault("command.profile", "contract")


def _record(desk: Desk, profile: EvaluationProfile, event: str, **parameters: object) -> None:
    about = {"contract": profile.profile_id, "partner": desk.partner, **parameters}
    desk.recorder.record_with(event, about, consumers=[profile.consumer_id], subject=profile.profile_id)


def _evaluate(desk: Desk, profile: EvaluationProfile, now: datetime) -> None:
    """Let what was appended take effect on all readings stored so far."""
    newest = [desk.journal.last_reading(profile.meter_id, Obis.parse(text)) for text in profile.registers]
    closed = max((signed.reading.target_time for signed in newest if signed is not None), default=profile.valid_from)
    terms = [term for term in contract_terms(desk.journal) if term.profile_id == profile.profile_id]
    desk.evaluation.run(terms, profile.meter_id, closed, now)


def _event(desk: Desk, profile: EvaluationProfile, order: EventOrder, now: datetime) -> dict[str, object]:
    Tariffs(desk.journal).append(profile, Event(name=order.name, at=order.at, received_at=now))
    _record(desk, profile, "tariff_event", name=order.name[:40], at=order.at.isoformat())
    _evaluate(desk, profile, now)
    return {"received_at": now}


def _credit(desk: Desk, profile: EvaluationProfile, order: CreditOrder, now: datetime) -> dict[str, object]:
    tariffs = Tariffs(desk.journal)
    if order.amount > MAX_AMOUNT:
        raise DomainFault("tariff.credit", f"{order.amount}")
    if order.credit_id in {msgspec.json.decode(entry.content, type=Credit).credit_id for entry in tariffs.entries(profile)}:
        raise DomainFault("tariff.credit", f"{order.credit_id[:40]} was loaded before")
    tariffs.append(profile, Credit(credit_id=order.credit_id, at=now, amount=order.amount))
    _record(desk, profile, "credit_loaded", credit=order.credit_id[:40])
    _evaluate(desk, profile, now)
    return {"loaded_at": now}


def _switch(desk: Desk, profile: EvaluationProfile, order: SwitchOrder, now: datetime) -> dict[str, object]:
    action = SwitchAction(at=order.at, device=order.device, action=order.action, ordered_by=order.ordered_by, limit_w=order.limit_w)
    if not max(profile.valid_from, now - timedelta(days=1)) <= action.at <= now:
        raise DomainFault("tariff.period", f"at: {action.at}")
    after = action.at - timedelta(seconds=profile.period_s) - _TICK
    codes = [Obis.parse(text) for text in profile.registers]
    readings = desk.journal.readings(profile.meter_id, codes, after=after, until=action.at)
    record = taf11.record(profile, action, readings, now)
    desk.journal.append_registers(record.values)
    words = action.action if action.limit_w is None else f"{action.action} {action.limit_w} W"
    _record(desk, profile, "device_switched", device=action.device[:40], action=words, ordered_by=action.ordered_by[:40])
    messages = desk.evaluation.send(profile, (after, action.at), now, registers=record.values)
    return {"messages": messages, "values": len(record.values)}


def _read_out(desk: Desk, profile: EvaluationProfile, order: ReadOutOrder, now: datetime) -> dict[str, object]:
    request = ReadOutRequest(reason=order.reason, requested_by=order.requested_by, first=order.first, last=order.last, asked_at=now)
    start, end = local_midnight(request.first), local_midnight(request.last)
    if start < profile.valid_from or (profile.valid_to is not None and end > profile.valid_to):
        raise DomainFault("tariff.day_not_kept", "outside the contract")
    days = [local_midnight(order.first + timedelta(days=number)) for number in range((order.last - order.first).days + 1)]
    codes = [Obis.parse(text) for text in profile.registers]
    readings = [
        signed
        for day in days[: taf06.KEPT_DAYS + 1]
        for signed in desk.journal.readings(profile.meter_id, codes, after=day - _TICK, until=day)
    ]
    values = taf06.evaluate(profile, request, readings).values
    found = [value.source for value in values if value.source is not None]
    _record(desk, profile, "read_out_ordered", reason=f"{order.reason}, {order.first} – {order.last}, {order.requested_by[:40]}")
    messages = desk.evaluation.send(profile, (start - _TICK, end), now, readings=found)
    return {"messages": messages, "values": len(found), "missing": len(values) - len(found)}


_Work = Callable[[Desk, EvaluationProfile, Any, datetime], dict[str, object]]

ORDERS: Final[dict[str, tuple[Any, int, _Work]]] = {
    "event": (EventOrder, 5, _event),
    "credit": (CreditOrder, 12, _credit),
    "switch": (SwitchOrder, 11, _switch),
    "read-out": (ReadOutOrder, 6, _read_out),
}
"""Name of the order -> its form, the use case it is for, and what is done."""
