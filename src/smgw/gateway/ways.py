"""The way of a message: whose end point takes it, and under which address there.

A message is always encrypted for its recipient. It goes to the recipient's own end point, or to another participant's or the
administrator's, who passes it on unread: openly with the gateway's signature, or under a pseudonym without it.
Source: WAN-02, WAN-06, WAN-07; TR-03109-1 Annex VI, table 2 steps 2.1, 3.2, 3.3; 20-wan-crypto-pki 3.5.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from smgw.codec.delivery_xml import decode_delivery
from smgw.codec.notice import decode_notice
from smgw.codec.result import decode_result
from smgw.core.delivery import Delivery
from smgw.core.errors import Unavailable
from smgw.core.notices import ADMINISTRATOR, ADMINISTRATOR_RESULTS
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
    """What the message holds; None for a notice or a result."""
    about: Mapping[str, str] = {}
    """What the log tells of a message that holds no values."""


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
    """List everyone a message can be for, the administrator last: once for notices, once for results, which don't wait for each other."""
    partners = {profile.partner_id: profile for profile in profiles if isinstance(profile, CommunicationProfile)}
    if service is not None:
        partners[service.partner_id] = service
        partners[ADMINISTRATOR_RESULTS] = msgspec.structs.replace(service, partner_id=ADMINISTRATOR_RESULTS)
    return partners


def direct_way(partner: CommunicationProfile) -> Way:
    """Say how nothing but a connection to a partner goes."""
    return Way(partner, _role(partner), NOTICES[_role(partner)], "notice_sent", False, None)


def way_of(message: OutboxMessage, partner: CommunicationProfile, partners: dict[str, CommunicationProfile]) -> Way:
    """Say how a message to a partner goes. Raises: Unavailable delivery.no_way while who should pass it on is not configured."""
    hop = partners.get(partner.through) if partner.through else partner
    if hop is None:
        raise Unavailable("delivery.no_way", f"{partner.partner_id} through {partner.through}")
    if not message.profile_id:
        # Neither says anything about a consumer, and both are for nobody but their recipient: they need no relay.
        return _result_way(message, partner) if partner.partner_id == ADMINISTRATOR_RESULTS else _notice_way(message, partner)
    role = _role(hop)
    delivery = decode_delivery(message.body)
    if not partner.through:
        return Way(hop, role, DELIVERIES, "dispatched", False, delivery)
    manner, event = ("pseudonymous", "dispatched_pseudonymous") if delivery.pseudonymous else ("open", "dispatched_through")
    return Way(hop, role, f"{RELAY}/{manner}/{partner.partner_id}", event, True, delivery)


def _notice_way(message: OutboxMessage, partner: CommunicationProfile) -> Way:
    return direct_way(partner)._replace(about={"event": decode_notice(message.body).event})


def _result_way(message: OutboxMessage, partner: CommunicationProfile) -> Way:
    return Way(partner, Role.GWA, decode_result(message.body).contact, "result_sent", False, None, {"command": message.message_id})


def _role(partner: CommunicationProfile) -> Role:
    return Role.GWA if partner.partner_id in (ADMINISTRATOR, ADMINISTRATOR_RESULTS) else Role.EMT
