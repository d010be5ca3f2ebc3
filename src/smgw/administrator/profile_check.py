"""Check a profile before a gateway gets it, with a sentence that names the field; the gateway checks again by its own rules.

Source: ADM-02.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.identifiers import is_logical_name
from smgw.core.obis import Obis
from smgw.core.profiles import (
    PROFILE_KINDS,
    CommunicationProfile,
    ConsumerProfile,
    EvaluationProfile,
    MeterProfile,
    Profile,
    profile_key,
)
from smgw.pki.parsing import load_certificate

MAX_PROFILE_OCTETS = 64 << 10


def read_profile(kind: str, body: Any) -> Profile:
    """Read a profile of a kind. Raises: DomainFault command.profile with what does not fit."""
    if kind not in PROFILE_KINDS:
        raise DomainFault("command.profile", f"there is no kind {kind[:40]!r}; there are {', '.join(PROFILE_KINDS)}")
    try:
        return msgspec.convert(body, type=PROFILE_KINDS[kind])
    except msgspec.ValidationError as problem:
        raise DomainFault("command.profile", str(problem)[:200]) from problem


def check_profile(profile: Profile, held: Mapping[tuple[str, str], Profile]) -> None:
    """Check a profile beside those that the gateway shall hold (kind and id -> profile). Raises: DomainFault command.profile."""
    _require(1 <= profile.version < 1 << 31, "version: take a number from 1 up, higher than the last one's")
    match profile:
        case MeterProfile():
            _check_meter(profile, held)
        case CommunicationProfile():
            _check_communication(profile)
        case EvaluationProfile():
            _check_evaluation(profile, held)
        case ConsumerProfile():
            _require(is_logical_name(profile.consumer_id), "consumer_id: write it like `consumer1.sm`")
            _require(bool(profile.user_name) and ":" not in profile.user_name, "user_name: some characters without a colon")


def _check_meter(profile: MeterProfile, held: Mapping[tuple[str, str], Profile]) -> None:
    _require(bool(profile.meter_id) and profile.meter_id.isprintable() and len(profile.meter_id) <= 64, "meter_id: 1 to 64 characters")
    _require(bool(profile.registers), "registers: name at least one")
    for register in profile.registers:
        _check_obis(register.obis, "registers")
    _require(
        len({register.obis for register in profile.registers}) == len(profile.registers), "registers: one OBIS code stands there twice"
    )
    twin = next((other for other in held.values() if isinstance(other, MeterProfile) and other.server_id == profile.server_id), None)
    _require(twin is None or twin.meter_id == profile.meter_id, f"server_id: meter {twin.meter_id if twin else ''} has it already")


def _check_communication(profile: CommunicationProfile) -> None:
    _require(is_logical_name(profile.partner_id), "partner_id: write it like `emt1.sm`")
    _require(0 < profile.port < 65_536, "port: 1 to 65535")
    _require(bool(profile.host) and len(profile.host) <= 253, "host: a name or an address")
    for name in ("tls_certificate", "sig_certificate", "enc_certificate"):
        try:
            load_certificate(bytes.fromhex(getattr(profile, name)))
        except (ValueError, PeerFault) as problem:
            raise DomainFault("command.profile", f"{name}: not a certificate as DER in hex") from problem


def _check_evaluation(profile: EvaluationProfile, held: Mapping[tuple[str, str], Profile]) -> None:
    _require(is_logical_name(profile.profile_id), "profile_id: write it like `taf7-1.sm`")
    _require(1 <= profile.taf <= 14, "taf: 1 to 14")
    for code in profile.registers:
        _check_obis(code, "registers")
    meter = held.get(("meter", profile.meter_id))
    _require(isinstance(meter, MeterProfile), f"meter_id: the gateway shall hold no profile of meter {profile.meter_id[:64]}")
    assert isinstance(meter, MeterProfile)
    missing = set(profile.registers) - {register.obis for register in meter.registers}
    _require(not missing, f"registers: the meter's profile does not name {', '.join(sorted(missing))}")
    _require(("consumer", profile.consumer_id) in held, f"consumer_id: the gateway shall hold no profile of {profile.consumer_id[:64]}")
    unknown = [partner for partner in profile.recipients if ("communication", partner) not in held]
    _require(not unknown, f"recipients: the gateway shall hold no communication profile of {', '.join(unknown)[:120]}")
    end = profile.valid_to
    aware = profile.valid_from.tzinfo is not None and (end is None or end.tzinfo is not None)
    _require(aware, "valid_from, valid_to: a time with its zone, like 2026-11-21T00:00:00Z")
    _require(end is None or end > profile.valid_from, "valid_to: it lies before valid_from")


def _check_obis(code: str, field: str) -> None:
    try:
        Obis.parse(code)
    except PeerFault as problem:
        raise DomainFault("command.profile", f"{field}: {code[:40]!r} is no OBIS code; write it as 1-0:1.8.0*255") from problem


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise DomainFault("command.profile", detail)


def held_profiles(profiles: list[tuple[str, Profile]]) -> dict[tuple[str, str], Profile]:
    """Give profiles by kind and id."""
    return {(kind, profile_key(profile)): profile for kind, profile in profiles}
