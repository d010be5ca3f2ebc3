"""Check a profile before a gateway gets it, by the rules that the gateway checks it with once more, with words that name the field.

Source: ADM-02.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.obis import Obis
from smgw.core.profiles import PROFILE_KINDS, EvaluationProfile, MeterProfile, Profile, profile_key
from smgw.pki import profile_rules

MAX_PROFILE_OCTETS = 64 << 10


def read_profile(kind: str, body: Any) -> Profile:
    """Read a profile of a kind. Raises: DomainFault command.profile with what does not fit."""
    if kind not in PROFILE_KINDS:
        raise DomainFault("command.profile", f"there is no kind {kind[:40]!r}; there are {', '.join(PROFILE_KINDS)}")
    try:
        return msgspec.convert(body, type=PROFILE_KINDS[kind])
    except msgspec.ValidationError as problem:
        raise DomainFault("command.profile", str(problem)[:200]) from problem


def check_profile(profile: Profile, held: Mapping[tuple[str, str], Profile], now: datetime) -> None:
    """Check a profile beside those that the gateway shall hold (kind and id -> profile).

    Raises: DomainFault command.profile with the field and what fits, tariff.* for the rules of a contract.
    """
    match profile:
        case MeterProfile():
            _check_codes(tuple(register.obis for register in profile.registers))
        case EvaluationProfile():
            _check_codes(profile.registers)
    installed: dict[str, list[Profile]] = {kind: [] for kind in PROFILE_KINDS}
    for (kind, _), other in held.items():
        installed[kind].append(other)
    try:
        profile_rules.check_profile(profile, installed, now)
    except PeerFault as problem:
        raise DomainFault("command.profile", str(problem)) from problem


def _check_codes(codes: tuple[str, ...]) -> None:
    for code in codes:
        try:
            Obis.parse(code)
        except PeerFault as problem:
            raise DomainFault("command.profile", f"registers: {code[:40]!r} is no OBIS code; write it as 1-0:1.8.0*255") from problem


def held_profiles(profiles: list[tuple[str, Profile]]) -> dict[tuple[str, str], Profile]:
    """Give profiles by kind and id."""
    return {(kind, profile_key(profile)): profile for kind, profile in profiles}
