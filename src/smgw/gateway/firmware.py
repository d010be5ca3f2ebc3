"""Update the gateway's own program: order, download, verification, activation, trial, and the way back.

A task takes the update from state to state; each state is on the disk before the next begins, so that a cut anywhere is gone on from.
The journal is told of each state once, whichever program then runs. Readings, profiles, keys and certificates are never touched.
Source: ADM-05; annex VI 3.3, 3.4 of TR-03109-1; 20-wan-crypto-pki 1.9.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec
import structlog

from smgw.core.errors import DomainFault, PeerFault, SecurityFault, SmgwError, Unavailable
from smgw.gateway.clock import GatewayClock
from smgw.gateway.config import AdministratorConfig, GatewayFolder
from smgw.gateway.firmware_download import download
from smgw.gateway.firmware_model import SlotState
from smgw.gateway.firmware_record import (
    Order,
    Update,
    UpdateState,
    give_up,
    load_slots,
    load_update,
    other,
    save_slots,
    save_update,
    with_slot,
)
from smgw.gateway.logs import Recorder
from smgw.gateway.pending import End, Ended
from smgw.gateway.slot_program import unpack
from smgw.gateway.upkeep import Upkeep
from smgw.net.identity import Identity
from smgw.pki.maker import load_makers
from smgw.storage.journal import Journal

RETRY_FIRST_S = 2.0
RETRY_LAST_S = 300.0
RESTART_PAUSE_S = 1.0
"""The answer to the command of activation has so long to leave, in real seconds."""
CONTACT_WITHIN = timedelta(hours=1)
"""A new version must have reached the administrator in this time, or it is given up: nobody could ever replace it."""
JUDGED_WITHIN_S = 7_200
"""Real seconds after which the watchdog ends a new version that has not been judged."""
LOOK_S = 1.0

CIRCUMSTANCES = frozenset({"self_test.clock", "self_test.certificates", "self_test.limits"})
"""What a self-test may find without the new version being the cause."""

TOLD = "firmware_told"
log = structlog.get_logger(__name__)


class Host(NamedTuple):
    """Hold what only the process as a whole can do."""

    restart: Callable[[], None]
    """End in good order and start again with the active slot's program."""
    watchdog: Callable[[int], object]
    """End the process after so many seconds, whatever it does; 0 calls it off."""


class Parts(NamedTuple):
    """Hold what an update works with."""

    folder: GatewayFolder
    administrator: AdministratorConfig
    identity: Identity
    journal: Journal
    recorder: Recorder
    clock: GatewayClock
    upkeep: Upkeep
    consumers: Callable[[], Iterable[str]]
    connected: Callable[[], bool]
    """Tells whether the administrator is reached."""
    host: Host | None
    """None where the gateway shares its process: such a one can't change its program."""


