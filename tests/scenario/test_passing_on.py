"""Messages that somebody else passes on, and notices: over real connections, between real stores.

gateway ──sealed for emt1──▶ administrator ──signed anew──▶ emt1      (pseudonymous)
gateway ──sealed for emt1──▶ grid          ──as it is─────▶ emt1      (open)
gateway ──notice────────────▶ administrator, emt1
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.participant.participant_parts import (
    CONTRACT,
    GATEWAY,
    METER,
    NAME,
    NOW,
    Market,
    administrator,
    delivery,
    gateway,
    identity_folder,
    participant_folder,
    participant_triple,
    pki,
    reading,
    running,
)

from smgw.administrator.books import Books, open_books
from smgw.administrator.service_point import ServicePoint
from smgw.codec.delivery_xml import encode_delivery
from smgw.core.delivery import Delivery
from smgw.core.log_event import Log
from smgw.core.notices import ADMINISTRATOR, Notice
from smgw.core.profiles import CommunicationProfile, ConsumerProfile, EvaluationProfile, MeterProfile, RegisterProfile
from smgw.core.reading import SignedReading
from smgw.gateway.delivery import Pump, Sender
from smgw.gateway.logs import Recorder
from smgw.gateway.notices import Notifier
from smgw.net.clock import ManualClock
from smgw.net.identity import Identity, load_identity
from smgw.net.smpki_tls import listen
from smgw.participant.config import ParticipantFolder, PassedOn
from smgw.participant.database import connect
from smgw.participant.notices import NoticeStore
from smgw.participant.registry import Registry
from smgw.participant.store import ParticipantStore
from smgw.pki.names import Role
from smgw.pki.triple import PARTICIPANT_KEYS, CertificateTriple
from smgw.simulation.provisioning import hex_der
from smgw.storage.journal import Journal, OutboxMessage

PSEUDONYM = "00c0ffee00d1ce"
CONSUMER = "consumer1.sm"


def grid() -> Identity:
    """Give the identity of a second participant."""
    folder = identity_folder(Role.EMT, "grid", PARTICIPANT_KEYS)
    pki().trust(NOW).save(folder / "trust")
    return load_identity(folder, PARTICIPANT_KEYS)


def partner(partner_id: str, port: int, triple: CertificateTriple, /, **changes: object) -> CommunicationProfile:
    tls, sig, enc = map(hex_der, triple)
    return msgspec.structs.replace(CommunicationProfile(partner_id, "127.0.0.1", port, tls, sig, enc), **changes)


class Sending:
    """Hold a gateway's journal and pump."""

    def __init__(self, journal: Journal, service: CommunicationProfile | None, own: Identity | None = None) -> None:
        self.journal = journal
        self.clock = ManualClock(NOW)
        self.recorder = Recorder(journal, self.clock)
        own = own or gateway()
        sender = Sender(own.module, own.tls, own.signer, own.trust, journal, self.recorder, self.clock, service)
        self.pump = Pump(sender)
        serial = iter(range(1, 1000))
        notifier = Notifier(
            journal, GATEWAY, lambda n: next(serial).to_bytes(n, "big"), administrator=service is not None, queued=self.pump.wake.set
        )
        self.recorder.tell_by(notifier.tell)
        meter = MeterProfile(METER, "0a0153475700", (RegisterProfile("1-0:1.8.0*255"),), "link")
        contract = EvaluationProfile(CONTRACT, 7, METER, ("1-0:1.8.0*255",), CONSUMER, "u", "DE0001", NOW, recipients=(NAME,))
        for profile in (meter, ConsumerProfile(CONSUMER, "consumer", "0" * 32, "0" * 64), contract):
            journal.put_profile(profile, b"", NOW)

    def queue(self, whole: Delivery) -> None:
        self.journal.enqueue(OutboxMessage(whole.message_id, NAME, CONTRACT, encode_delivery(whole), NOW))

    def events(self, log: Log) -> list[str]:
        return [stored.entry.event for stored in self.journal.log(log, CONSUMER if log is Log.CONSUMER else "")]


@contextmanager
def sending(path: Path, service: CommunicationProfile | None = None, own: Identity | None = None) -> Iterator[Sending]:
    with Journal.open(path / "journal.db", bytes(32)) as journal:
        yield Sending(journal, service, own)


