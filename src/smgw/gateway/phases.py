"""Run a gateway through the phases of its life: the local interface, then personalisation, then operation, until its end.

Source: LIFE-01, LIFE-07, LIFE-08, LIFE-11.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from smgw.core.errors import IntegrityFault, SmgwError
from smgw.core.life_cycle import Phase
from smgw.gateway.boot import sign_program
from smgw.gateway.commissioning import is_local, open_workshop
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware import Host
from smgw.gateway.key_desk import require_record
from smgw.gateway.lifecycle import LifeKeeper
from smgw.gateway.local_interface import serve_local_interface
from smgw.gateway.personalisation import personalise
from smgw.gateway.service import run_gateway
from smgw.net.clock import ClockPort
from smgw.net.listeners import Listener, own_listeners
from smgw.security.module_folder import open_backend

Ready = Callable[[dict[str, object]], None]

KEPT = frozenset({"life.json", "life.lock", "manifest.json", "manifest.cms", "manufacturer.pem", "slots.json", "boot.json", "slots"})
"""What is left of a decommissioned gateway: which one it was, and its program."""


def sign_installed_program(folder: GatewayFolder, now: datetime) -> None:
    """Sign the installed program with the gateway's own key, unless it is signed already."""
    if not folder.manifest.exists():
        sign_program(folder, now)


async def run_phases(
    folder: GatewayFolder,
    clock: ClockPort,
    ready: Ready,
    stop: asyncio.Event,
    host: Host | None = None,
    listeners: Callable[[], Iterable[Listener]] = own_listeners,
) -> dict[str, object]:
    """Run the gateway of a folder from whatever phase it is in until the event is set; gives the closing counters.

    Raises: ConfigError gateway.not_initialised; Unavailable lifecycle.locked; as `run_gateway`.
    """
    counters: dict[str, object] = {"role": "gateway"}
    with LifeKeeper.open(folder, clock) as keeper:
        while not stop.is_set():
            require_record(keeper)
            phase = keeper.phase
            who: dict[str, object] = {"role": "gateway", "gateway_id": keeper.record.device_id, "phase": phase}
            if is_local(phase):
                ready({**who, "possible": keeper.possible()})
                shop = open_workshop(keeper, clock, lambda: sign_installed_program(folder, clock.now()))
                await serve_local_interface(shop, stop)
            elif phase is Phase.PERSONALISATION:
                ready(who)
                await personalise(keeper, clock, stop)
            elif phase is Phase.NORMAL_OPERATION:
                counters = _sum(counters, await run_gateway(folder, clock, ready, stop, host, listeners, keeper))
            else:
                erase(keeper)
                ready(who)
                await stop.wait()
    return counters


def _sum(before: dict[str, object], now: dict[str, object]) -> dict[str, object]:
    """Add up what was counted before and after an exchange of keys; what is a state and not a count is the newest."""
    summed = ("telegrams", "readings", "deliveries", "rejected", "log_entries")
    total = dict(now)
    for key in summed:
        old, new = before.get(key, 0), now.get(key, 0)
        if isinstance(old, int) and isinstance(new, int):
            total[key] = old + new
    return total


def erase(keeper: LifeKeeper) -> None:
    """Erase keys and personal data of a decommissioned gateway; what a power cut interrupted is finished by doing it again.

    The storage key goes first: without it the journal is nothing but noise, whatever a disk keeps of its octets.
    Raises: IntegrityFault lifecycle.record in any other phase.
    """
    folder = keeper.folder
    if keeper.phase is not Phase.DECOMMISSIONED:
        raise IntegrityFault("lifecycle.record", keeper.phase)
    try:
        backend = open_backend(folder.path)
    except SmgwError:
        backend = None
    if backend is not None:
        for name in backend.names():
            backend.destroy(name)
        for name in backend.files():
            backend.delete_file(name)
        backend.forget_storage()
    for path in sorted(folder.path.iterdir()):
        if path.name not in KEPT:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
