"""The wake-up guard: only the administrator's fresh packet for this gateway is accepted, and only once."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.codec.wakeup import ALGORITHM_OF_KEY_BITS, Order, SignatureAlgorithm, decode_packet, encode_packet, plain_signature, signed_part
from smgw.core.error_codes import ERROR_CODES
from smgw.core.identifiers import DeviceId
from smgw.core.log_event import EVENTS
from smgw.protocol.wakeup_guard import CHECKS, EVENT_OF_CODE, Case, WakeUpGuard, WakeUpRules, checks

OWN = DeviceId.parse("ESGW0000000001")
OTHER = DeviceId.parse("ESGW0000000002")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CURVES = {256: ec.BrainpoolP256R1(), 384: ec.BrainpoolP384R1(), 512: ec.BrainpoolP512R1()}
KEY = ec.generate_private_key(CURVES[256])
STRANGER = ec.generate_private_key(CURVES[256])
RULES = WakeUpRules(OWN.to_wake_up(), KEY.public_key(), NOW - timedelta(days=1), NOW + timedelta(days=1))


def packet(
    seconds: int = SECONDS,
    *,
    recipient: DeviceId = OWN,
    key: ec.EllipticCurvePrivateKey = KEY,
    order: Order = "little",
    algorithm: SignatureAlgorithm | None = None,
) -> bytes:
    chosen = algorithm or ALGORITHM_OF_KEY_BITS[key.key_size]
    signed = signed_part(recipient, seconds, order)
    return encode_packet(signed, chosen, plain_signature(key.sign(signed, ec.ECDSA(chosen.hash)), key.key_size // 8))


def altered(offset: int) -> bytes:
    octets = bytearray(packet())
    octets[offset] ^= 1
    return bytes(octets)


def judged(data: bytes, rules: WakeUpRules = RULES, now: datetime = NOW, *, clock_valid: bool = True) -> tuple[str, str]:
    verdict = WakeUpGuard(rules).judge(data, now, clock_valid=clock_valid)
    assert (verdict.accepted is None) == (verdict.fault is not None)
    return (verdict.fault.code if verdict.fault else "", verdict.event)


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize("bits", [256, 384, 512])
def test_the_administrators_packet_is_accepted_on_every_size_of_key(bits: int) -> None:
    key = ec.generate_private_key(CURVES[bits])
    verdict = WakeUpGuard(RULES._replace(key=key.public_key())).judge(packet(key=key), NOW, clock_valid=True)
    assert (verdict.accepted, verdict.event, verdict.fault) == (SECONDS, "wake_up_accepted", None)


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize(
    ("data", "code", "event"),
    [
        (b"", "wakeup.length", ""),
        (packet()[:98], "wakeup.length", ""),
        (packet() + bytes(100), "wakeup.length", ""),
        (packet() + bytes(2), "wakeup.algorithm", "wake_up_signature_invalid"),
        (altered(0), "wakeup.structure", ""),
        (altered(2), "wakeup.version", ""),
        (altered(25), "wakeup.structure", ""),
        (altered(32), "wakeup.structure", ""),
        (packet(recipient=OTHER), "wakeup.recipient", ""),
        (altered(40), "wakeup.algorithm", "wake_up_signature_invalid"),
        (packet(SECONDS - 31), "wakeup.time", "wake_up_out_of_time"),
        (packet(SECONDS + 31), "wakeup.time", "wake_up_out_of_time"),
        (packet(order="big"), "wakeup.time", "wake_up_out_of_time"),
        (packet((1 << 63) - 1), "wakeup.time", "wake_up_out_of_time"),
        (packet(-(1 << 63)), "wakeup.time", "wake_up_out_of_time"),
        (altered(12), "wakeup.signature", "wake_up_signature_invalid"),
        (altered(107), "wakeup.signature", "wake_up_signature_invalid"),
        (packet(key=STRANGER), "wakeup.signature", "wake_up_signature_invalid"),
        (packet(algorithm=ALGORITHM_OF_KEY_BITS[384])[:-64] + packet()[-64:], "wakeup.signature", "wake_up_signature_invalid"),
        (packet()[:-64] + bytes(64), "wakeup.signature", "wake_up_signature_invalid"),
        (packet()[:-64] + b"\xff" * 64, "wakeup.signature", "wake_up_signature_invalid"),
    ],
    ids=["nothing", "too short", "too long", "longer signature", "header", "version", "padding", "format", "other recipient", "bad OID",
         "too old", "future", "big-endian time", "end of time", "beginning of time", "time altered", "signature altered", "other key",
         "other hash", "zero signature", "signature beyond the curve"],
)  # fmt: skip
def test_what_is_not_right_is_refused_with_its_code(data: bytes, code: str, event: str) -> None:
    assert judged(data) == (code, event)


@pytest.mark.req("WAN-04")
@pytest.mark.parametrize("offset_s", [-30, 0, 30])
def test_the_window_has_both_its_ends(offset_s: int) -> None:
    assert judged(packet(SECONDS + offset_s)) == ("", "wake_up_accepted")


@pytest.mark.req("WAN-04")
def test_a_packet_is_accepted_once_and_older_ones_not_after_it() -> None:
    guard = WakeUpGuard(RULES)
    assert guard.judge(packet(), NOW, clock_valid=True).accepted == SECONDS
    later = NOW + timedelta(seconds=2)
    for data in (packet(), packet(SECONDS - 1)):
        verdict = guard.judge(data, later, clock_valid=True)
        assert verdict.fault is not None and verdict.fault.code == "wakeup.replayed"
    assert guard.judge(packet(SECONDS + 1), later, clock_valid=True).accepted == SECONDS + 1
    assert (guard.accepted, guard.refused) == (2, {"wakeup.replayed": 2})


@pytest.mark.req("WAN-04")
def test_what_was_accepted_before_a_restart_is_not_accepted_after_it() -> None:
    verdict = WakeUpGuard(RULES, last_accepted=SECONDS).judge(packet(), NOW, clock_valid=True)
    assert verdict.fault is not None and verdict.fault.code == "wakeup.replayed"
    assert verdict.event == "wake_up_replayed"


@pytest.mark.req("WAN-04")
def test_at_most_one_signature_a_second_is_checked_and_what_needs_none_does_not_count() -> None:
    guard = WakeUpGuard(RULES)
    guard.judge(packet(SECONDS - 100), NOW, clock_valid=True)
    assert guard.judge(altered(107), NOW, clock_valid=True).event == "wake_up_signature_invalid"
    half = guard.judge(packet(), NOW + timedelta(seconds=0.5), clock_valid=True)
    assert half.fault is not None and half.fault.code == "wakeup.rate" and half.event == ""
    assert guard.judge(packet(), NOW + timedelta(seconds=1), clock_valid=True).accepted == SECONDS


def test_a_clock_set_back_does_not_close_the_gate() -> None:
    guard = WakeUpGuard(RULES)
    guard.judge(altered(107), NOW, clock_valid=True)
    before = NOW - timedelta(hours=1)
    assert guard.judge(packet(SECONDS - 3600), before, clock_valid=True).event == "wake_up_accepted"


@pytest.mark.req("WAN-04")
def test_without_a_valid_clock_nothing_is_accepted() -> None:
    assert judged(packet(), clock_valid=False) == ("wakeup.clock", "wake_up_out_of_time")


@pytest.mark.parametrize("change", [{"valid_until": NOW - timedelta(seconds=1)}, {"valid_from": NOW + timedelta(seconds=1)}])
def test_a_certificate_out_of_its_time_proves_nothing(change: dict[str, datetime]) -> None:
    assert judged(packet(), RULES._replace(**change)) == ("wakeup.certificate", "peer_certificate_rejected")


@pytest.mark.parametrize(
    ("setting", "order", "code"),
    [("big", "big", ""), ("big", "little", "wakeup.time"), ("auto", "big", ""), ("auto", "little", ""), ("little", "big", "wakeup.time")],
)
def test_the_order_of_the_time_follows_the_setting(setting: str, order: Order, code: str) -> None:
    assert judged(packet(order=order), RULES._replace(order=setting))[0] == code


def test_an_algorithm_that_was_switched_off_is_refused() -> None:
    rules = RULES._replace(algorithms=frozenset({ALGORITHM_OF_KEY_BITS[512].oid}))
    assert judged(packet(), rules)[0] == "wakeup.algorithm"


@pytest.mark.req("WAN-04", "LOG-03")
def test_a_flood_is_told_at_the_1st_10th_and_100th() -> None:
    guard = WakeUpGuard(RULES)
    told = [
        verdict.parameters["count"] for _ in range(120) if (verdict := guard.judge(packet(SECONDS - 1000), NOW, clock_valid=True)).event
    ]
    assert told == [1, 10, 100]
    assert guard.refused == {"wakeup.time": 120}


def test_the_deviation_is_told() -> None:
    verdict = WakeUpGuard(RULES).judge(packet(SECONDS - 1000), NOW, clock_valid=True)
    assert verdict.parameters == {"code": "wakeup.time", "count": 1, "deviation_s": "-1000"}


def test_the_checks_end_with_the_first_that_fails() -> None:
    case = Case(decode_packet(packet(SECONDS - 1000)), RULES, NOW, True, 0, None)
    assert [(name, fault.code if fault else "") for name, fault in checks(case)] == [
        ("recipient", ""),
        ("rate", ""),
        ("algorithm", ""),
        ("time", "wakeup.time"),
    ]
    good = Case(decode_packet(packet()), RULES, NOW, True, 0, None)
    assert [name for name, _ in checks(good)] == [name for name, _ in CHECKS]


def test_events_and_codes_are_in_the_catalogues() -> None:
    assert set(EVENT_OF_CODE) <= set(ERROR_CODES)
    assert set(EVENT_OF_CODE.values()) <= set(EVENTS)
