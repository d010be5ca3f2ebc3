"""A gateway that measures and delivers while its administrator changes: meter, participant and both administrators, all real."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from tests.gateway.gateway_parts import METER_ID, START, pki
from tests.playbook.life_system import LIMIT_S, Site
from tests.playbook.life_world import DEVICE_ID
from tests.playbook.test_change_of_administrator import NEW, Successor

from smgw.administrator.books import Books
from smgw.administrator.succession import Change, open_infrastructure, pack_infrastructure, profiles_in, read_offer
from smgw.administrator.wakeup import Address as WakeUpAddress
from smgw.codec.delivery_xml import decode_delivery
from smgw.core.identifiers import DeviceId
from smgw.core.instant import utc_text
from smgw.core.profiles import CommunicationProfile
from smgw.core.reading import Reading
from smgw.net.identity import create_keys, install_certificates, load_identity
from smgw.net.links import PtyPort
from smgw.participant.config import ParticipantFolder, provision_participant
from smgw.participant.database import connect
from smgw.participant.service import run_participant
from smgw.participant.store import ParticipantStore
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.pki.triple import ADMINISTRATOR_KEYS, PARTICIPANT_KEYS, CertificateTriple
from smgw.security.content import open_content
from smgw.simulation.household import Household
from smgw.simulation.meters.sml_meter import SmlMeter
from smgw.simulation.provisioning import hex_der

LINK, OLD, QUARTER = "optical", "test.GWA", timedelta(minutes=15)
UNTIL = START + timedelta(hours=2)


class Market(NamedTuple):
    """Hold the participant that gets each quarter-hour's values."""

    folder: ParticipantFolder
    port: int
    triple: CertificateTriple

    def profile(self) -> CommunicationProfile:
        return CommunicationProfile("emt1.sm", "127.0.0.1", self.port, *map(hex_der, self.triple))

    def count(self) -> int:
        with closing(connect(self.folder.store)) as connection:
            return ParticipantStore(connection).totals().readings

    def delivered(self) -> list[Reading]:
        """Open every message that was stored, oldest first."""
        own = load_identity(self.folder.path, PARTICIPANT_KEYS)
        found: list[Reading] = []
        with closing(connect(self.folder.store)) as connection:
            store = ParticipantStore(connection)
            for entry in reversed(store.inbox(1000)):
                message = store.message(entry.number)
                assert message is not None
                opened = open_content(
                    message,
                    module=own.module,
                    recipient=own.recipient,
                    signer=lambda claim: claim.certificate,  # type: ignore[arg-type, return-value]
                )
                found += [signed.reading for signed in decode_delivery(opened.content).readings]
        return found


@asynccontextmanager
async def market(path: Path, life: Site) -> AsyncIterator[Market]:
    """Run a participant beside the administrators, with the same SM-PKI and clock."""
    triple = pki().issue(create_keys(path, PARTICIPANT_KEYS, Role.EMT, "market"), Role.EMT, now=START)
    install_certificates(path, triple, [pki().sub().certificate])
    pki().trust(START).save(path / "trust")
    provision_participant(
        path,
        name="emt1.sm",
        deliveries_port=0,
        api_port=0,
        crl_url=life.folder.load().crl_url,
        gateway_id=DEVICE_ID,
        meters=[METER_ID],
        contracts=["taf7-1.sm"],
    )
    folder, ports, stop = ParticipantFolder(path), asyncio.Queue[dict[str, object]](), asyncio.Event()
    running = asyncio.create_task(run_participant(folder, life.clock, ports.put_nowait, stop))
    try:
        async with asyncio.timeout(60):
            port = int(str((await ports.get())["deliveries_port"]))
        yield Market(folder, port, triple)
    finally:
        stop.set()
        await asyncio.wait((running,), timeout=60)


