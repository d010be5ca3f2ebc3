"""What a new gateway must bring before it is taken into the inventory: seal certificates of our SM-PKI, and a device id that is free.

A gateway at work is known by its operational certificates: were they exchanged for seal certificates by mistake, it could call no more.
Source: ADM-01, LIFE-08, PKI-02.
"""

from datetime import datetime

from smgw.administrator.exchanges import PERSONALISATION, Exchanges
from smgw.administrator.inventory import Inventory
from smgw.core.errors import DomainFault
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role
from smgw.pki.triple import CertificateTriple
from smgw.pki.trust import TrustStore

_USES = (CertificateUse.TLS_CLIENT, CertificateUse.SIG, CertificateUse.ENC)


def check_seal(triple: CertificateTriple, trust: TrustStore, now: datetime) -> None:
    """Check the path of each seal certificate; whether one was revoked is asked when the gateway calls.

    Raises: CertificateRejected with the reason as code.
    """
    for use, certificate in zip(_USES, triple, strict=True):
        trust.validate(certificate, now=now, use=use, roles=frozenset({Role.SMGW}), pinned=certificate)


def require_new(inventory: Inventory, exchanges: Exchanges, device_id: str) -> None:
    """Demand that a gateway isn't ours already; while it waits for its personalisation its seal may be corrected.

    Raises: DomainFault administrator.known_gateway.
    """
    exchange = exchanges.under_way(device_id)
    waits = exchange is not None and exchange.reason == PERSONALISATION and not exchange.certificates
    if not waits and inventory.gateway(device_id) is not None:
        raise DomainFault("administrator.known_gateway", device_id)
