"""Run parts of a gateway only while its operating state allows them. Source: STATE-01."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from smgw.core.state import Permission
from smgw.gateway.states import StateKeeper


class Server(Protocol):
    """Listen until closed."""

    @property
    def port(self) -> int:
        """Give the port that was taken."""

    async def close(self) -> None:
        """Stop listening and end what is open."""


async def run_while_allowed(
    states: StateKeeper, permission: Permission, work: Callable[[], Coroutine[Any, Any, None]], *, unless: Permission | None = None
) -> None:
    """Do some work that never ends by itself, cancelled while the state does not allow it and begun anew afterwards.

    With `unless` it is what remains of another work: done only while the state forbids that one.
    """
    changed = asyncio.Event()
    states.watch(changed.set)

    def is_due() -> bool:
        return states.allows(permission) and not (unless is not None and states.allows(unless))

    while True:
        changed.clear()
        if not is_due():
            await changed.wait()
            continue
        task = asyncio.create_task(work())
        waiting = asyncio.create_task(_forbidden(is_due, changed))
        try:
            await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            await _end(task)
            await _end(waiting)


async def _forbidden(is_due: Callable[[], bool], changed: asyncio.Event) -> None:
    while is_due():
        await changed.wait()
        changed.clear()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class SwitchedServer:
    """Keep a server open while the state allows it, always on the port of its first start."""

    def __init__(self, start: Callable[[int], Awaitable[Server]], port: int) -> None:
        self._start = start
        self.port = port
        self._server: Server | None = None

    async def open(self) -> int:
        """Start it unless it runs; gives the port."""
        if self._server is None:
            self._server = await self._start(self.port)
            self.port = self._server.port
        return self.port

    async def close(self) -> None:
        """Stop it if it runs."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def follow(self, states: StateKeeper, permission: Permission) -> None:
        """Open and close it with the state until cancelled."""
        changed = asyncio.Event()
        states.watch(changed.set)
        while True:
            changed.clear()
            await (self.open() if states.allows(permission) else self.close())
            await changed.wait()
