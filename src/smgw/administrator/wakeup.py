"""Call gateways that wait to be called: build and sign a packet, send it, wait for the gateway's channel, send again.

A packet is never answered, so only the channel tells that it arrived. Where each gateway is called and how long its calls took stays in the
administrator's store. Source: WAN-04, ADM-04; 20-wan-crypto-pki 1.7, 7.2.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal

import msgspec
import structlog

from smgw.administrator.audit import Audit
from smgw.administrator.store import Store
from smgw.core.errors import DomainFault, SmgwError, Unavailable
from smgw.core.identifiers import DeviceId
from smgw.core.instant import utc_text
from smgw.net.clock import ClockPort
from smgw.security.content import Credential
from smgw.security.module import SecurityModule
from smgw.security.wakeup import make_packet

PAUSES_S: Sequence[float] = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""So long, in real seconds, each packet's call-back is awaited before the next packet; then the gateway is given up."""
PACKETS_PER_S = 100.0
"""All gateways together are sent at most so many packets in a real second."""
AGAIN_AFTER_S = 900.0
"""A gateway that was given up is called again by itself after so many real seconds."""
NEXT_AFTER_S = 60.0
"""A gateway that came is called again after so many real seconds at the earliest: what still waits then may never be obeyed."""
KEPT = 100_000
"""So many calls are kept for the statistics."""
STATISTICS_OF = 10_000
"""The newest so many answered calls make the percentiles."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS wake_up_address (
  device_id TEXT PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL, timestamp_order TEXT NOT NULL, on_wake_up INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS wake_up (
  id INTEGER PRIMARY KEY, device_id TEXT NOT NULL, started_at TEXT NOT NULL, packets INTEGER NOT NULL, wait_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('calling', 'answered', 'given_up'))
) STRICT;
CREATE INDEX IF NOT EXISTS wake_up_of_gateway ON wake_up (device_id, id);
"""
_GIVEN_UP = (
    "SELECT device_id FROM wake_up WHERE id IN (SELECT max(id) FROM wake_up WHERE state <> 'calling' GROUP BY device_id) "
    "AND state = 'given_up' ORDER BY device_id"
)
_PERCENTILES = """
SELECT wait_ms FROM (SELECT wait_ms FROM wake_up WHERE state='answered' ORDER BY id DESC LIMIT ?) ORDER BY wait_ms
"""

log = structlog.get_logger(__name__)


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say where a gateway takes wake-up packets."""

    host: str
    port: int
    timestamp_order: Literal["little", "big"] = "little"
    on_wake_up: bool = True
    """The gateway opens its channel only when called, so it is called when something waits for it, and let go when nothing does."""


def require_address(address: Address) -> Address:
    """Refuse what no packet can be sent to. Raises: DomainFault wakeup.address."""
    if not address.host or len(address.host) > 253 or not 0 < address.port < 65_536:
        raise DomainFault("wakeup.address", f"{address.host[:40]}:{address.port}")
    return address


class Statistics(msgspec.Struct, frozen=True):
    """Sum up all calls that are kept; waits from the first packet to the open channel, in milliseconds."""

    calls: int
    packets: int
    answered: int
    given_up: int
    wait_p50_ms: int
    wait_p99_ms: int


class WakeUps:
    """Keep the addresses and what became of each call."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        store.install(_SCHEMA)
        with store.write() as database:
            # Whoever was being called when the administrator ended was not answered.
            database.execute("UPDATE wake_up SET state='given_up' WHERE state='calling'")

    def set_address(self, device_id: str, address: Address, at: datetime, actor: str) -> None:
        """Note where a gateway is called from now on. Raises: DomainFault wakeup.address."""
        require_address(address)
        row = (device_id, address.host, address.port, address.timestamp_order, int(address.on_wake_up))
        with self._store.write() as database:
            database.execute("INSERT OR REPLACE INTO wake_up_address VALUES (?,?,?,?,?)", row)
            self._audit.note(at, actor, f"set wake-up address {address.host}:{address.port}", device_id, "done")

    def address(self, device_id: str) -> Address:
        """Give where a gateway is called. Raises: DomainFault wakeup.address when it isn't known."""
        found = self._store.rows("SELECT host, port, timestamp_order, on_wake_up FROM wake_up_address WHERE device_id=?", (device_id,))
        if not found:
            raise DomainFault("wakeup.address", device_id)
        host, port, order, on_wake_up = found[0]
        return Address(host, port, order, bool(on_wake_up))

    def by_call(self) -> list[str]:
        """List the gateways that open their channel only when called."""
        return [row[0] for row in self._store.rows("SELECT device_id FROM wake_up_address WHERE on_wake_up=1 ORDER BY device_id")]

    def is_by_call(self, device_id: str) -> bool:
        """Tell whether a gateway opens its channel only when called."""
        return bool(self._store.rows("SELECT 1 FROM wake_up_address WHERE device_id=? AND on_wake_up=1", (device_id,)))

    def begin(self, device_id: str, at: datetime) -> int:
        """Note that a gateway is being called; gives the call's number."""
        with self._store.write() as database:
            cursor = database.execute(
                "INSERT INTO wake_up (device_id, started_at, packets, wait_ms, state) VALUES (?,?,0,0,'calling')", (device_id, utc_text(at))
            )
            database.execute("DELETE FROM wake_up WHERE id <= ?", ((cursor.lastrowid or 0) - KEPT,))
        return cursor.lastrowid or 0

    def end(self, call: int, packets: int, wait_ms: int, state: Literal["answered", "given_up"]) -> None:
        """Note what became of a call."""
        with self._store.write() as database:
            database.execute("UPDATE wake_up SET packets=?, wait_ms=?, state=? WHERE id=?", (packets, wait_ms, state, call))

    def calls(self, device_id: str, limit: int = 5) -> list[tuple[str, int, int, Literal["calling", "answered", "given_up"]]]:
        """List begin, packets, wait in milliseconds and state of a gateway's last calls, newest first."""
        return self._store.rows(
            "SELECT started_at, packets, wait_ms, state FROM wake_up WHERE device_id=? ORDER BY id DESC LIMIT ?", (device_id, limit)
        )

    def given_up(self) -> list[str]:
        """List the gateways whose last call was given up."""
        return [row[0] for row in self._store.rows(_GIVEN_UP)]

    def statistics(self) -> Statistics:
        """Sum up all calls that are kept."""
        rows = {state: (count, packets) for state, count, packets in self._store.rows(
            "SELECT state, count(*), sum(packets) FROM wake_up GROUP BY state"
        )}  # fmt: skip
        waits = [row[0] for row in self._store.rows(_PERCENTILES, (STATISTICS_OF,))]
        return Statistics(
            calls=sum(count for count, _ in rows.values()),
            packets=sum(packets for _, packets in rows.values()),
            answered=rows.get("answered", (0, 0))[0],
            given_up=rows.get("given_up", (0, 0))[0],
            wait_p50_ms=percentile(waits, 50),
            wait_p99_ms=percentile(waits, 99),
        )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Give the smallest value that so many percent of the values do not exceed; 0 of none."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1] if ordered else 0


