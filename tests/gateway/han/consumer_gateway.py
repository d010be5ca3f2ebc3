"""A consumer interface to test against: a real journal with made-up readings, a real HTTPS server on a free loopback port."""

import asyncio
import datetime as dt
import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smgw.core.identifiers import DeviceId
from smgw.core.instant import ClockStatus, day_bounds
from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import ConsumerProfile, EvaluationProfile, MeterProfile, Profile, RegisterProfile
from smgw.core.reading import Reading
from smgw.core.register import RegisterValue
from smgw.core.state import State
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.han.journal_data import JournalData
from smgw.gateway.han.ports import GatewayInfo, Led, WanCertificates
from smgw.gateway.han.server import RunningServer, start_consumer_server
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import Tariffs
from smgw.net.clock import SystemClock
from smgw.protocol.digest_auth import CONSUMER_REALM, Algorithm, ha1
from smgw.storage.journal import Journal, StoredLogEntry
from smgw.tariff.rules import Credit

NOW = datetime(2026, 11, 21, 13, 17, 20, tzinfo=UTC)
USER, PASSWORD = "consumer", "Xk2-9fQm-77pL-sooT"
OTHER_USER, OTHER_PASSWORD = "neighbour", "gate-4711-abcd"
CONSUMER, OTHER_CONSUMER = "consumer1.sm", "consumer2.sm"
METER, OTHER_METER = "1ISK0070123456", "0a01454d480000aabbcc"
TAF7, TAF1, OTHER_TAF7 = "taf7-1.sm", "taf1-1.sm", "taf7-2.sm"
TAF10, TAF12 = "taf10-1.sm", "taf12-1.sm"
POWER = Obis(1, 0, 16, 7, 0)
DAYS = (
    dt.date(2026, 3, 28),
    dt.date(2026, 3, 29),
    dt.date(2026, 10, 24),
    dt.date(2026, 10, 25),
    dt.date(2026, 11, 20),
    dt.date(2026, 11, 21),
)
LED_SHOW = (Led("PWR", "on"), Led("TLS", "on"), Led("LMC", "on"), Led("wMT", "off"))
_T = TypeVar("_T")


def consumer(consumer_id: str, user: str, password: str, **more: Any) -> ConsumerProfile:
    """Make a consumer with HA1 of both algorithms."""
    secrets = {
        name: ha1(algorithm, user, CONSUMER_REALM, password)
        for name, algorithm in (("digest_md5", Algorithm.MD5), ("digest_sha256", Algorithm.SHA256))
    }
    return ConsumerProfile(consumer_id=consumer_id, user_name=user, **secrets, **more)


def contract(profile_id: str, consumer_id: str, meter_id: str, **more: Any) -> EvaluationProfile:
    """Make an evaluation profile with usual values."""
    usual: dict[str, Any] = {
        "taf": 7,
        "registers": (str(ACTIVE_ENERGY_IMPORT), str(ACTIVE_ENERGY_EXPORT)),
        "usage_point_name": "TAF7_BEZUG",
        "metering_point_id": "DE00012345678901234567890123456789",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=1),
        "recipients": ("emt1.sm",),
    }
    return EvaluationProfile(profile_id=profile_id, consumer_id=consumer_id, meter_id=meter_id, **(usual | more))


def profiles() -> list[Profile]:
    """Give two households behind one gateway: a house with a solar roof, and its neighbour."""
    registers = (RegisterProfile(str(ACTIVE_ENERGY_IMPORT)), RegisterProfile(str(ACTIVE_ENERGY_EXPORT)), RegisterProfile(str(POWER), 0, 27))
    return [
        MeterProfile(METER, "0a014953", registers, "optical"),
        MeterProfile(OTHER_METER, OTHER_METER, registers[:1], "optical-2"),
        consumer(CONSUMER, USER, PASSWORD, language="de"),
        consumer(OTHER_CONSUMER, OTHER_USER, OTHER_PASSWORD, language="en"),
        contract(TAF7, CONSUMER, METER),
        contract(TAF1, CONSUMER, METER, taf=1, usage_point_name="TAF1_STROM", delivery="billing", registers=(str(ACTIVE_ENERGY_IMPORT),)),
        contract(OTHER_TAF7, OTHER_CONSUMER, OTHER_METER, registers=(str(ACTIVE_ENERGY_IMPORT),), usage_point_name="NEIGHBOUR"),
    ]


def live_contracts() -> list[EvaluationProfile]:
    """Give a contract whose values are not stored, and a prepaid one."""
    since = NOW.replace(minute=0, second=0) - timedelta(hours=7)
    rules = {"recipient": "emt1.sm", "interval_s": 60}
    return [
        contract(TAF10, CONSUMER, METER, taf=10, registers=(str(POWER),), usage_point_name="TAF10_NETZ", rules=rules),
        contract(
            TAF12,
            CONSUMER,
            METER,
            taf=12,
            registers=(str(ACTIVE_ENERGY_IMPORT),),
            usage_point_name="TAF12_PREPAID",
            rules={"warning": 100, "scaler": -1},
            valid_from=since,
            recipients=(),
        ),
    ]