class Firmware:
    """Carry out one update at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.update: Update = load_update(parts.folder)
        self._running = version("smgw")
        self._changed = asyncio.Event()
        self._pause_s = RETRY_FIRST_S
        self._problem = ""
        self._followed: list[tuple[Mapping[UpdateState, bool], str, End]] = []

    # ------------------------------------------------------------------------------------------------------- commands

    def order(self, order: Order, order_id: str) -> None:
        """Take an order; the same package again goes on where it stands.

        Raises: DomainFault firmware.busy, firmware.same_version; SecurityFault firmware.no_maker.
        """
        update = self.update
        if not update.is_over and update.order is not None and update.order.sha256 == order.sha256:
            # The same package, perhaps from another place: what is fetched already counts.
            self._save(msgspec.structs.replace(update, order=order))
        else:
            if not update.is_over and update.state is not UpdateState.VERIFIED:
                raise DomainFault("firmware.busy", f"{update.version} is {update.state}")
            if order.version == self._running:
                raise DomainFault("firmware.same_version", order.version)
            load_makers(self._parts.folder.makers)
            self._save(Update(UpdateState.ORDERED, self._parts.clock.now(), order_id, order, before=self._running))
        self._tell()

    def activate(self, wanted: str) -> None:
        """Start into the verified version as soon as the answer has left. Raises: DomainFault firmware.state, firmware.no_restart."""
        update = self.update
        if update.version != wanted:
            raise DomainFault("firmware.state", f"{update.version or 'none'} is {update.state}")
        if update.state in (UpdateState.ACTIVATION_PENDING, UpdateState.SELF_TEST, UpdateState.ACTIVE):
            return
        if self._parts.host is None:
            raise DomainFault("firmware.no_restart")
        self._save(update.moved(UpdateState.ACTIVATION_PENDING, self._parts.clock.now()))

    def cancel(self) -> None:
        """Forget an update that is not activated. Raises: DomainFault firmware.state."""
        if not self.update.is_over:
            self._save(self.update.moved(UpdateState.REJECTED, self._parts.clock.now(), code="firmware.cancelled"))
            self._tell()

    def wake(self) -> None:
        """Go on at once; for after a command's transaction."""
        self._changed.set()

    def follow(self, ends: Mapping[UpdateState, bool], order_id: str, end: End) -> None:
        """Go on at once, and tell when the update of an order has come to one of the states, which say whether that is good."""
        self._followed.append((ends, order_id, end))
        self.wake()

    def _tell_ends(self) -> None:
        update, self._followed, followed = self.update, [], self._followed
        for ends, order_id, end in followed:
            if update.order_id != order_id:
                end(Ended(500, code="command.interrupted"))
            elif update.state not in ends:
                self._followed.append((ends, order_id, end))
            else:
                end(Ended(200 if ends[update.state] else 500, self.facts(), "" if ends[update.state] else update.code))

    def facts(self) -> dict[str, object]:
        """Tell how far the update is."""
        update, slots = self.update, load_slots(self._parts.folder)
        return {
            "running": self._running,
            "state": str(update.state),
            "order_id": update.order_id,
            "version": update.version,
            "sha256": update.order.sha256 if update.order else "",
            "since": update.since,
            "received": update.received,
            "size": update.order.size if update.order else 0,
            "attempts": update.attempts,
            "code": update.code or self._problem,
            "detail": update.detail,
            "slots": {} if slots is None else {"active": slots.active, "a": slots.a, "b": slots.b},
        }

    # ----------------------------------------------------------------------------------------------------------- work

    async def run(self) -> None:
        """Go on with the update where it stands, and wait for the next, until cancelled."""
        while True:
            self._changed.clear()
            try:
                if not self._tell():
                    await self._pause()
                    continue
                self._tell_ends()
                step = _STEPS.get(self.update.state)
                if step is None:
                    await self._changed.wait()
                else:
                    await step(self)
            except Unavailable as fault:
                await self._pause(fault.code)

    async def _pause(self, code: str = "") -> None:
        self._problem = code
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await self._changed.wait()
        self._pause_s = min(self._pause_s * 2, RETRY_LAST_S)

    async def _download(self) -> None:
        """Fetch what is missing; a server that breaks the rules is asked again later."""
        parts, started = self._parts, self.update
        assert started.order is not None

        def keep(received: int) -> None:
            if self.update.order_id != started.order_id or self.update.state is not UpdateState.ORDERED:
                raise Unavailable("firmware.cancelled")
            self._save(msgspec.structs.replace(self.update, received=received))
            self._pause_s = RETRY_FIRST_S

        try:
            with parts.clock.hold():
                whole = await download(
                    parts.folder.package, started.order, started.received, keep, administrator=parts.administrator, identity=parts.identity,
                    clock=parts.clock,
                )  # fmt: skip
        except (SecurityFault, PeerFault) as fault:
            log.warning("firmware_download_failed", code=fault.code, detail=fault.detail)
            await self._pause(fault.code)
            return
        if self.update.order_id != started.order_id or self.update.state is not UpdateState.ORDERED:
            return
        self._problem = ""
        if whole:
            self._move(UpdateState.DOWNLOADED)
        else:
            self._move(UpdateState.REJECTED, code="firmware.hash")

    async def _verify(self) -> None:
        """Verify the package and put it into the inactive slot, whose old content is no longer there to fall back on."""
        parts, update = self._parts, self.update
        slots = load_slots(parts.folder)
        if slots is None:
            raise Unavailable("gateway.files", parts.folder.slots.name)
        slot = other(slots.active)
        now = parts.clock.now()
        save_slots(parts.folder, with_slot(slots, slot, SlotState.EMPTY, now, version=""))
        try:
            with parts.clock.hold():
                manifest = await asyncio.to_thread(
                    unpack, parts.folder, parts.folder.package, slot, version=update.version, running=self._running, now=now
                )
        except Unavailable:
            raise
        except SmgwError as fault:
            save_slots(parts.folder, slots)
            self._move(UpdateState.REJECTED, code=fault.code, detail=fault.detail[:200])
            return
        save_slots(parts.folder, with_slot(slots, slot, SlotState.PENDING, now, version=manifest.version))
        if self.update == update:
            self._move(UpdateState.VERIFIED, slot=slot, emergency=manifest.emergency)

    async def _restart(self) -> None:
        """Let the answer leave, then start again."""
        await asyncio.sleep(RESTART_PAUSE_S)
        assert self._parts.host is not None
        self._parts.host.restart()
        await asyncio.Event().wait()

    async def _judge(self) -> None:
        """Judge the version that runs on trial: by its self-test, then by whether it reaches the administrator."""
        parts = self._parts
        if parts.host is not None:
            parts.host.watchdog(JUDGED_WITHIN_S)
        parts.upkeep.tested.clear()
        parts.upkeep.wanted.set()
        await parts.upkeep.tested.wait()
        last = parts.upkeep.last_test
        failed = [code for code in last.failed if code not in CIRCUMSTANCES] if last else ["self_test.program"]
        if failed:
            await self._give_up("firmware.self_test", ", ".join(failed))
        elif not await self._contacted():
            await self._give_up("firmware.contact", f"not within {CONTACT_WITHIN}")
        else:
            slots = load_slots(parts.folder)
            assert slots is not None
            assert self.update.slot is not None
            save_slots(parts.folder, with_slot(slots, self.update.slot, SlotState.GOOD, parts.clock.now()))
            self._move(UpdateState.ACTIVE)
            if parts.host is not None:
                parts.host.watchdog(0)

    async def _contacted(self) -> bool:
        clock = self._parts.clock.base
        ends = clock.now() + CONTACT_WITHIN
        while not self._parts.connected():
            if clock.now() >= ends:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def _give_up(self, code: str, detail: str) -> None:
        self.abandon(code, detail)
        await asyncio.Event().wait()

    def abandon(self, code: str, detail: str) -> None:
        """Go back to the version before, if this one runs on trial."""
        parts, slots = self._parts, load_slots(self._parts.folder)
        if self.update.state is not UpdateState.SELF_TEST or slots is None or parts.host is None:
            return
        log.error("firmware_given_up", code=code, detail=detail)
        give_up(parts.folder, self.update, slots, parts.clock.now(), code, detail)
        parts.host.restart()

    # ---------------------------------------------------------------------------------------------------------- record

    def _save(self, update: Update) -> None:
        save_update(self._parts.folder, update)
        self.update = update

    def _move(self, state: UpdateState, **changes: Any) -> None:
        self._save(self.update.moved(state, self._parts.clock.now(), **changes))
        if self.update.is_over:
            with contextlib.suppress(OSError):
                self._parts.folder.package.unlink(missing_ok=True)

    def _tell(self) -> bool:
        """Write the present state to the logs, unless that was done; False when the store takes nothing for the moment."""
        parts, update = self._parts, self.update
        events = _EVENTS.get(update.state, ())
        key = f"{update.order_id}/{update.state}".encode()
        if not events or parts.journal.get_state(TOLD) == key:
            return True
        words: dict[str, object] = {
            "partner": parts.administrator.name, "version": update.version, "before": update.before, "code": update.code,
            "reason": update.code,
        }  # fmt: skip
        try:
            with parts.journal.transaction():
                for event, names, success in events:
                    if event != "firmware_not_certified" or update.emergency:
                        parts.recorder.record_with(
                            event, {name: words[name] for name in names}, consumers=parts.consumers(), success=success,
                            subject=parts.administrator.name,
                        )  # fmt: skip
                parts.journal.set_state(TOLD, key)
        except Unavailable:
            return False
        return True


