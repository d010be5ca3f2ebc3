"""The administrator's end of the management channel: bring a gateway to the profiles it shall hold.

The gateway dialled in, so HTTP runs the other way round: the administrator asks. Each command is sealed for the gateway and each answer
opened with the certificates that the inventory holds for it. Source: WAN-08, ADM-02, ADM-11.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
import structlog

from smgw.administrator import lookout
from smgw.administrator.books import Books
from smgw.administrator.caller import Caller
from smgw.administrator.cosem import exchange, is_cosem, note_obeyed
from smgw.administrator.inventory import Gateway, Inventory
from smgw.administrator.lookout import Lookout
from smgw.administrator.personalisation import KeyOffice, exchange_keys
from smgw.administrator.succession import Change
from smgw.administrator.succession_talk import announce, take_in, withdraw
from smgw.codec.command import Answer, Command, decode_answer, encode_command
from smgw.core.errors import CertificateRejected, DecodeFault, PeerFault, SecurityFault, SmgwError
from smgw.core.profiles import PROFILE_KINDS, profile_key
from smgw.net.clock import ClockPort
from smgw.net.http_exchange import HttpClient, Streams
from smgw.pki.chain import ValidatedCertificate
from smgw.security.content import Credential, open_content, seal
from smgw.security.module import SecurityModule

log = structlog.get_logger(__name__)

PREFIX = "/smgw/gwa/v1"
ACCEPTED = 202
"""Status of an answer whose result follows over the service point."""
OBSERVE_LOOKS = 30
"""A gateway's state is fetched every so many looks, see `lookout.LOOK_S`."""
OBSERVED_A_LOOK = 3
"""In a large fleet the states of so many gateways are fetched in the time of a look."""
HANG_UP_S = 10.0
"""So long a gateway has to close its channel after an exchange of keys."""
ACTOR = "administrator"

_T = TypeVar("_T")


class Office(NamedTuple):
    """Hold what the management channel needs."""

    name: str
    module: SecurityModule
    signer: Credential
    recipient: Credential
    books: Books
    clock: ClockPort
    lookout: Lookout
    keys: KeyOffice | None = None
    """Without it no keys are exchanged."""
    caller: Caller | None = None
    """Calls the gateways that open their channel only on wake-up."""


