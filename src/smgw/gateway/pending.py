"""Work that outlasts the answer to its command: kept in the journal, begun again after a power cut, its end told once.

A command whose work goes on is answered 202 and written down in the transaction that obeys it. How the work ended is queued for the
administrator in the transaction that strikes it out, under the command's id; so a cut anywhere leaves it either to be done or told. Work
that nobody waits for a result of is kept and caught up on the same way.
Source: WAN-08; 20-wan-crypto-pki 1.2, 1.4.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from smgw.codec.command import Command
from smgw.codec.result import RESULTS, Result, encode_result
from smgw.core.errors import LimitFault, PeerFault, SmgwError, Unavailable
from smgw.core.instant import Clock
from smgw.core.notices import ADMINISTRATOR_RESULTS
from smgw.gateway.config import AdministratorConfig
from smgw.storage.journal import Journal, OutboxMessage

STATE = "pending_work"
MOST_PENDING = 50
"""So many commands can be under way at once."""
AGAIN_S = 30.0
"""What the store did not take is tried again so long after, in real seconds."""
_CONTACT = re.compile(r"/smgw/gwa/v1(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,79}){1,4}")


class Pending(NamedTuple):
    """Name what goes on after the answer: a key of the gateway's works, and what it is about."""

    work: str
    subject: str = ""


class Ended(NamedTuple):
    """Say how work ended, as an answer does."""

    status: int = 200
    body: object = None
    code: str = ""


class Errand(msgspec.Struct, frozen=True, array_like=True):
    """Keep one command whose work has not ended."""

    work: str
    subject: str
    administrator: str
    contact: str
    """Path that the result is posted to; empty when nobody waits for one."""
    accepted_at: datetime


End = Callable[[Ended], None]
Work = Callable[[str, End], None]
"""Begins the work on a subject, or goes on with it, and has its end told; a second end of the same command counts for nothing."""


class PendingWork:
    """Know which commands are under way."""

    def __init__(
        self, journal: Journal, clock: Clock, device_id: str, administrator: AdministratorConfig, queued: Callable[[], None] = lambda: None
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._device_id = device_id
        self._administrator = administrator
        self._queued = queued
        self.works: Mapping[str, Work] = {}
        self._left: dict[str, Ended | None] = {}
        """What the store did not take: work to begin, or its end."""
        self._wanted = asyncio.Event()

    def contact(self, uri: str) -> str:
        """Give the path on the administrator's service that a command wants its result at. Raises: PeerFault command.contact.

        It is compared as text with the configured host and port, so that no gateway is sent to anybody else by it.
        """
        where = self._administrator
        path = uri.removeprefix(f"https://{where.host}:{where.service_port}") or RESULTS
        if uri and (not where.service_port or _CONTACT.fullmatch(path) is None):
            raise PeerFault("command.contact", uri[:80])
        return path

    def add(self, command: Command, pending: Pending, by: str, *, tell: bool) -> None:
        """Keep a command as under way; joins an open transaction. Raises: LimitFault command.pending."""
        held = self._held()
        if len(held) >= MOST_PENDING:
            raise LimitFault("command.pending", f"{len(held)}")
        contact = self.contact(command.contact_uri) if tell and self._administrator.service_port else ""
        held[command.message_id] = Errand(pending.work, pending.subject, by, contact, self._clock.now())
        self._store(held)

    def begin(self, command_id: str) -> None:
        """Begin what a command ordered, once it is kept."""
        try:
            errand = self._held().get(command_id)
            if errand is None:
                return
            work = self.works.get(errand.work)
            if work is None:
                # Another version of the program took it.
                self.end(command_id, Ended(500, code="command.interrupted"))
            else:
                work(errand.subject, lambda ended: self.end(command_id, ended))
        except Unavailable:
            self._leave(command_id, None)
        except SmgwError as fault:
            self.end(command_id, Ended(500, code=fault.code))

    def resume(self) -> bool:
        """Begin what a power cut, or a new start, came between; False when the store can't be read for the moment."""
        try:
            for command_id in self._held():
                self.begin(command_id)
        except Unavailable:
            return False
        return True

    def end(self, command_id: str, ended: Ended) -> None:
        """Strike a command out and queue its result, both or nothing; a command that is struck out already is left alone."""
        try:
            with self._journal.transaction():
                held = self._held()
                errand = held.pop(command_id, None)
                if errand is None:
                    return
                self._store(held)
                # A result is for who ordered the work; an administrator who came after has nothing to do with it.
                if errand.contact and errand.administrator == self._administrator.name:
                    self._queue(command_id, errand, ended)
        except Unavailable:
            self._leave(command_id, ended)
        else:
            self._queued()

    async def run(self) -> None:
        """Catch up on what is kept, then try again what the store did not take, until cancelled."""
        resumed = False
        while True:
            resumed = resumed or self.resume()
            if resumed:
                await self._wanted.wait()
            await asyncio.sleep(AGAIN_S)
            self._wanted.clear()
            left, self._left = self._left, {}
            for command_id, ended in left.items():
                if ended is None:
                    self.begin(command_id)
                else:
                    self.end(command_id, ended)

    def _leave(self, command_id: str, ended: Ended | None) -> None:
        self._left[command_id] = ended
        self._wanted.set()

    def _queue(self, command_id: str, errand: Errand, ended: Ended) -> None:
        result = Result(
            message_id=command_id,
            device=self._device_id,
            status=ended.status,
            code=ended.code,
            body=msgspec.Raw(msgspec.json.encode(ended.body)),
            accepted_at=errand.accepted_at,
            ended_at=self._clock.now(),
            contact=errand.contact,
        )
        self._journal.enqueue(OutboxMessage(command_id, ADMINISTRATOR_RESULTS, "", encode_result(result), result.ended_at))

    def _held(self) -> dict[str, Errand]:
        stored = self._journal.get_state(STATE)
        return msgspec.json.decode(stored, type=dict[str, Errand]) if stored is not None else {}

    def _store(self, held: dict[str, Errand]) -> None:
        self._journal.set_state(STATE, msgspec.json.encode(held))
