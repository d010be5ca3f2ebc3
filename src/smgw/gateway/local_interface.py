"""The local interface of commissioning: integrator and first configurator work on a gateway, each with a PIN and rights of its own.

A Unix socket in the gateway's folder, which only the folder's owner can reach, carries one JSON object a line. The first line opens the
session with role and PIN; each further line is one action, answered by one line. The interface exists until the end of installation and
never again: then the PINs are forgotten and the socket is gone.
Source: LIFE-05, LIFE-06, LIFE-07; TR-03109-1 Annex VI, 2.3, note on the local interface. Socket and lines stand in for the annex's
interface at the HAN and are our choice (docs/commissioning.md).
"""

import asyncio
import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from smgw.core.errors import DecodeFault, SecurityFault, SmgwError, Unavailable
from smgw.core.life_cycle import RULES, Action, Actor, Phase
from smgw.gateway import commissioning
from smgw.gateway.commissioning import Workshop, is_local
from smgw.gateway.config import LinkConfig
from smgw.gateway.lifecycle import Tell
from smgw.gateway.local_pin import PinRecord, check_pin

SOCKET = "commission.sock"
LINE_LIMIT = 256 * 1024
IDLE_S = 300.0
MAX_SESSIONS = 4


class Opening(msgspec.Struct, forbid_unknown_fields=True):
    """Open a session."""

    role: Literal["integrator", "first_configurator"]
    pin: str