class GatewaySession:
    """Speak to one gateway over its channel."""

    def __init__(self, office: Office, gateway: Gateway, channel: Streams) -> None:
        self._office = office
        self._gateway = gateway
        self._client = HttpClient(channel, f"{gateway.device_id.lower()}.sm")
        self.begun = True
        """Whether the gateway takes profiles: time and self-test come first in its life."""

    def has_begun(self) -> bool:
        """Tell whether the gateway took what was sent last."""
        return self.begun

    async def command(self, method: str, resource: str, body: object = None, command_id: str = "", contact: str = "") -> Answer:
        """Send one command and give its verified answer; the same `command_id` is obeyed once, and answered the same again.

        Work that takes longer has its result told at `contact`, an address or path of our own service point.
        Raises: SecurityFault for an answer that this gateway did not sign, PeerFault http.refused, Unavailable.
        """
        office = self._office
        command = Command(
            message_id=command_id or str(UUID(bytes=office.module.random(16), version=4)),
            created_at=office.clock.now(),
            recipient=self._gateway.device_id,
            method=method,  # type: ignore[arg-type]
            resource=resource if is_cosem(resource) else f"{PREFIX}/{resource}",
            body=msgspec.Raw(msgspec.json.encode(body)),
            contact_uri=contact,
        )
        document = seal(encode_command(command), module=office.module, signer=office.signer, recipient=self._gateway.enc)
        if is_cosem(resource):
            response = await exchange(self._client, command, document)
        else:
            headers = {"Content-Type": "application/cms", "x-CID": f"uuid:{command.message_id}"} | (
                {"x-ContactURI": contact} if contact else {}
            )
            response = await self._client.request("POST", f"{PREFIX}/commands", headers, document)
            if response.status != 200:
                raise PeerFault("http.refused", f"status {response.status}")
        opened = open_content(response.body, module=office.module, recipient=office.recipient, signer=lambda _claim: self._gateway.sig)
        answer = decode_answer(opened.content)
        if answer.message_id != command.message_id or answer.sender != self._gateway.device_id:
            raise PeerFault("command.recipient", "answer to another command")
        if is_cosem(resource) and answer.status != response.status:
            raise PeerFault("command.mismatch", f"{response.status} for {answer.status}")
        return answer

    async def reconcile(self) -> int:
        """Install every profile that the gateway does not hold in its newest version; returns how many were sent."""
        office, device_id = self._office, self._gateway.device_id
        held: dict[str, dict[str, int]] = {}
        for kind in PROFILE_KINDS:
            held[kind] = _read(await self.command("GET", f"rts/{kind}"), dict[str, int])
        sent = 0
        for kind, profile in office.books.inventory.profiles(device_id):
            if held[kind].get(profile_key(profile), 0) >= profile.version:
                continue
            answer = await self.command("PUT", f"rts/{kind}/{profile_key(profile)}", profile)
            if answer.code in ("lifecycle.phase", "lifecycle.order"):
                # It comes again: the gateway's life has not come so far yet.
                self.begun = False
                break
            result = "done" if answer.status < 300 else answer.code
            office.books.refusals.note(device_id, profile, "" if answer.status < 300 else answer.code, office.clock.now())
            office.books.audit.note(office.clock.now(), ACTOR, f"install {kind} profile", f"{device_id}/{profile_key(profile)}", result)
            log.info("profile_sent", gateway=device_id, kind=kind, profile=profile_key(profile), result=result)
            sent += 1
        return sent

    async def work_off(self) -> int:
        """Send what waits for this gateway, oldest first; returns how many jobs were answered.

        Raises: as `command`; a job that is refused so three times has failed, so that no job holds up the others for ever.
        """
        office, ended = self._office, 0
        for job in office.books.jobs.waiting(self._gateway.device_id):
            try:
                answer = await self.command(job.method, job.resource, job.body, job.command_id)
            except PeerFault as fault:
                failed = office.books.jobs.refuse(job, fault.code, office.clock.now())
                log.warning("job_refused", gateway=job.device_id, job=job.id, resource=job.resource, code=fault.code, failed=failed)
                raise
            if answer.status == ACCEPTED:
                office.books.jobs.accept(job, answer, office.clock.now())
            else:
                with office.books.store.write():
                    if is_cosem(job.resource):
                        note_obeyed(office.books.inventory, office.books.jobs, job, answer, office.clock.now())
                    office.books.jobs.end(job, answer, office.clock.now())
            log.info("job_answered", gateway=job.device_id, job=job.id, resource=job.resource, status=answer.status, code=answer.code)
            ended += 1
        return ended

    async def observe(self) -> None:
        """Fetch state and facts for the fleet list."""
        answer = await self.command("GET", "state")
        facts = _read(answer, dict[str, object])
        self._office.books.inventory.note_contact(
            self._gateway.device_id, self._office.clock.now(), str(facts.get("state", "unknown")), bytes(answer.body)
        )
        self.begun = facts.get("begun", True) is True


def _read(answer: Answer, kind: type[_T]) -> _T:
    """Read the body of a good answer. Raises: PeerFault http.refused, DecodeFault command.structure."""
    if answer.status != 200:
        raise PeerFault("http.refused", f"{answer.status} {answer.code}")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.structure", "body of an answer") from problem


def known_gateway(inventory: Inventory, peer: ValidatedCertificate) -> Gateway:
    """Find the gateway that a connected peer is.

    Raises: SecurityFault administrator.unknown_gateway; CertificateRejected pki.not_pinned for another certificate than the one on file.
    """
    gateway = inventory.gateway(str(peer.device_id))
    if gateway is None:
        raise SecurityFault("administrator.unknown_gateway", str(peer.device_id))
    if gateway.tls != peer.certificate:
        raise CertificateRejected("pki.not_pinned", str(peer.device_id))
    return gateway


