"""Rules that a profile must meet against the profiles already installed; a profile that breaks one is refused whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from smgw.core.errors import DomainFault
from smgw.core.identifiers import is_logical_name
from smgw.core.obis import Obis
from smgw.core.profiles import CommunicationProfile, ConsumerProfile, EvaluationProfile, MeterProfile, Profile, profile_key
from smgw.gateway.tariff_rules import SUPPORTED_TAF, check_contract

PERIODS_S = frozenset({60, 300, 900, 1800, 3600, 86_400})
"""Register periods that a profile may ask for."""

MAX_REGISTERS = 20
MAX_PROFILES = 256
"""At most so many profiles of one kind."""


def check_profile(profile: Profile, installed: Mapping[str, Sequence[Profile]], now: datetime) -> None:
    """Check one profile. Raises: DomainFault command.profile with the field, tariff.* for the rules of a contract, PeerFault value.obis."""
    match profile:
        case MeterProfile():
            _check_meter(profile, cast("Sequence[MeterProfile]", installed["meter"]))
        case CommunicationProfile():
            _require(is_logical_name(profile.partner_id), "partner_id")
            _require(0 < profile.port < 65_536, "port")
            for name in ("tls_certificate", "sig_certificate", "enc_certificate"):
                _require(_is_hex(getattr(profile, name)), name)
        case EvaluationProfile():
            _check_evaluation(profile, installed)
            check_contract(profile, cast("list[EvaluationProfile]", list(installed["evaluation"])), now)
        case ConsumerProfile():
            _require(is_logical_name(profile.consumer_id), "consumer_id")
            _require(0 < len(profile.user_name) <= 64, "user_name")
            _require(len(profile.digest_md5) == 32 and _is_hex(profile.digest_md5), "digest_md5")
            _require(len(profile.digest_sha256) == 64 and _is_hex(profile.digest_sha256), "digest_sha256")
            others = cast("Sequence[ConsumerProfile]", installed["consumer"])
            _require(all(o.user_name != profile.user_name or o.consumer_id == profile.consumer_id for o in others), "user_name: taken")
    _require(profile.version >= 1, "version")
    for kind in installed.values():
        _require(len(kind) < MAX_PROFILES, "too many profiles")


def _check_meter(profile: MeterProfile, others: Sequence[MeterProfile]) -> None:
    _require(0 < len(profile.meter_id) <= 64, "meter_id")
    _require(_is_hex(profile.server_id) and 0 < len(profile.server_id) <= 128, "server_id")
    _require(0 < len(profile.registers) <= MAX_REGISTERS, "registers")
    codes = [register.code for register in profile.registers]
    _require(len(set(codes)) == len(codes), "registers: one OBIS code twice")
    _require(all(-9 <= register.shown_scaler <= 9 for register in profile.registers), "registers: shown_scaler")
    _require(profile.period_s in PERIODS_S, "period_s")
    _require(profile.transformer_factor >= 1, "transformer_factor")
    _require(all(o.server_id != profile.server_id or o.meter_id == profile.meter_id for o in others), "server_id: taken")


def _check_evaluation(profile: EvaluationProfile, installed: Mapping[str, Sequence[Profile]]) -> None:
    _require(is_logical_name(profile.profile_id), "profile_id")
    _require(profile.taf in SUPPORTED_TAF, "taf")
    _require(profile.valid_from.tzinfo is not None, "valid_from")
    _require(profile.valid_to is None or (profile.valid_to.tzinfo is not None and profile.valid_to > profile.valid_from), "valid_to")
    _require(profile.billing_months in (1, 2, 3, 6, 12), "billing_months")
    meters = {profile_key(meter): cast("MeterProfile", meter) for meter in installed["meter"]}
    _require(profile.meter_id in meters, "meter_id")
    known = {register.code for register in meters[profile.meter_id].registers}
    _require(0 < len(profile.registers) <= MAX_REGISTERS, "registers")
    _require({Obis.parse(text) for text in profile.registers} <= known, "registers")
    _require(profile.period_s == meters[profile.meter_id].period_s, "period_s")
    _require(profile.consumer_id in {profile_key(consumer) for consumer in installed["consumer"]}, "consumer_id")
    partners = {profile_key(partner) for partner in installed["communication"]}
    _require(set(profile.recipients) <= partners, "recipients")


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return text == text.lower() and " " not in text


def _require(condition: bool, field: str) -> None:
    if not condition:
        raise DomainFault("command.profile", field)