class Order(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Ask for one action; each uses the fields it needs. Octets travel as base64."""

    action: str
    certificates: str = ""
    fingerprint: str = ""
    document: str = ""
    links: tuple[LinkConfig, ...] = ()
    han_host: str | None = None
    han_port: int | None = None
    wan_address: str | None = None
    host: str = ""
    management_port: int = 0
    time_port: int = 0
    start: int = 1


def _octets(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as problem:
        raise DecodeFault("local.request", "base64") from problem


def _import_root(shop: Workshop, order: Order) -> None:
    commissioning.import_root(shop, _octets(order.certificates), order.fingerprint)


def _request_seal(shop: Workshop, order: Order) -> dict[str, object]:
    return {"request": b64encode(commissioning.request_seal(shop)).decode()}


def _load_configuration(shop: Workshop, order: Order) -> dict[str, object]:
    return {"administrator": commissioning.load_configuration(shop, _octets(order.document))}


def _set_network(shop: Workshop, order: Order) -> None:
    commissioning.set_network(shop, order.links, order.han_host, order.han_port, order.wan_address)


_DEEDS: dict[Action, Callable[[Workshop, Order], dict[str, object] | None]] = {
    Action.IMPORT_ROOT: _import_root,
    Action.MAKE_PROVISIONAL_KEYS: lambda shop, _: commissioning.make_provisional_keys(shop),
    Action.REQUEST_SEAL: _request_seal,
    Action.IMPORT_SEAL: lambda shop, order: commissioning.import_seal(shop, _octets(order.certificates)),
    Action.MAKE_STORAGE_KEY: lambda shop, _: commissioning.make_storage_key(shop),
    Action.PAIR_MODULE: lambda shop, _: commissioning.pair_module(shop),
    Action.LOAD_CONFIGURATION: _load_configuration,
    Action.ERASE_IMPORT_KEYS: lambda shop, _: commissioning.erase_import_keys(shop),
    Action.SET_NETWORK: _set_network,
    Action.READ_SYSTEM_LOG: lambda shop, order: {"log": commissioning.read_system_log(shop, order.start)},
    Action.CORRECT_ADDRESS: lambda shop, order: commissioning.correct_address(shop, order.host, order.management_port, order.time_port),
    Action.RESET_PIN: lambda shop, _: {"pin": commissioning.reset_pin(shop)},
    Action.FINISH_INSTALLATION: lambda shop, _: commissioning.finish_installation(shop),
}
"""Every action of integrator and first configurator."""

_ROLE: dict[Action, Actor] = {rule.action: rule.actor for rule in RULES if rule.action in _DEEDS}


def open_session(shop: Workshop, opening: Opening) -> Actor:
    """Judge role and PIN; gives the role.

    Raises: SecurityFault local.off, local.pin, local.locked; Unavailable gateway.files when the attempt can't be counted.
    """
    keeper, actor = shop.keeper, Actor(opening.role)
    record = keeper.record.pins.get(actor)
    if record is None or not is_local(keeper.phase):
        raise SecurityFault("local.off")

    def keep(changed: PinRecord) -> None:
        keeper.note_pin(actor, changed)

    try:
        check_pin(opening.pin, record, keep)
    except SecurityFault as fault:
        keeper.tell(Tell("local_access_refused", {"role": actor, "code": fault.code}, success=False))
        raise
    keeper.tell(Tell("local_access_granted", {"role": actor}))
    return actor


def obey(shop: Workshop, actor: Actor, order: Order) -> dict[str, object]:
    """Do one action for a role.

    Raises: DomainFault lifecycle.phase, lifecycle.order; SecurityFault local.role, local.off; PeerFault local.request; as the actions.
    """
    try:
        action = Action(order.action)
        deed = _DEEDS[action]
    except (ValueError, KeyError) as problem:
        raise DecodeFault("local.request", f"no such action: {order.action[:40]}") from problem
    if not is_local(shop.keeper.phase):
        raise SecurityFault("local.off")
    try:
        shop.keeper.require(action)
        if _ROLE[action] is not actor:
            raise SecurityFault("local.role", f"{action} is for the {_ROLE[action].replace('_', ' ')}")
        return deed(shop, order) or {}
    except SmgwError as fault:
        if action is not Action.LOAD_CONFIGURATION:
            shop.keeper.tell(Tell("local_action_refused", {"role": actor, "action": action, "code": fault.code}, success=False))
        raise


def standing(shop: Workshop, actor: Actor | None = None) -> dict[str, object]:
    """Say where the gateway stands and what is possible next, for one role or for all."""
    keeper = shop.keeper
    return {
        "device_id": keeper.record.device_id,
        "phase": keeper.phase,
        "done": list(keeper.record.marks),
        "possible": keeper.possible(*((actor,) if actor else ())),
    }


# ------------------------------------------------------------------------------------------------ the socket


@asynccontextmanager
async def _bound(folder: Path) -> AsyncIterator[str]:
    """Give a short path to the socket, whatever the folder's own: the name of a socket has room for 107 octets."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


def _forget(path: str) -> None:
    Path(path).unlink(missing_ok=True)


async def serve_local_interface(shop: Workshop, stop: asyncio.Event) -> None:
    """Serve until installation is finished or the event is set."""
    finished, sessions = asyncio.Event(), 0

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sessions
        sessions += 1
        try:
            if sessions <= MAX_SESSIONS:
                await _converse(shop, reader, writer)
        finally:
            sessions -= 1
            writer.close()
            if not is_local(shop.keeper.phase):
                finished.set()

    async with _bound(shop.folder.path) as path:
        _forget(path)
        mask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(on_connection, path, limit=LINE_LIMIT)
        finally:
            os.umask(mask)
        try:
            ends = [asyncio.create_task(event.wait()) for event in (stop, finished)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
        finally:
            server.close()
            _forget(path)


async def _converse(shop: Workshop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    actor: Actor | None = None
    # A line beyond the limit comes as ValueError.
    with suppress(ConnectionError, TimeoutError, ValueError):
        while True:
            async with asyncio.timeout(IDLE_S):
                line = await reader.readline()
            if not line:
                return
            reply, actor = answer(shop, actor, line)
            writer.write(msgspec.json.encode(reply) + b"\n")
            await writer.drain()
            if actor is None or shop.keeper.phase is Phase.PERSONALISATION:
                return


def answer(shop: Workshop, actor: Actor | None, line: bytes) -> tuple[dict[str, object], Actor | None]:
    """Answer one line of a session; gives the reply and whose session it is now. A refused opening ends the session."""
    try:
        if actor is None:
            actor = open_session(shop, _decode(line, Opening))
            return {"ok": True, **standing(shop, actor)}, actor
        result = obey(shop, actor, _decode(line, Order))
        return {"ok": True, **standing(shop, actor), "result": result}, actor
    except SmgwError as fault:
        return {"ok": False, "code": fault.code, "detail": fault.detail, "title": fault.title, "hint": fault.hint}, actor


def _decode(line: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("local.request", str(problem)[:200]) from problem


class LocalSession:
    """Speak to a running gateway's local interface."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def connect(cls, folder: Path) -> AsyncIterator["LocalSession"]:
        """Connect to the socket of a gateway's folder. Raises: Unavailable local.unreachable."""
        async with _bound(folder) as path:
            try:
                reader, writer = await asyncio.open_unix_connection(path, limit=16 * LINE_LIMIT)
            except OSError as problem:
                raise Unavailable("local.unreachable", str(problem.strerror)) from problem
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def ask(self, line: Opening | Order) -> dict[str, Any]:
        """Send one line and give the answer. Raises: Unavailable local.unreachable."""
        try:
            self._writer.write(msgspec.json.encode(line) + b"\n")
            await self._writer.drain()
            data = await self._reader.readline()
        except OSError as problem:
            raise Unavailable("local.unreachable", str(problem.strerror)) from problem
        if not data:
            raise Unavailable("local.unreachable", "the interface closed")
        reply: dict[str, Any] = msgspec.json.decode(data)
        return reply