def live_power(profile_id: str) -> tuple[Reading, ...]:
    """Give the newest power, as a running gateway holds it for the contract of TAF 10."""
    if profile_id != TAF10:
        return ()
    moment = NOW - timedelta(seconds=3)
    return (Reading(METER, POWER, 4312, -1, 27, moment, moment, int(GATEWAY_OK), METER_IDENTIFICATION),)


def spend(journal: Journal, recorder: Recorder) -> None:
    """Install the live contracts, if they are not yet, and use up some of a credit of 1 kWh."""
    if journal.profile_document("evaluation", TAF12) is not None:
        return
    for profile in live_contracts():
        journal.put_profile(profile, b"signed " + repr(profile).encode(), NOW - timedelta(days=1))
    numbers = iter(range(1 << 20))
    evaluation = Evaluation(journal, recorder, "EBSI0012345678", lambda count: next(numbers).to_bytes(count, "big"))
    with journal.transaction():
        Tariffs(journal).append(live_contracts()[1], Credit(credit_id="1", at=NOW - timedelta(hours=2), amount=10_000))
        evaluation.run(contract_terms(journal), METER, NOW.replace(minute=15, second=0), NOW)


def quarter_load(index: int, day: dt.date) -> tuple[int, int]:
    """Give import and export of a quarter of an hour in 0.1 Wh: a base load, breakfast, lunch, dinner, sun between clouds."""
    hour = index % 96 / 4
    noise = hashlib.sha256(f"{day} {index}".encode()).digest()
    early = day.day % 2 * 0.75
    use = 280 + noise[0]
    use += 700 + 9 * noise[1] if 6.25 + early <= hour < 8 + early else 0
    use += 1400 if 12 <= hour < 12.75 else 0
    use += 1600 + 7 * noise[2] if 17.5 - early <= hour < 20.75 else 0
    sun = max(0, int((1900 + 9 * noise[3]) * (1 - ((hour - 12.5) / 3.75) ** 2)))
    return max(use - sun, 0), max(sun - use, 0)


def reading(
    meter: str, obis: Obis, raw: int | None, target: datetime, status: int = GATEWAY_OK, *, scaler: int = -1, unit: int = 30
) -> tuple[Reading, bytes]:
    """Make a reading and a stand-in for its signature."""
    item = Reading(meter, obis, raw, scaler, unit, target + timedelta(seconds=2), target, status, METER_IDENTIFICATION)
    return item, hashlib.sha512(repr(item).encode()).digest()


def household_readings(days: Sequence[dt.date], until: datetime = NOW, meter: str = METER) -> list[tuple[Reading, bytes]]:
    """Give the quarter hours of some days, counters running on; on the last day an hour is missing and half an hour has no valid time."""
    items = []
    counters = [123_456_780, 4_567_890]
    for day in days:
        start, end = day_bounds(day)
        index, moment = 0, start
        while moment <= min(end, until):
            missing = day == days[-1] and 12 < index <= 15
            late = day == days[-1] and 20 <= index <= 21
            status = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID if late else GATEWAY_OK
            if not missing and not (moment == end and day + timedelta(days=1) in days):
                items += [
                    reading(meter, code, counters[at], moment, int(status))
                    for at, code in enumerate((ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT))
                ]
            if moment < end:
                counters = [counter + step for counter, step in zip(counters, quarter_load(index, day), strict=True)]
            index, moment = index + 1, moment + timedelta(minutes=15)
    return items


def fill(journal: Journal, days: Sequence[dt.date] = DAYS) -> None:
    """Write both households into a journal."""
    for profile in profiles():
        journal.put_profile(profile, b"signed " + repr(profile).encode(), NOW - timedelta(days=300))
    journal.append_readings(household_readings(days))
    journal.append_readings(
        [
            reading(
                OTHER_METER, ACTIVE_ENERGY_IMPORT, 77_700_000 + step, NOW.replace(minute=0, second=0) - timedelta(minutes=15 * (8 - step))
            )
            for step in range(9)
        ]
    )
    start, end = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
    journal.append_registers([RegisterValue(TAF1, 1, ACTIVE_ENERGY_IMPORT, 123_000_000, -1, 30, start, end, GATEWAY_OK, (1,), end)])
    events = [
        LogEntry(Log.CONSUMER, "contract_changed", NOW - timedelta(days=40), True, TAF7, CONSUMER, {"contract": TAF7, "version": "1"}),
        LogEntry(Log.CONSUMER, "special_functions", NOW - timedelta(days=2), True, "", CONSUMER),
        LogEntry(
            Log.CONSUMER,
            "dispatched",
            NOW - timedelta(hours=14),
            True,
            TAF7,
            CONSUMER,
            {"count": "192", "contract": TAF7, "partner": "emt1.sm", "message": "5f0c27a1"},
        ),
        LogEntry(
            Log.CONSUMER, "acknowledged", NOW - timedelta(hours=14), True, TAF7, CONSUMER, {"partner": "emt1.sm", "message": "5f0c27a1"}
        ),
        LogEntry(Log.CONSUMER, "value_missing", NOW - timedelta(hours=9), False, METER, CONSUMER, {"meter": METER, "target": "03:15"}),
        LogEntry(Log.CONSUMER, "meter_tamper", NOW - timedelta(hours=1), False, OTHER_METER, OTHER_CONSUMER, {"meter": OTHER_METER}),
    ]
    journal.append_log(events)


