"""Judge wake-up packets: cheap checks first, the signature last, and never an answer.

Whoever holds the guard stores the time of an accepted packet before acting on it, and gives it back after a restart.
Source: WAN-04; 20-wan-crypto-pki 1.7.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.codec.wakeup import ALGORITHMS, Order, WakeUp, decode_packet, der_signature
from smgw.core.errors import CertificateRejected, LimitFault, PeerFault, Replay, SecurityFault

WINDOW: Final = timedelta(seconds=30)
LEAST_WINDOW: Final = timedelta(seconds=5)
MOST_WINDOW: Final = timedelta(seconds=300)
CHECK_INTERVAL: Final = timedelta(seconds=1)
"""At most one signature is checked in this time, so that a flood costs next to nothing."""
NEVER: Final = -(1 << 63)
"""Time of the last accepted packet before the first one."""

OrderSetting = Literal["little", "big", "auto"]
"""`auto` takes the order that falls into the window."""


class WakeUpRules(NamedTuple):
    """Say whose packets are accepted, and when."""

    recipient: bytes
    """Own id, nine octets."""
    key: ec.EllipticCurvePublicKey
    """Of the administrator's SIG certificate."""
    valid_from: datetime
    """Of that certificate."""
    valid_until: datetime
    window: timedelta = WINDOW
    order: OrderSetting = "little"
    algorithms: frozenset[bytes] = frozenset(ALGORITHMS)
    """Content octets of the identifiers that are accepted."""


class Case(NamedTuple):
    """Hold one packet and what it is judged by."""

    packet: WakeUp
    rules: WakeUpRules
    now: datetime
    clock_valid: bool
    last_accepted: int
    last_check: datetime | None

    @property
    def seconds(self) -> int:
        """Give the packet's time, read in the order that is set."""
        order = self.rules.order
        return min((self.packet.seconds(one) for one in _ORDERS[order]), key=lambda seconds: abs(_deviation_s(seconds, self.now)))

    @property
    def deviation_s(self) -> float:
        """Give how far the packet's time is ahead of the own clock."""
        return _deviation_s(self.seconds, self.now)


_ORDERS: Final[dict[OrderSetting, tuple[Order, ...]]] = {"little": ("little",), "big": ("big",), "auto": ("little", "big")}


def _deviation_s(seconds: int, now: datetime) -> float:
    return seconds - now.timestamp()


def _recipient(case: Case) -> None:
    if case.packet.recipient != case.rules.recipient:
        raise PeerFault("wakeup.recipient")


def _rate(case: Case) -> None:
    if case.last_check is not None and timedelta() <= case.now - case.last_check < CHECK_INTERVAL:
        raise LimitFault("wakeup.rate")


def _algorithm(case: Case) -> None:
    packet, rules = case.packet, case.rules
    if packet.oid not in rules.algorithms or packet.oid not in ALGORITHMS:
        raise SecurityFault("wakeup.algorithm", packet.oid.hex())
    if len(packet.signature) != 2 * ((rules.key.key_size + 7) // 8):
        raise SecurityFault("wakeup.algorithm", f"signature of {len(packet.signature)} octets")


def _time(case: Case) -> None:
    if not case.clock_valid:
        raise PeerFault("wakeup.clock")
    if abs(case.deviation_s) > case.rules.window.total_seconds():
        raise PeerFault("wakeup.time", f"{case.deviation_s:.0f} s")


def _replay(case: Case) -> None:
    if case.seconds <= case.last_accepted:
        raise Replay("wakeup.replayed")


def _certificate(case: Case) -> None:
    if not case.rules.valid_from <= case.now <= case.rules.valid_until:
        raise CertificateRejected("wakeup.certificate")


def _signature(case: Case) -> None:
    try:
        case.rules.key.verify(der_signature(case.packet.signature), case.packet.signed, ec.ECDSA(ALGORITHMS[case.packet.oid].hash))
    except InvalidSignature as problem:
        raise SecurityFault("wakeup.signature") from problem


CHECKS: Final[tuple[tuple[str, Callable[[Case], None]], ...]] = (
    ("recipient", _recipient),
    ("rate", _rate),
    ("algorithm", _algorithm),
    ("time", _time),
    ("replay", _replay),
    ("certificate", _certificate),
    ("signature", _signature),
)
"""What is checked, in this order, once the packet was read."""

EVENT_OF_CODE: Final[dict[str, str]] = {
    "wakeup.algorithm": "wake_up_signature_invalid",
    "wakeup.signature": "wake_up_signature_invalid",
    "wakeup.clock": "wake_up_out_of_time",
    "wakeup.time": "wake_up_out_of_time",
    "wakeup.replayed": "wake_up_replayed",
    "wakeup.certificate": "peer_certificate_rejected",
}
"""What is no packet, is for somebody else or comes too fast has no event: it is only counted, whoever sends it must not fill the log."""


def checks(case: Case) -> Iterator[tuple[str, PeerFault | None]]:
    """Run the checks one by one; yields each with its fault, and ends with the first one."""
    for name, check in CHECKS:
        try:
            check(case)
        except PeerFault as fault:
            yield name, fault
            return
        yield name, None


class Verdict(NamedTuple):
    """Say what became of one packet."""

    fault: PeerFault | None = None
    accepted: int | None = None
    """Its time, to be stored; None when it was refused."""
    event: str = ""
    """To be logged; empty when it isn't."""
    parameters: Mapping[str, object] = MappingProxyType({})


class WakeUpGuard:
    """Judge the packets of one receiver; count each kind of refusal, and tell of the 1st, 10th, 100th …"""

    def __init__(self, rules: WakeUpRules, last_accepted: int = NEVER) -> None:
        self.rules = rules
        self.last_accepted = last_accepted
        self.refused: dict[str, int] = {}
        """Code -> how many packets were refused with it."""
        self.accepted = 0
        self._last_check: datetime | None = None
        self._told: dict[str, int] = {}

    def judge(self, data: bytes, now: datetime, *, clock_valid: bool) -> Verdict:
        """Judge one packet by the own clock. An accepted one is never accepted again."""
        try:
            case = Case(decode_packet(data), self.rules, now, clock_valid, self.last_accepted, self._last_check)
            for name, fault in checks(case):
                if name == "signature":
                    self._last_check = now
                if fault is not None:
                    raise fault
        except PeerFault as fault:
            return self._refuse(fault, case.deviation_s if fault.code in _TIMED else 0.0)
        self.last_accepted = case.seconds
        self.accepted += 1
        return Verdict(accepted=case.seconds, event="wake_up_accepted")

    def _refuse(self, fault: PeerFault, deviation_s: float) -> Verdict:
        self.refused[fault.code] = self.refused.get(fault.code, 0) + 1
        event = EVENT_OF_CODE.get(fault.code, "")
        if not event:
            return Verdict(fault)
        count = self._told[event] = self._told.get(event, 0) + 1
        if str(count).strip("0") != "1":
            return Verdict(fault)
        timed: dict[str, object] = {"deviation_s": f"{deviation_s:.0f}"} if fault.code in _TIMED else {}
        return Verdict(fault, event=event, parameters={"code": fault.code, "count": count, **timed})


_TIMED: Final = frozenset({"wakeup.clock", "wakeup.time"})
