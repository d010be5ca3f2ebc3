"""Take wake-up packets: the only thing that listens at the WAN, and it never answers.

One packet a datagram over UDP. A TCP port would answer every caller with a handshake, so there is none.
Source: WAN-01, WAN-04; 20-wan-crypto-pki 1.7.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Literal

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import CertificateRejected, PeerFault, Unavailable
from smgw.core.identifiers import DeviceId
from smgw.core.instant import ClockStatus
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import WakeUpConfig
from smgw.gateway.logs import Recorder
from smgw.protocol.wakeup_guard import LEAST_WINDOW, MOST_WINDOW, NEVER, WakeUpGuard, WakeUpRules
from smgw.storage.journal import Journal

ACCEPTED = "wake_up_accepted"
"""Name under which the journal keeps the time of the last accepted packet."""
SETTINGS = "wake_up_settings"
"""Name under which the journal keeps what the administrator set."""
BIND_AGAIN_S = 30.0

log = structlog.get_logger(__name__)


class WakeUpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what the administrator may set; the address is the installer's."""

    port: int
    window_s: int = 30
    timestamp_order: Literal["little", "big", "auto"] = "little"


def check_settings(settings: WakeUpSettings) -> None:
    """Raise PeerFault wakeup.settings for a port or window out of range."""
    if not 0 < settings.port < 65_536:
        raise PeerFault("wakeup.settings", "port")
    if not LEAST_WINDOW <= timedelta(seconds=settings.window_s) <= MOST_WINDOW:
        raise PeerFault("wakeup.settings", "window_s")


def read_settings(body: bytes) -> WakeUpSettings:
    """Read what the administrator sent. Raises: PeerFault wakeup.settings."""
    try:
        settings = msgspec.json.decode(body, type=WakeUpSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise PeerFault("wakeup.settings", str(problem)[:200]) from problem
    check_settings(settings)
    return settings


class WakeUpReceiver(asyncio.DatagramProtocol):
    """Listen for the administrator's packets; `call` is what an accepted one brings about.

    What the administrator set and the time of the last accepted packet outlive a restart.
    """

    def __init__(
        self,
        config: WakeUpConfig,
        device_id: DeviceId,
        administrator: tuple[str, x509.Certificate],
        journal: Journal,
        recorder: Recorder,
        clock: GatewayClock,
        call: Callable[[], None],
    ) -> None:
        self._host = config.host
        stored = journal.get_state(SETTINGS)
        configured = WakeUpSettings(config.port, config.window_s, config.timestamp_order)
        self.settings = configured if stored is None else msgspec.json.decode(stored, type=WakeUpSettings)
        self._partner, certificate = administrator
        last = journal.get_state(ACCEPTED)
        rules = _rules(device_id, certificate)
        self.guard = WakeUpGuard(_with(rules, self.settings), NEVER if last is None else int(last))
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._call = call
        self._device_id = device_id
        self._heir: tuple[str, WakeUpGuard, Callable[[], None]] | None = None
        self._changed = asyncio.Event()
        self.port = 0
        """Port on which packets are received; 0 while there is none."""
        self.woken_ms: int | None = None
        """When the last packet was accepted, by the event loop's clock."""

    def expect(self, heir: tuple[str, x509.Certificate, Callable[[], None]] | None) -> None:
        """Take packets of an administrator to be, too, and say what one brings about; None takes them no more."""
        if heir is None:
            self._heir = None
            return
        name, certificate, call = heir
        rules = _rules(self._device_id, certificate)
        self._heir = name, WakeUpGuard(_with(rules, self.settings), NEVER), call

    @property
    def place(self) -> tuple[str, int]:
        """Give address and port of the receiver; no address while it does not listen."""
        return (self._host if self.port else "", self.port)

    def facts(self) -> dict[str, object]:
        """Count for the monitoring what came."""
        return {"port": self.port, "accepted": self.guard.accepted, "refused": dict(self.guard.refused)}

    def change(self, settings: WakeUpSettings) -> None:
        """Go on with other settings, which the journal holds already."""
        self.settings = settings
        self.guard.rules = _with(self.guard.rules, settings)
        self._changed.set()

    async def run(self) -> None:
        """Listen until cancelled, on the port that is set; where it can't be bound, it is tried again every 30 s of real time."""
        while self._host:
            self._changed.clear()
            try:
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: self, local_addr=(self._host, self.settings.port)
                )
            except OSError as problem:
                log.warning("wake_up_not_listening", code="net.unreachable", address=f"{self._host}:{self.settings.port}", why=str(problem))
                with suppress(TimeoutError):
                    async with asyncio.timeout(BIND_AGAIN_S):
                        await self._changed.wait()
                continue
            self.port = transport.get_extra_info("sockname")[1]
            try:
                await self._changed.wait()
            finally:
                self.port = 0
                transport.abort()

    def error_received(self, exc: Exception) -> None:
        """Pass over what the network reports: nothing was sent, so there is nothing to lose."""

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Judge one packet; whoever sent it learns nothing."""
        with self._clock.hold():
            valid = self._clock.status is ClockStatus.VALID
            if self._heir is not None:
                name, guard, call = self._heir
                verdict = guard.judge(data, self._clock.now(), clock_valid=valid)
                if verdict.accepted is not None:
                    self._recorder.note_with(verdict.event, {"partner": name, **verdict.parameters}, subject=name)
                    call()
                    return
            verdict = self.guard.judge(data, self._clock.now(), clock_valid=valid)
            if verdict.accepted is not None:
                self._remember(verdict.accepted)
            if verdict.event:
                self._recorder.note_with(
                    verdict.event, {"partner": self._partner, **verdict.parameters}, success=verdict.fault is None, subject=self._partner
                )
            if verdict.accepted is not None:
                self.woken_ms = int(asyncio.get_running_loop().time() * 1_000)
                self._call()

    def _remember(self, seconds: int) -> None:
        # A gateway whose disk is full has to be called all the more; until it ends, the guard remembers by itself.
        with suppress(Unavailable):
            self._journal.set_state(ACCEPTED, str(seconds).encode())


def _rules(device_id: DeviceId, certificate: x509.Certificate) -> WakeUpRules:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRejected("wakeup.certificate", "not an elliptic-curve key")
    return WakeUpRules(device_id.to_wake_up(), key, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _with(rules: WakeUpRules, settings: WakeUpSettings) -> WakeUpRules:
    return rules._replace(window=timedelta(seconds=settings.window_s), order=settings.timestamp_order)
