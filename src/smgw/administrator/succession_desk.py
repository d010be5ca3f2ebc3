"""What people do about a change of the administrator, at the machine and over the interface alike: files go out and come in, verified.

Source: ADM-12, ADM-13; TR-03109-1 Annex VI, table 5.
"""

from datetime import datetime
from typing import NamedTuple

from smgw.administrator.books import Books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.initial_configuration import Address, load_authentication, make_initial_configuration
from smgw.administrator.orders import IntakeOrder, SuccessionOrder
from smgw.administrator.succession import Offer, open_infrastructure, pack_infrastructure, profiles_in, read_offer, require_deadline
from smgw.administrator.wakeup import Address as WakeUpAddress
from smgw.core.errors import ConfigError, DomainFault, PeerFault
from smgw.core.identifiers import DeviceId
from smgw.net.identity import Identity
from smgw.pki.parsing import load_certificate


class Party(NamedTuple):
    """Hold what an administrator takes part in a change with."""

    folder: AdministratorFolder
    config: AdministratorConfig
    identity: Identity
    now: datetime

    def offer(self, device_id: str, host: str = "") -> bytes:
        """Make the signed offer for one gateway, which the old administrator announces to it; also a new gateway's first file.

        Raises: ConfigError administrator.config, administrator.authentication; PeerFault value.device_id.
        """
        config = self.config
        if not (config.management_port and config.time_port):
            raise ConfigError("administrator.config", "management_port and time_port: gateways need fixed ones")
        address = Address(host or config.host, config.management_port, config.time_port, config.service_port)
        authentication = load_authentication(self.folder.path).certificate
        return make_initial_configuration(self.identity, authentication, address, DeviceId.parse(device_id), self.now)

    def read(self, document: bytes, device_id: str) -> Offer:
        """Verify another administrator's offer for one gateway. Raises: DomainFault succession.none, succession.same; as `read_offer`."""
        found = read_offer(document, self.identity, self.now)
        if found.content.device_id != device_id:
            raise DomainFault("succession.none", f"the offer is for {found.content.device_id}")
        if found.content.administrator == self.identity.triple.common_name:
            raise DomainFault("succession.same", found.content.administrator)
        return found

    def tell(self, books: Books, document: bytes, device_id: str, actor: str) -> bytes:
        """Seal what the gateway is and holds for the administrator that made the offer, and note it."""
        found = self.read(document, device_id)
        recipient = load_certificate(found.content.enc_certificate)
        told = pack_infrastructure(device_id, books.inventory, self.identity, recipient, self.identity.triple.common_name)
        books.audit.note(self.now, actor, "tell of infrastructure", f"{device_id}/{found.content.administrator}", "done")
        return told

    def handover(self, books: Books, document: bytes, device_id: str, until: str) -> SuccessionOrder:
        """Check an offer and the time, for the announcement. Raises: DomainFault administrator.unknown_gateway, succession.until."""
        if books.inventory.gateway(device_id) is None:
            raise DomainFault("administrator.unknown_gateway", device_id[:40])
        found = self.read(document, device_id)
        return SuccessionOrder(device_id, found.content.administrator, found.document, require_deadline(until, self.now))

    def intake(self, document: bytes, until: str, wake_up: WakeUpAddress | None) -> IntakeOrder:
        """Open what the old administrator told of a gateway, and check it whole. Raises: as `open_infrastructure`, `profiles_in`."""
        told = open_infrastructure(document, self.identity, self.now)
        profiles_in(told)
        for certificate in told.certificates.values():
            load_certificate(certificate)
        if set(told.certificates) != {"tls", "sig", "enc"}:
            raise PeerFault("succession.structure", "certificates")
        return IntakeOrder(told.device_id, told.former, require_deadline(until, self.now), told.certificates, told.profiles, wake_up)


def summary_of(order: SuccessionOrder | IntakeOrder) -> str:
    """Put a change in words, for whoever approves it."""
    if isinstance(order, SuccessionOrder):
        return f"announce {order.other} as the new administrator"
    return f"expect the gateway from {order.other}"
