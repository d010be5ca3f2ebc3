"""Everything that a second person guards, and the files that changes of the administrator and enrolments begin with."""

from base64 import b64encode
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from tests.administrator.administrator_parts import add_gateway
from tests.codec.firmware_packages import CREATED, maker, package
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, identity

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.books import Books
from smgw.administrator.initial_configuration import Address, make_initial_configuration
from smgw.administrator.orders import kinds_of_job
from smgw.administrator.releases import Certified
from smgw.administrator.succession import Change, pack_infrastructure
from smgw.codec.market_order import MarketOrder
from smgw.core.identifiers import DeviceId
from smgw.core.instant import utc_text
from smgw.net.identity import Identity
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS, GATEWAY_KEYS
from smgw.security.tls import pem_bundle

ORDER = "00000000-0000-4000-8000-000000000001"
LEAVING, LEFT, NEW = "ESGW0000000031", "ESGW0000000032", "ESGW0000000077"
"""A gateway whose change waits to be announced, one whose change was announced, and one that is to be enrolled."""
UNTIL = utc_text(START + timedelta(days=2))

_GUARDED = {
    "gateway": "SELECT * FROM gateway",
    "profile": "SELECT * FROM profile",
    "removed_profile": "SELECT * FROM removed_profile",
    "exchange": "SELECT * FROM exchange",
    "campaign": "SELECT id, version, plan FROM campaign",
    "succession": "SELECT * FROM succession WHERE state NOT IN ('announced', 'handed_over')",
    "wake_up_address": "SELECT * FROM wake_up_address",
    "market_order": "SELECT order_id, job FROM market_order",
}
"""What no single person may change while everything is under four eyes; to pause or end a campaign one suffices."""


def guarded(books: Books) -> dict[str, Any]:
    """Give everything that needs a second person as it stands."""
    found: dict[str, Any] = {name: sorted(map(repr, books.store.rows(query))) for name, query in _GUARDED.items()}
    jobs = [job for device in books.inventory.gateways() for job in books.jobs.of(device, 1_000)]
    found["job"] = sorted(job.id for job in jobs if any(kinds_of_job(job)))  # type: ignore[arg-type]
    return found


def other_administrator() -> Identity:
    """Give another administrator of the same PKI."""
    return identity(Role.GWA, "other", ADMINISTRATOR_KEYS)


def offer(device_id: str = GATEWAY_ID, now: datetime = START) -> str:
    """Give the other administrator's offer for a gateway, Base64."""
    other = other_administrator()
    place = Address("127.0.0.1", 15_101, 15_102)
    return b64encode(make_initial_configuration(other, other.triple.sig, place, DeviceId.parse(device_id), now)).decode()


def infrastructure(books: Books) -> str:
    """Give what the other administrator tells of a gateway, Base64."""
    ours = administrator_identity().triple.enc
    return b64encode(pack_infrastructure(GATEWAY_ID, books.inventory, other_administrator(), ours, "other.GWA")).decode()


def seal() -> str:
    """Give the seal certificates of a new gateway (PEM)."""
    return pem_bundle(list(identity(Role.SMGW, NEW, GATEWAY_KEYS).triple)).decode()


def prepare(desk: Desk) -> None:
    """Give the desk something that each request can be about."""
    books = desk.books
    for device, states in ((LEAVING, ["wanted"]), (LEFT, ["wanted", "announced"])):
        add_gateway(books.inventory, device)
        books.successions.begin(Change(device, "outgoing", "other.GWA", "wanted", b"", UNTIL, "", ""), START, "test")
        for state in states[1:]:
            books.successions.move(device, state, START, "test")  # type: ignore[arg-type]
    books.releases.makers.write_bytes(maker().root.public_bytes(Encoding.PEM))
    release = books.releases.upload(package(), CREATED, "test")
    books.releases.certify([Certified(release.manifest_sha256, "BSI-DSZ-CC-0001-2026")], CREATED, "test")
    wanted = MarketOrder(ORDER, GATEWAY_ID, "connect")
    books.market_orders.accept(wanted, "", "emt1.sm", "supplier.EMT", at=START, random=bytes([9]) * 16, held=True)
    books.jobs.add(GATEWAY_ID, "GET", "state", None, at=START, actor="test", random=bytes([8]) * 16)