async def serve_gateway(
    office: Office, peer: ValidatedCertificate, channel: Streams, stop: asyncio.Event, require_standing: Callable[[], None]
) -> None:
    """Hold a gateway's channel: reconcile, observe, and look again for work until either side closes.

    `require_standing` raises once the gateway's certificate no longer counts; it is asked before each round of commands.
    """
    device_id = str(peer.device_id)
    seen, tries = (-1, -1), 0
    try:
        is_new = office.keys is not None and office.keys.exchanges.settle(device_id, peer.certificate, office.clock.now(), ACTOR)
        gateway = known_gateway(office.books.inventory, peer)
        session = GatewaySession(office, gateway, channel)
        session.begun = not is_new
        log.info("gateway_connected", gateway=device_id)
        with office.books.inventory.connected(device_id), office.lookout.watching(device_id) as news:
            due = _now_s()
            if office.caller is not None:
                office.caller.service.answered(device_id)
            while not stop.is_set():
                news.clear()
                if office.keys is not None and (exchange := office.keys.exchanges.under_way(device_id)) is not None:
                    require_standing()
                    with office.clock.hold():
                        await exchange_keys(session, office.keys, exchange, gateway.sig, office.clock.now())
                    await _hung_up(channel)
                    return
                if (change := office.books.successions.change(device_id)) is not None:
                    require_standing()
                    with office.clock.hold():
                        if not await _follow(office, session, change):
                            return
                revision = noted = _revision(office, device_id)
                if revision != seen or _now_s() >= due:
                    require_standing()
                    with office.clock.hold():
                        if not session.begun:
                            await session.observe()
                        if not session.begun:
                            revision = seen
                        elif revision != seen:
                            await session.reconcile()
                            revision = revision if session.has_begun() else seen
                            await session.work_off()
                        await session.observe()
                        if await _let_go(office, session, device_id, revision):
                            break
                    tries = 0 if revision == noted else tries + 1
                    seen, due = revision, _now_s() + (tries * lookout.LOOK_S or _observe_s(office))
                await _first_of(news, stop, due - _now_s())
    except SecurityFault as fault:
        log.warning("gateway_refused", gateway=device_id, code=fault.code)
    except SmgwError as fault:
        log.info("gateway_disconnected", gateway=device_id, code=fault.code)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _observe_s(office: Office) -> float:
    """Give the time until a gateway's state is fetched again, differing by a fifth so that a fleet that began together spreads."""
    looks = max(OBSERVE_LOOKS, office.books.inventory.channels() // OBSERVED_A_LOOK)
    return looks * lookout.LOOK_S * (0.9 + office.module.random(1)[0] / 1275)


async def _first_of(news: asyncio.Event, stop: asyncio.Event, limit_s: float) -> None:
    """Wait until there is news, the end, or a time is over."""
    waits = [asyncio.create_task(event.wait()) for event in (news, stop)]
    try:
        await asyncio.wait(waits, timeout=max(limit_s, 0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _hung_up(channel: Streams) -> None:
    """Wait until the gateway has closed its channel, as it does before it calls with new keys."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(HANG_UP_S):
            await channel.reader.read(1)


async def _follow(office: Office, session: GatewaySession, change: Change) -> bool:
    """Lead a change of the administrator on; tells whether the gateway is ours to administer."""
    books, now = office.books, office.clock.now()
    if change.side == "outgoing":
        if change.state == "wanted":
            await announce(session, change, books.successions, office.keys, now)
        elif change.state == "unwanted":
            await withdraw(session, change, books.successions, now)
        return True
    if change.state in ("expected", "checked"):
        return await take_in(session, change, books.successions, books.inventory, now)
    return change.state == "taken"


def _revision(office: Office, device_id: str) -> tuple[int, int]:
    return office.books.inventory.revision(device_id), office.books.jobs.revision(device_id)


async def _let_go(office: Office, session: GatewaySession, device_id: str, revision: tuple[int, int]) -> bool:
    """Break up with a gateway that comes when called, unless something new waits for it already."""
    if office.caller is None or revision != _revision(office, device_id):
        return False
    office.caller.done(device_id)
    if not office.caller.may_go(device_id):
        return False
    await session.command("POST", "fas/break-up")
    return True