ORDER_ENDS: dict[UpdateState, bool] = {
    UpdateState.VERIFIED: True,
    UpdateState.ACTIVATION_PENDING: True,
    UpdateState.SELF_TEST: True,
    UpdateState.ACTIVE: True,
    UpdateState.ROLLED_BACK: True,
    UpdateState.REJECTED: False,
}
"""State -> whether an order has ended well; one that was verified has, whatever comes after."""
ACTIVATION_ENDS: dict[UpdateState, bool] = {UpdateState.ACTIVE: True, UpdateState.ROLLED_BACK: False, UpdateState.REJECTED: False}
"""State -> whether an activation has ended well."""

_EVENTS: dict[UpdateState, tuple[tuple[str, tuple[str, ...], bool], ...]] = {
    UpdateState.ORDERED: (("firmware_ordered", ("partner", "version"), True),),
    UpdateState.DOWNLOADED: (("firmware_downloaded", ("version",), True),),
    UpdateState.VERIFIED: (("firmware_verified", ("version",), True),),
    UpdateState.ACTIVE: (("firmware_activated", ("version", "before"), True), ("firmware_not_certified", ("version",), True)),
    UpdateState.ROLLED_BACK: (("firmware_rolled_back", ("version", "before", "reason"), False),),
    UpdateState.REJECTED: (("firmware_rejected", ("version", "code"), False),),
}
"""State -> what the logs are told on reaching it: event, parameters, success."""

_STEPS: dict[UpdateState, Callable[[Firmware], Awaitable[None]]] = {
    UpdateState.ORDERED: Firmware._download,
    UpdateState.DOWNLOADED: Firmware._verify,
    UpdateState.ACTIVATION_PENDING: Firmware._restart,
    UpdateState.SELF_TEST: Firmware._judge,
}
"""State -> what leads out of it; the others wait for a command."""
