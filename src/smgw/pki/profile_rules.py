"""Rules that a profile must meet against the profiles already installed; a profile that breaks one is refused whole.

One table of rules for both sides: the administrator checks with it before anything is sent, the gateway before anything is stored. They
stand on the lowest floor that knows certificates as well as tariffs. Each refusal names the field and says what fits.
Source: ADM-02; 20-wan-crypto-pki 1.12.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.identifiers import is_logical_name
from smgw.core.notices import ADMINISTRATOR, NOTICES
from smgw.core.obis import Obis
from smgw.core.profiles import CommunicationProfile, ConsumerProfile, EvaluationProfile, MeterProfile, Profile, profile_key
from smgw.pki.certificate_profiles import Kind
from smgw.pki.names import Role, role_of
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import kind_of
from smgw.tariff.contract_rules import PUSHED, SUPPORTED_TAF, check_contract
from smgw.tariff.rules import PRICING
from smgw.tariff.taf01 import MAX_REGISTERS as TAF1_REGISTERS

MAX_SEALED_KEY = 4096
PERIODS_S = frozenset({60, 300, 900, 1800, 3600})
"""Register periods that a profile may ask for: those that divide an hour. The end of a longer one would miss the local midnight, at which
contracts and billing periods begin."""

MAX_REGISTERS = 20
MAX_PROFILES = 256
"""At most so many profiles of one kind."""

MAX_VERSION = (1 << 31) - 1
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def check_profile(profile: Profile, installed: Mapping[str, Sequence[Profile]], now: datetime) -> None:
    """Check one profile. Raises: DomainFault command.profile with the field, tariff.* for the rules of a contract, PeerFault value.obis."""
    match profile:
        case MeterProfile():
            _check_meter(profile, cast("Sequence[MeterProfile]", installed["meter"]))
        case CommunicationProfile():
            _require(is_logical_name(profile.partner_id), "partner_id: write it like `emt1.sm`")
            _require(0 < profile.port < 65_536, "port: 1 to 65535")
            _require(_is_text(profile.host, 253) and " " not in profile.host, "host: a name or an address")
            _check_way(profile, cast("Sequence[CommunicationProfile]", installed["communication"]))
            for kind in Kind:
                name = f"{kind}_certificate"
                _require(
                    _kind_of_partner(getattr(profile, name)) is kind,
                    f"{name}: a market participant's {kind.upper()} certificate as DER in hex",
                )
        case EvaluationProfile():
            _check_evaluation(profile, installed)
            terms = cast("list[EvaluationProfile]", list(installed["evaluation"]))
            check_contract(profile, terms, now)
            _check_terms(profile, terms, now)
        case ConsumerProfile():
            _require(is_logical_name(profile.consumer_id), "consumer_id: write it like `consumer1.sm`")
            _require(_is_text(profile.user_name, 64) and ":" not in profile.user_name, "user_name: 1 to 64 characters without a colon")
            _require(len(profile.digest_md5) == 32 and _is_hex(profile.digest_md5), "digest_md5: 32 hex digits")
            _require(len(profile.digest_sha256) == 64 and _is_hex(profile.digest_sha256), "digest_sha256: 64 hex digits")
            fingerprints = profile.certificate_fingerprints
            _require(
                len(fingerprints) <= 8 and all(len(f) == 64 and _is_hex(f) for f in fingerprints),
                "certificate_fingerprints: 8 at most, 64 hex digits each",
            )
            others = cast("Sequence[ConsumerProfile]", installed["consumer"])
            _require(
                all(o.user_name != profile.user_name or o.consumer_id == profile.consumer_id for o in others),
                "user_name: taken by another consumer",
            )
    _require(1 <= profile.version <= MAX_VERSION, "version: take a number from 1 up, higher than the last one's")
    for held in installed.values():
        _require(len(held) < MAX_PROFILES, "too many profiles")


def _check_meter(profile: MeterProfile, others: Sequence[MeterProfile]) -> None:
    _require(_is_text(profile.meter_id, 64), "meter_id: 1 to 64 characters")
    _require(_is_text(profile.link, 64), "link: the name of the line that the meter is connected to")
    _require(_is_hex(profile.server_id) and 0 < len(profile.server_id) <= 128, "server_id: lower-case hex, 64 octets at most")
    _require(
        not profile.sealed_key or (_is_hex(profile.sealed_key) and len(profile.sealed_key) <= MAX_SEALED_KEY),
        f"sealed_key: lower-case hex, {MAX_SEALED_KEY} digits at most",
    )
    _require(0 < len(profile.registers) <= MAX_REGISTERS, f"registers: name at least one, {MAX_REGISTERS} at most")
    codes = [register.code for register in profile.registers]
    _require(len(set(codes)) == len(codes), "registers: one OBIS code twice")
    _require(all(-9 <= register.shown_scaler <= 9 for register in profile.registers), "registers: shown_scaler: -9 to 9")
    _require(all(1 <= register.unit <= 255 for register in profile.registers), "registers: unit: 1 to 255, 30 for Wh, 13 for m³")
    _require(profile.period_s in PERIODS_S, f"period_s: one of {', '.join(map(str, sorted(PERIODS_S)))}")
    _require(1 <= profile.transformer_factor <= 1_000_000, "transformer_factor: 1 to 1000000")
    _require(
        all(o.server_id != profile.server_id or o.meter_id == profile.meter_id for o in others),
        f"server_id: taken by meter {_name_of_twin(profile, others)}",
    )


def _name_of_twin(profile: MeterProfile, others: Sequence[MeterProfile]) -> str:
    return next((other.meter_id for other in others if other.server_id == profile.server_id and other.meter_id != profile.meter_id), "")


def _check_way(profile: CommunicationProfile, others: Sequence[CommunicationProfile]) -> None:
    """Demand that who passes messages on is known, and gets them directly; and that the partner may hear of what it wants to be told."""
    direct = {other.partner_id for other in others if not other.through and other.partner_id != profile.partner_id}
    _require(
        profile.through in ("", ADMINISTRATOR) or profile.through in direct,
        "through: `administrator`, or a partner that is reached directly",
    )
    _require(not profile.through or all(other.through != profile.partner_id for other in others), "through: itself passes messages on")
    _require(
        all(name in NOTICES and NOTICES[name].partners for name in profile.notices),
        "notices: names of disturbances that partners may hear of",
    )


def _check_evaluation(profile: EvaluationProfile, installed: Mapping[str, Sequence[Profile]]) -> None:
    _require(is_logical_name(profile.profile_id), "profile_id: write it like `taf7-1.sm`")
    _require(profile.taf in SUPPORTED_TAF, "taf: 1 to 14")
    _require(_is_moment(profile.valid_from), "valid_from: a time with its zone, like 2026-11-21T00:00:00Z")
    _require(profile.valid_to is None or _is_moment(profile.valid_to), "valid_to: a time with its zone, like 2027-11-21T00:00:00Z")
    _require(profile.valid_to is None or profile.valid_to > profile.valid_from, "valid_to: it lies before valid_from")
    _require(_is_text(profile.usage_point_name, 64), "usage_point_name: 1 to 64 characters")
    _require(_is_text(profile.metering_point_id, 64), "metering_point_id: 1 to 64 characters")
    _require(profile.billing_months in (1, 2, 3, 6, 12), "billing_months: 1, 2, 3, 6 or 12")
    meters = {profile_key(meter): cast("MeterProfile", meter) for meter in installed["meter"]}
    _require(profile.meter_id in meters, f"meter_id: the gateway shall hold no profile of meter {profile.meter_id[:64]}")
    known = {register.code for register in meters[profile.meter_id].registers}
    _require(0 < len(profile.registers) <= MAX_REGISTERS, f"registers: name at least one, {MAX_REGISTERS} at most")
    codes = [Obis.parse(text) for text in profile.registers]
    # What is sent on and not stored needs no place among the registers that may be stored.
    missing = "" if profile.taf in PUSHED else ", ".join(sorted(map(str, set(codes) - known)))
    _require(not missing, f"registers: the meter's profile does not name {missing[:120]}")
    _require(profile.taf not in (1, 7) or len(set(codes)) == len(codes), "registers: one OBIS code twice")
    _require(profile.taf != 1 or len(codes) <= TAF1_REGISTERS, "registers: more than three")
    period_s = meters[profile.meter_id].period_s
    _require(profile.period_s == period_s, f"period_s: the meter's is {period_s}")
    _require(
        profile.consumer_id in {profile_key(consumer) for consumer in installed["consumer"]},
        f"consumer_id: the gateway shall hold no profile of {profile.consumer_id[:64]}",
    )
    partners = {profile_key(partner): cast("CommunicationProfile", partner) for partner in installed["communication"]}
    unknown = ", ".join(sorted(set(profile.recipients) - set(partners)))
    _require(not unknown, f"recipients: the gateway shall hold no communication profile of {unknown[:120]}")
    # A message that the gateway itself hands over bears its name.
    pseudonymous = bool(profile.rules.get("pseudonym"))
    _require(not pseudonymous or all(partners[name].through for name in profile.recipients), "pseudonym: the recipient is reached directly")
    terms = cast("Sequence[EvaluationProfile]", installed["evaluation"])
    first = min((held.valid_from for held in terms if held.profile_id == profile.profile_id), default=profile.valid_from)
    _require(first <= profile.valid_from, "valid_from: before the contract's")
    for held in terms:
        if held.profile_id == profile.profile_id:
            # What a contract measured and sent is shown to its consumer, so it never passes to another; who moves in gets a new one.
            _require(held.consumer_id == profile.consumer_id, "consumer_id: another than the contract's")
            _require(held.meter_id == profile.meter_id, "meter_id: another than the contract's")


def _check_terms(profile: EvaluationProfile, installed: Sequence[EvaluationProfile], now: datetime) -> None:
    """Refuse a contract that is over, and one that reaches into another's time.

    Raises: DomainFault tariff.profile_past, tariff.profile_overlap.
    """
    if profile.valid_to is not None and profile.valid_to <= now and not any(held.profile_id == profile.profile_id for held in installed):
        raise DomainFault("tariff.profile_past", f"{profile.profile_id} ends before it could begin")
    for held in installed:
        if held.profile_id != profile.profile_id and _share_a_register(profile, held) and not _apart(profile, held):
            _check_neighbour(profile, held)


def _share_a_register(one: EvaluationProfile, other: EvaluationProfile) -> bool:
    codes = [{Obis.parse(text) for text in profile.registers} for profile in (one, other)]
    return one.meter_id == other.meter_id and not codes[0].isdisjoint(codes[1])


def _apart(one: EvaluationProfile, other: EvaluationProfile) -> bool:
    return any(first.valid_to is not None and first.valid_to <= second.valid_from for first, second in ((one, other), (other, one)))


def _check_neighbour(profile: EvaluationProfile, other: EvaluationProfile) -> None:
    """Refuse what would show one consumer's values to another, or book the same amounts twice.

    Source: CON-03, TAF-23. Raises: DomainFault tariff.profile_overlap.
    """
    if other.consumer_id != profile.consumer_id:
        raise DomainFault("tariff.profile_overlap", f"{profile.profile_id}: at that time the register is another consumer's")
    if profile.taf == other.taf and profile.taf in PRICING:
        raise DomainFault("tariff.profile_overlap", f"{profile.profile_id} and {other.profile_id}")


def _kind_of_partner(hex_der: str) -> Kind | None:
    """Give the kind of a market participant's certificate; None for everything else."""
    if not _is_hex(hex_der):
        return None
    try:
        certificate = load_certificate(bytes.fromhex(hex_der))
        return kind_of(certificate) if role_of(certificate) is Role.EMT else None
    except PeerFault:
        return None


def _is_moment(moment: datetime) -> bool:
    return moment.tzinfo is not None and _EARLIEST <= moment < _LATEST


def _is_text(text: str, limit: int) -> bool:
    return 0 < len(text) <= limit and text.isprintable() and text == text.strip()


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return text == text.lower() and " " not in text


def _require(condition: bool, field: str) -> None:
    if not condition:
        raise DomainFault("command.profile", field)