@asynccontextmanager
async def service_point(path: Path, profile: CommunicationProfile) -> AsyncIterator[tuple[Books, CommunicationProfile]]:
    """Run the administrator's end point; gives its books, and how the gateway reaches it."""
    own, clock = administrator(), ManualClock(NOW)
    books = open_books(path / "inventory.db")
    triple = gateway().triple
    books.inventory.add_gateway(GATEWAY, triple.tls, triple.sig, triple.enc, NOW, "test")
    books.inventory.put_profile(GATEWAY, profile, NOW, "test")
    point = ServicePoint(own, books, clock)
    facts = {"module": own.module, "identity": own.tls, "trust": own.trust, "clock": clock, "roles": frozenset({Role.SMGW})}
    server = await listen(point.serve, "127.0.0.1", 0, **facts)  # type: ignore[arg-type]
    try:
        port = int(server.sockets[0].getsockname()[1])
        yield books, partner(ADMINISTRATOR, port, own.triple)
    finally:
        server.close()
        books.close()


def recipient(path: Path, **changes: object) -> ParticipantFolder:
    """Make the participant that the pseudonym and the contract are assigned at."""
    folder = participant_folder(path)
    folder.save(msgspec.structs.replace(folder.load(), **changes))
    connection = connect(folder.store)
    Registry(connection).register(PSEUDONYM, [PSEUDONYM], [CONTRACT])
    connection.close()
    return folder


def pseudonymous(number: int = 1) -> Delivery:
    start = delivery().period_start
    values = tuple(SignedReading(reading(start, 230 + n, meter_id=PSEUDONYM), b"", n) for n in range(1))
    return delivery(values, number, sender=PSEUDONYM, meter_id=PSEUDONYM, metering_point_id=PSEUDONYM)


def of(market: Market, **changes: object) -> CommunicationProfile:
    return partner(NAME, market.deliveries_port, CertificateTriple(*participant_triple()), **changes)


def everything_kept(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.glob("inventory.db*"))


def stored(folder: ParticipantFolder) -> list[tuple[str, str, bytes]]:
    connection = connect(folder.store)
    store = ParticipantStore(connection)
    found = [(entry.sender, entry.signer, store.message(entry.number) or b"") for entry in store.inbox(10)]
    connection.close()
    return found


@pytest.mark.req("WAN-06", "ADM-08", "ADM-11")
@pytest.mark.step("2.3.2.4", event="dispatched_pseudonymous")
async def test_under_a_pseudonym_neither_relay_nor_recipient_learns_what_the_other_knows(tmp_path: Path) -> None:
    folder = recipient(tmp_path / "emt", relays=("test.GWA",))
    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(running(folder))
        profile = of(market, through=ADMINISTRATOR)
        books, service = await stack.enter_async_context(service_point(tmp_path, profile))
        own = stack.enter_context(sending(tmp_path, service))
        own.journal.put_profile(profile, b"", NOW)
        own.queue(pseudonymous())
        assert await own.pump.flush()
        assert own.journal.delivery_counts() == (1, 1)
        assert own.events(Log.CONSUMER) == ["dispatched_pseudonymous", "acknowledged"]
        books.store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    ((sender, signer, evidence),) = stored(folder)
    assert (sender, signer) == (PSEUDONYM, "test.GWA")
    assert GATEWAY.encode() not in evidence
    kept = everything_kept(tmp_path)
    assert PSEUDONYM.encode() not in kept
    assert all(evidence[at : at + 32] not in kept for at in range(0, len(evidence) - 1000, 101))