class WakeUpService:
    """Call gateways, each at most once at a time."""

    def __init__(self, book: WakeUps, module: SecurityModule, signer: Credential, clock: ClockPort) -> None:
        self.book = book
        self._module = module
        self._signer = signer
        self._clock = clock
        self._awaited: dict[str, asyncio.Event] = {}
        self._next_packet_s = 0.0
        self._asked: set[str] = set()

    def ask(self, device_id: str) -> None:
        """Have `run` call a gateway at its next look, however lately it was called."""
        self._asked.add(device_id)

    def answered(self, device_id: str) -> None:
        """Learn that a gateway's channel stands."""
        if device_id in self._awaited:
            self._awaited[device_id].set()

    def is_calling(self, device_id: str) -> bool:
        """Tell whether a gateway is being called."""
        return device_id in self._awaited

    async def call(self, device_id: str) -> int:
        """Call a gateway until its channel stands; gives how long that took, in milliseconds.

        Raises: DomainFault wakeup.address, wakeup.calling; Unavailable wakeup.no_call_back when it was given up.
        """
        address = self.book.address(device_id)
        if device_id in self._awaited:
            raise DomainFault("wakeup.calling", device_id)
        connected = self._awaited[device_id] = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            number, started_s = self.book.begin(device_id, self._clock.now()), loop.time()
            for packets, pause_s in enumerate(PAUSES_S, start=1):
                with self._clock.hold():
                    await self._send(device_id, address)
                    # Simulated time stands still while the gateway may come at once.
                    await _within(connected, min(pause_s, PAUSES_S[0]))
                await _within(connected, pause_s - min(pause_s, PAUSES_S[0]))
                if connected.is_set():
                    waited_ms = round((loop.time() - started_s) * 1_000)
                    self.book.end(number, packets, waited_ms, "answered")
                    log.info("gateway_called", gateway=device_id, packets=packets, waited_ms=waited_ms)
                    return waited_ms
            self.book.end(number, len(PAUSES_S), round((loop.time() - started_s) * 1_000), "given_up")
            log.warning("gateway_did_not_call_back", gateway=device_id, packets=len(PAUSES_S))
            raise Unavailable("wakeup.no_call_back", device_id)
        finally:
            del self._awaited[device_id]

    async def _send(self, device_id: str, address: Address) -> None:
        """Send one packet, in its turn; a network that refuses is no reason to stop calling."""
        loop = asyncio.get_running_loop()
        turn_s = max(loop.time(), self._next_packet_s)
        self._next_packet_s = turn_s + 1 / PACKETS_PER_S
        await asyncio.sleep(turn_s - loop.time())
        packet = make_packet(
            DeviceId.parse(device_id), self._clock.now(), module=self._module, signer=self._signer, order=address.timestamp_order
        )
        try:
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, place = found[0]
            with socket.socket(family, kind, protocol) as caller:
                caller.setblocking(False)
                await loop.sock_sendto(caller, packet, place)
        except OSError as problem:
            log.warning("wake_up_not_sent", gateway=device_id, code="net.unreachable", why=str(problem))

    async def run(self, waiting: Callable[[], Iterable[str]], look_s: float = 1.0) -> None:
        """Call whoever `waiting` names, looking so often in real seconds, until cancelled."""
        not_before: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                asked, self._asked = self._asked, set()
                for device_id in asked:
                    not_before.pop(device_id, None)
                for device_id in [*asked, *_known(waiting)]:
                    if device_id not in self._awaited and loop.time() >= not_before.get(device_id, 0.0):
                        not_before[device_id] = loop.time() + AGAIN_AFTER_S
                        group.create_task(self._try(device_id, not_before))
                        # The task takes its place before the next look.
                        await asyncio.sleep(0)
                await asyncio.sleep(look_s)

    async def _try(self, device_id: str, not_before: dict[str, float]) -> None:
        try:
            await self.call(device_id)
        except SmgwError as fault:
            log.warning("wake_up_failed", gateway=device_id, code=fault.code)
        else:
            not_before[device_id] = asyncio.get_running_loop().time() + NEXT_AFTER_S


def _known(waiting: Callable[[], Iterable[str]]) -> Iterable[str]:
    """Give whoever is waited for; nobody while the store refuses."""
    try:
        return waiting()
    except Unavailable as fault:
        log.warning("wake_up_waits", code=fault.code)
        return ()


async def _within(event: asyncio.Event, limit_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
