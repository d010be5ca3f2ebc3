"""The way of a message: whose end point takes it, and under which address there.

A message is always encrypted for its recipient. It goes to the recipient's own end point, or to another participant's or the
administrator's, who passes it on unread: openly with the gateway's signature, or under a pseudonym without it.
Source: WAN-02, WAN-06, WAN-07; TR-03109-1 Annex VI, table 2 steps 2.1, 3.2, 3.3; 20-wan-crypto-pki 3.5.
"""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.delivery import Delivery
from smgw.core.errors import Unavailable
from smgw.core.notices import ADMINISTRATOR
from smgw.core.profiles import CommunicationProfile, Profile
from smgw.gateway.config import AdministratorConfig
from smgw.pki.names import Role
from smgw.storage.journal import OutboxMessage

DELIVERIES = "/smgw/emt/v1/deliveries"
NOTICES = {Role.EMT: "/smgw/emt/v1/notices", Role.GWA: "/smgw/gwa/v1/notices"}
RELAY = "/smgw/relay/v1"


class Way(NamedTuple):
    """Say where a message goes first."""

    hop: CommunicationProfile
    """Whose end point is dialled."""
    role: Role
    target: str
    event: str
    """Event of the log catalogue that tells of the dispatch."""
    relayed: bool
    delivery: Delivery | None
    """What the message holds; None for a notice."""


def service_of(administrator: AdministratorConfig) -> CommunicationProfile | None:
    """Describe the administrator's end point for what the gateway sends by itself; None where it has none."""
    if not administrator.service_port:
        return None
    return CommunicationProfile(
        partner_id=ADMINISTRATOR,
        host=administrator.host,
        port=administrator.service_port,
        tls_certificate=administrator.tls_certificate,
        sig_certificate=administrator.sig_certificate,
        enc_certificate=administrator.enc_certificate,
    )


def partners_of(profiles: Iterable[Profile], service: CommunicationProfile | None) -> dict[str, CommunicationProfile]:
    """List everyone a message can be for, the administrator last."""
    partners = {profile.partner_id: profile for profile in profiles if isinstance(profile, CommunicationProfile)}
    return partners | ({service.partner_id: service} if service is not None else {})


def direct_way(partner: CommunicationProfile) -> Way:
    """Say how a notice to a partner goes, or nothing but a connection."""
    return Way(partner, _role(partner), NOTICES[_role(partner)], "notice_sent", False, None)


def way_of(message: OutboxMessage, partner: CommunicationProfile, partners: dict[str, CommunicationProfile]) -> Way:
    """Say how a message to a partner goes. Raises: Unavailable delivery.no_way while who should pass it on is not configured."""
    hop = partners.get(partner.through) if partner.through else partner
    if hop is None:
        raise Unavailable("delivery.no_way", f"{partner.partner_id} through {partner.through}")
    if not message.profile_id:
        # A notice says nothing about a consumer and is for nobody but its recipient: it needs no relay.
        return direct_way(partner)
    role = _role(hop)
    delivery = decode_delivery(message.body)
    if not partner.through:
        return Way(hop, role, DELIVERIES, "dispatched", False, delivery)
    manner, event = ("pseudonymous", "dispatched_pseudonymous") if delivery.pseudonymous else ("open", "dispatched_through")
    return Way(hop, role, f"{RELAY}/{manner}/{partner.partner_id}", event, True, delivery)


def _role(partner: CommunicationProfile) -> Role:
    return Role.GWA if partner.partner_id == ADMINISTRATOR else Role.EMT