@pytest.mark.req("WAN-06")
@pytest.mark.step("2.3.3.2", event="dispatched_through")
async def test_passed_on_openly_a_message_keeps_the_gateway_s_signature(tmp_path: Path) -> None:
    folder = recipient(tmp_path / "emt", relays=("grid.EMT",))
    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(running(folder))
        relay = participant_folder(tmp_path / "grid")
        for file in identity_folder(Role.EMT, "grid", PARTICIPANT_KEYS).iterdir():
            if file.is_file():
                (relay.path / file.name).write_bytes(file.read_bytes())
        grid()
        target = PassedOn(NAME, "127.0.0.1", market.deliveries_port, hex_der(participant_triple()[0]))
        relay.save(msgspec.structs.replace(relay.load(), name="grid1.sm", passes_on=(target,)))
        second = await stack.enter_async_context(running(relay))
        own = stack.enter_context(sending(tmp_path))
        for profile in (partner("grid1.sm", second.deliveries_port, grid().triple), of(market, through="grid1.sm")):
            own.journal.put_profile(profile, b"", NOW)
        own.queue(delivery())
        assert await own.pump.flush()
        assert own.journal.delivery_counts() == (1, 1)
        assert own.events(Log.CONSUMER) == ["dispatched_through", "acknowledged"]
        assert stored(relay) == []
    ((sender, signer, _),) = stored(folder)
    assert (sender, signer) == (GATEWAY, f"{GATEWAY}.SMGW")


@pytest.mark.req("WAN-02", "WAN-06")
@pytest.mark.parametrize(
    ("changes", "relays", "refused"),
    [
        ({"through": ""}, ("test.GWA",), "delivery.sender"),
        ({"through": ADMINISTRATOR}, ("other.GWA",), "delivery.relay"),
        ({"through": ADMINISTRATOR, "partner_id": "emt2.sm"}, ("test.GWA",), ""),
    ],
    ids=["a gateway itself under a pseudonym", "a relay that may not", "a partner that the administrator does not know"],
)
async def test_what_may_not_be_passed_on_stays_queued(
    tmp_path: Path, changes: dict[str, object], relays: tuple[str, ...], refused: str
) -> None:
    folder = recipient(tmp_path / "emt", relays=relays)
    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(running(folder))
        _, service = await stack.enter_async_context(service_point(tmp_path, of(market, **changes)))
        own = stack.enter_context(sending(tmp_path, service))
        own.journal.put_profile(of(market, **changes | {"partner_id": NAME}), b"", NOW)
        own.queue(pseudonymous())
        assert not await own.pump.flush()
        assert [message.last_code for message in own.journal.pending(5)] == ["http.refused"]
    connection = connect(folder.store)
    assert [refusal.code for refusal in ParticipantStore(connection).refusals(5)] == ([refused] if refused else [])
    connection.close()
    assert stored(folder) == []


@pytest.mark.req("WAN-07", "ADM-06", "LMN-06")
@pytest.mark.step("2.4.1", event="notice_sent")
async def test_a_disturbance_is_told_to_the_administrator_and_to_the_partner_it_concerns_once(tmp_path: Path) -> None:
    folder = recipient(tmp_path / "emt")
    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(running(folder))
        profile = of(market, notices=("meter_lost", "clock_invalid"))
        books, service = await stack.enter_async_context(service_point(tmp_path, profile))
        own = stack.enter_context(sending(tmp_path, service))
        own.journal.put_profile(profile, b"", NOW)
        own.recorder.note("meter_lost", success=False, meter=METER, since="")
        own.recorder.note("meter_lost", success=False, meter="1SGW0010000099", since="")
        own.recorder.note("login_failed", subject="x", user="x", address="x")
        assert await own.pump.flush()
        assert own.journal.delivery_counts() == (3, 3)
        assert own.events(Log.SYSTEM).count("notice_sent") == 3
        alarms = books.alarms.newest()
        assert [(alarm.event, alarm.parameters["meter"], alarm.device_id) for alarm in alarms] == [
            ("meter_lost", "1SGW0010000099", GATEWAY),
            ("meter_lost", METER, GATEWAY),
        ]
        again, is_new = books.alarms.accept(_notice_of(alarms[1].message_id), NOW)
        assert (again.id, is_new) == (alarms[1].id, False)
    connection = connect(folder.store)
    assert [(told["event"], told["gateway_id"], told["parameters"]) for told in NoticeStore(connection).newest(10)] == [
        ("meter_lost", GATEWAY, {"meter": METER, "since": ""})
    ]
    connection.close()


def _notice_of(message_id: str) -> Notice:
    return Notice(message_id, GATEWAY, "meter_lost", 1802, "ERROR", NOW, "", False, {})