def self_signed(name: str, curve: ec.EllipticCurve, folder: Path) -> tuple[Path, Path, bytes]:
    """Make a self-signed certificate; returns the paths of certificate and key, and the DER."""
    key = ec.generate_private_key(curve)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return *paths, certificate.public_bytes(serialization.Encoding.DER)


class FixedClock(SystemClock):
    """Show one moment until it is set to another."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """Give the set moment."""
        return self.moment


class Seconds:
    """Measure durations that only the test makes pass."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


def gateway_info(moment: datetime, **more: Any) -> GatewayInfo:
    """Describe a gateway in normal operation."""
    usual: dict[str, Any] = {
        "device_id": DeviceId.parse("EBSI0012345678"),
        "firmware_version": "0.1.0",
        "firmware_hash": hashlib.sha256(b"firmware").hexdigest(),
        "gateway_status": GATEWAY_OK,
        "state": State.NORMAL,
        "time": moment,
        "clock_status": ClockStatus.VALID,
        "leds": LED_SHOW,
        "last_delivery": NOW - timedelta(hours=14),
        "han_certificate": b"not parsed",
        "wan_certificates": (WanCertificates(b"one", b"two"),),
    }
    return GatewayInfo(**(usual | more))


class ConsumerGateway:
    """Hold the parts of the running interface; everything that touches the journal goes through `inside`."""

    def __init__(
        self, folder: Path, *, digest_algorithm: str = "MD5", curve: ec.EllipticCurve | None = None, leds: tuple[Led, ...] = LED_SHOW
    ) -> None:
        self.folder = folder
        self.clock = FixedClock()
        self.seconds = Seconds()
        self.state, self.clock_status, self.leds = State.NORMAL, ClockStatus.VALID, leds
        self.self_tests = 0
        self.certificate, self.key, self.der = self_signed("1EBSI0012345678.SMGW", curve or ec.SECP384R1(), folder)
        self.client_certificate, self.client_key, self.client_der = self_signed("consumer", ec.SECP256R1(), folder)
        self.journal = Journal.open(folder / "journal.db", bytes(32))
        fill(self.journal)
        fingerprint = hashlib.sha256(self.client_der).hexdigest()
        certified = consumer(CONSUMER, USER, PASSWORD, language="de", version=2, certificate_fingerprints=(fingerprint,))
        self.journal.put_profile(certified, b"signed again", NOW)
        self.recorder = Recorder(self.journal, self.clock)
        self.data = JournalData(
            self.journal, self.recorder, clock=self.clock, gateway_info=self.info, start_self_test=self._self_test, current=live_power
        )
        self._algorithm = digest_algorithm
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server: RunningServer = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)

    def info(self) -> GatewayInfo:
        """Describe the gateway."""
        wan = (WanCertificates(self.client_der, self.der),)
        return gateway_info(
            self.clock.now(),
            state=self.state,
            clock_status=self.clock_status,
            leds=self.leds,
            han_certificate=self.der,
            wan_certificates=wan,
        )

    def _self_test(self) -> None:
        self.self_tests += 1
        self.recorder.record("self_test_passed", consumers=[CONSUMER])

    async def _start(self) -> RunningServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(self.client_certificate)
        numbers = iter(range(1 << 30))
        return await start_consumer_server(
            self.data,
            host="127.0.0.1",
            port=0,
            ssl_context=context,
            clock=self.clock,
            random=lambda count: hashlib.shake_256(str(next(numbers)).encode()).digest(count),
            digest_algorithm=self._algorithm,
            seconds=self.seconds,
        )

    @property
    def authority(self) -> str:
        """Give host and port."""
        return f"127.0.0.1:{self.server.port}"

    @property
    def url(self) -> str:
        """Give the address without a path."""
        return f"https://{self.authority}"

    def inside(self, call: Callable[[], _T]) -> _T:
        """Run something in the server's own thread."""

        async def run() -> _T:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def consumer_log(self, consumer_id: str = CONSUMER) -> list[StoredLogEntry]:
        """Read a consumer's log."""
        return self.inside(lambda: self.data.log(consumer_id))

    def events(self, log: Log = Log.SYSTEM, consumer_id: str = "") -> list[str]:
        """List the events of a log."""
        return [item.entry.event for item in self.inside(lambda: self.journal.log(log, consumer_id))]

    def close(self) -> None:
        """Stop the server and its loop."""
        asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result(20)
        self.inside(self.journal.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@contextmanager
def running_gateway(folder: Path, **how: Any) -> Iterator[ConsumerGateway]:
    """Run a consumer interface for the time of a test."""
    gateway = ConsumerGateway(folder, **how)
    try:
        yield gateway
    finally:
        gateway.close()
