"""Which rule set belongs to which tariff use case, and what a gateway asks of a contract before it evaluates it."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from smgw.core.errors import DomainFault
from smgw.core.obis import Obis
from smgw.core.profiles import EvaluationProfile
from smgw.tariff import taf09, taf10, taf14
from smgw.tariff.calendar import check_calendar
from smgw.tariff.load_profile import check_power
from smgw.tariff.rules import (
    Bands,
    CalendarRules,
    Consent,
    CreditRules,
    EventRules,
    ExtremeRules,
    Rules,
    TriggerRules,
    check_consent,
    check_installable,
)
from smgw.tariff.stages import MAX_DAYS, Frame
from smgw.tariff.taf13 import SOURCES


class PortalRules(Rules, frozen=True, kw_only=True):
    """Say what is copied for a portal (TAF 13)."""

    contract: str
    """Profile id of a contract of TAF 1, 2 or 7 of the same consumer and meter."""
    consent: Consent


RULES: Final[dict[int, type[Rules]]] = {
    2: CalendarRules,
    3: Bands,
    4: Bands,
    5: EventRules,
    8: ExtremeRules,
    12: CreditRules,
    13: PortalRules,
    9: TriggerRules,
    10: TriggerRules,
    14: TriggerRules,
}
"""Use cases -> what their contracts hold as `rules`."""

PUSHED: Final = frozenset({9, 10, 14})
"""Use cases whose values are sent on and not stored."""

_BARE: Final = frozenset({1, 6, 7, 11})
SUPPORTED_TAF: Final = _BARE | RULES.keys()
"""Tariff use cases that the gateway evaluates."""

ONE_REGISTER: Final = frozenset({12})
"""Use cases that price exactly one register."""


def rules_of(profile: EvaluationProfile) -> Any:
    """Give the contract's rules as the struct of its use case. Raises: DomainFault tariff.profile, and what the struct raises."""
    try:
        return msgspec.convert(profile.rules, RULES[profile.taf], str_keys=True)
    except msgspec.ValidationError as problem:
        raise DomainFault("tariff.profile", f"rules: {str(problem)[:160]}") from problem


def check_contract(profile: EvaluationProfile, installed: list[EvaluationProfile], now: datetime) -> None:
    """Refuse a contract whose rules don't fit, that prices a register twice, or that starts in the past.

    `installed` are the terms of all contracts.
    Raises: DomainFault tariff.*.
    """
    if profile.taf not in RULES:
        if profile.rules:
            raise DomainFault("tariff.profile", "rules: this use case takes none")
        if any(other.profile_id == profile.profile_id and other.version != profile.version for other in installed):
            check_installable(profile, installed, now)
        return
    rules = rules_of(profile)
    if profile.taf == 13:
        source = next((other for other in installed if other.profile_id == rules.contract), None)
        if source is None or source.taf not in SOURCES:
            raise DomainFault("tariff.source", rules.contract[:40])
        if (source.consumer_id, source.meter_id) != (profile.consumer_id, profile.meter_id):
            raise DomainFault("tariff.source", "another consumer's or meter's contract")
        for recipient in profile.recipients:
            check_consent(rules.consent, profile.consumer_id, recipient, now)
        return
    if profile.taf in PUSHED:
        _check_pushed(profile, rules, now)
        return
    latest = profile.valid_from + timedelta(days=MAX_DAYS)
    frame = Frame(profile.valid_from, min(profile.valid_to or latest, latest), profile.period_s)
    if profile.taf in ONE_REGISTER:
        if len(profile.registers) != 1:
            raise DomainFault("tariff.registers", f"{len(profile.registers)}")
        _check_credit_goes_on(profile, rules, installed)
    if profile.taf == 2:
        check_calendar(rules.calendar(), rules.stages, frame.start, frame.end)
    if profile.taf in (3, 8):
        check_power(frame.period_s)
    if len({Obis.parse(text) for text in profile.registers}) != len(profile.registers):
        raise DomainFault("tariff.registers", "one OBIS code twice")
    check_installable(profile, installed, now)


def _check_credit_goes_on(profile: EvaluationProfile, rules: CreditRules, installed: list[EvaluationProfile]) -> None:
    """Demand that the next version counts its credit as the one before, which it takes along."""
    for other in installed:
        if other.profile_id == profile.profile_id:
            counted = rules_of(other).scaler if other.taf == profile.taf else None
            if (counted, other.registers) != (rules.scaler, profile.registers):
                raise DomainFault("tariff.rules", "use case, scaler or register: another than that of the credit so far")


def _check_pushed(profile: EvaluationProfile, rules: TriggerRules, now: datetime) -> None:
    {9: taf09, 10: taf10, 14: taf14}[profile.taf].check(rules, profile.registers)
    if profile.taf == taf14.NUMBER:
        check_consent(rules.consent, profile.consumer_id, rules.recipient, now)
    if profile.recipients != (rules.recipient,):
        raise DomainFault("tariff.rules", "recipient: another than the contract's")