class Play:
    """Hold everybody, and the meter's end of its line."""

    def __init__(self, life: Site, new: Successor, line: PtyPort, calls: int) -> None:
        self.life = life
        self.new = new
        self.calls = calls
        self._line = line
        self._meter = SmlMeter(DeviceId.parse(METER_ID), Household("prosumer"))
        self.ends: list[datetime] = []
        """Ends of the quarter-hours that passed, for each of which there must be a value."""

    async def feed(self) -> None:
        """Have the meter send once, now."""
        await self.life.until(lambda: self._line.has_reader)
        taken = await self._line.write(self._meter.telegram(self.life.clock.now()))
        self.life.clock.sent(LINK, taken)
        await self.move_to(self.life.clock.now())

    async def move_to(self, moment: datetime) -> None:
        """Move the time, and let everything happen that this causes."""
        await self.life.clock.advance_to(moment, patience_s=60)

    def end(self) -> datetime:
        """Give the end of the present quarter-hour."""
        now = self.life.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        return hour + QUARTER * ((now - hour) // QUARTER + 1)

    async def quarter(self) -> None:
        """Let a quarter-hour pass; the meter sends at its end."""
        end = self.end()
        await self.move_to(end)
        await self.feed()
        self.ends.append(end)

    async def over_the_boundary(self, deed: Callable[[], None], done: Callable[[], bool]) -> None:
        """Have something done in the last second before a quarter-hour ends; the meter sends in the first one after it."""
        end = self.end()
        await self.move_to(end - timedelta(seconds=1))
        deed()
        await self.life.until(done)
        await self.move_to(end + timedelta(seconds=1))
        await self.feed()
        self.ends.append(end)

    def announce(self) -> None:
        """2.3, 2.4, 2.6: N makes its offer; A checks it, and has it handed to the gateway."""
        own, now = load_identity(self.life.folder.path, ADMINISTRATOR_KEYS), self.life.clock.now()
        document = read_offer(self.new.offer(), own, now).document
        books = self.life.books()
        books.successions.begin(Change(DEVICE_ID, "outgoing", NEW, "wanted", document, utc_text(UNTIL), "", ""), now, "operator")
        books.close()

    def expect(self, forget: str = "") -> None:
        """2.2: N enters what A told of the gateway; `forget` names a profile of which A told nothing."""
        own, now = load_identity(self.life.folder.path, ADMINISTRATOR_KEYS), self.life.clock.now()
        books, theirs = self.life.books(), self.new.books()
        sealed = pack_infrastructure(DEVICE_ID, books.inventory, own, self.new.identity.triple.enc, OLD)
        told = open_infrastructure(sealed, self.new.identity, now)
        tls, sig, enc = (load_certificate(told.certificates[use]) for use in ("tls", "sig", "enc"))
        theirs.inventory.add_gateway(DEVICE_ID, tls, sig, enc, now, "operator")
        for profile in profiles_in(told):
            if not forget or forget not in msgspec.json.encode(profile).decode():
                theirs.inventory.put_profile(DEVICE_ID, profile, now, "operator")
        if self.calls:
            theirs.wake_ups.set_address(DEVICE_ID, WakeUpAddress("127.0.0.1", self.calls, on_wake_up=False), now, "operator")
        theirs.successions.begin(Change(DEVICE_ID, "incoming", told.former, "expected", b"", utc_text(UNTIL), "", ""), now, "operator")
        books.close()
        theirs.close()

    def withdraw(self) -> None:
        """Have A change its mind."""
        books = self.life.books()
        books.successions.move(DEVICE_ID, "unwanted", self.life.clock.now(), "operator")
        books.close()

    def old(self) -> str:
        """Give how far the change is in A's books."""
        return _state(self.life.books())

    def incoming(self) -> str:
        """Give how far the change is in N's books."""
        return _state(self.new.books())

    async def obeys(self, side: "Site | Successor", *, waits_s: float = LIMIT_S) -> bool:
        """Tell whether the gateway does what an administrator orders now; what stays undone for so long is not done."""
        books = side.books()
        job = books.jobs.add(DEVICE_ID, "GET", "state", None, at=self.life.clock.now(), actor="operator", random=os.urandom(16))
        try:
            for _ in range(int(waits_s / 0.01)):
                if (state := books.jobs.job(job.id).state) not in ("waiting", "accepted"):
                    return state == "done"
                await asyncio.sleep(0.01)
            return False
        finally:
            books.close()


def _state(books: Books) -> str:
    change = books.successions.change(DEVICE_ID)
    books.close()
    return change.state if change is not None else ""
