"""COSEM at the administrator: sealed requests at COSEM addresses, what of them needs a second person, and what they mean for the inventory.

A profile that a gateway took or deleted as an object is noted like any other, so that the inventory says what the gateway shall hold.
Source: WAN-08, ADM-02, ADM-10; 20-wan-crypto-pki 1.4.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import msgspec

from smgw.administrator.inventory import Inventory
from smgw.administrator.jobs import Job, Jobs
from smgw.administrator.profile_check import check_profile, held_profiles
from smgw.codec.command import Answer, Command
from smgw.codec.cosem_elements import Attribute, Container, CosemObject, Device, Document, decode_document
from smgw.codec.cosem_message import COSEM_ROOT, COSEM_SEALED, CosemRequest, decode_cosem_answer
from smgw.codec.cosem_profiles import (
    CONTENT,
    INSTALL_ORDER,
    KIND_OF_CLASS,
    CosemClass,
    kind_of,
    profile_device,
    profile_object_name,
    profile_of,
    read_profile,
)
from smgw.codec.cosem_resources import VERBS, Kind, ObjectName, Resource, parse_target
from smgw.core.errors import DomainFault, PeerFault
from smgw.core.profiles import Profile, profile_key
from smgw.net.http_exchange import HttpClient
from smgw.protocol.tunnel_http import Response

CREATED: Final = 201
_KINDS: Final[dict[int, str]] = {
    **dict.fromkeys(KIND_OF_CLASS, "profile"),
    CosemClass.WAKE_UP: "wake-up",
    CosemClass.FIRMWARE: "firmware",
    CosemClass.KEYS: "keys",
    CosemClass.SUCCESSION: "change",
    CosemClass.LIFE: "decommission",
}
"""Class of an object -> the kind of a command that changes it; a class that stands nowhere needs nobody else."""


class Commanding(Protocol):
    """Send one command over a gateway's channel."""

    async def command(self, method: str, resource: str, body: object = None, command_id: str = "") -> Answer:
        """Give the verified answer."""


class CosemReply(NamedTuple):
    """Hold what a gateway answered at a COSEM address."""

    status: int
    code: str
    xml: str
    range: str

    @property
    def document(self) -> Document | None:
        """Read the XML, unless there is none or only a part. Raises: DecodeFault xml.structure, LimitFault xml.size."""
        return decode_document(self.xml.encode()) if self.xml and not self.range else None


async def cosem(session: Commanding, method: str, address: str, request: CosemRequest | None = None, command_id: str = "") -> CosemReply:
    """Ask a gateway at a COSEM address, for example `/cosem/ldevs`. Raises: as the session's `command`; DecodeFault command.body."""
    return reply_of(await session.command(method, address, request or CosemRequest(), command_id))


def reply_of(answer: Answer) -> CosemReply:
    """Read the answer to a COSEM command. Raises: DecodeFault command.body."""
    content = decode_cosem_answer(bytes(answer.body))
    return CosemReply(answer.status, answer.code, content.xml, content.range)


async def exchange(client: HttpClient, command: Command, document: bytes) -> Response:
    """Send a sealed command at its own address by its own method. Raises: PeerFault http.refused for an answer without content."""
    headers = {"Content-Type": COSEM_SEALED, "Accept": COSEM_SEALED, "x-CID": f"uuid:{command.message_id}"}
    response = await client.request(command.method, command.resource, headers, document)
    if not response.body:
        raise PeerFault("http.refused", f"status {response.status}")
    return response


def is_cosem(resource: str) -> bool:
    """Tell whether a command is for a COSEM address."""
    return resource.startswith(COSEM_ROOT)


def kinds_of(method: str, address: str) -> tuple[str, ...]:
    """Name the kinds of a command at a COSEM address that can be put under four eyes; several for a bundle. Raises: as `parse_target`."""
    resource = parse_target(address).resource
    if method == "GET":
        return ()
    if resource.kind in (Kind.DEVICE, Kind.CONTAINER, Kind.DEVICE_CONTAINER) or resource.instance is None:
        return ("profile", "wake-up")
    return tuple(kind for class_id, kind in _KINDS.items() if class_id == resource.instance.class_id)


def holds_secret(address: str, xml: str) -> bool:
    """Tell whether a command holds a consumer's profile, whose log-in digests are worth a password."""
    number = str(int(CosemClass.CONSUMER_PROFILE))
    return f"/{number}-" in address or number in xml


def check_order(inventory: Inventory, device_id: str, method: str, address: str, xml: str, now: datetime) -> None:
    """Check a command before it is queued, by the rules that the gateway checks it by.

    Raises: PeerFault cosem.verb, cosem.content, command.resource, command.profile; DecodeFault; LimitFault; DomainFault profile.version.
    """
    resource = parse_target(address).resource
    if method not in VERBS[resource.kind]:
        raise PeerFault("cosem.verb", f"{method} {resource.kind}")
    if method in ("GET", "DELETE"):
        if xml:
            raise PeerFault("cosem.content", "nothing is needed")
        return
    document = decode_document(xml.encode())
    held = held_profiles(inventory.profiles(device_id))
    for profile in sorted(_profiles_in(resource, document), key=lambda one: INSTALL_ORDER.index(kind_of(one))):
        key = kind_of(profile), profile_key(profile)
        check_profile(profile, held, now)
        if key in held and held[key].version >= profile.version:
            raise DomainFault("profile.version", f"{key[1]} has version {held[key].version}")
        held[key] = profile


def note_obeyed(inventory: Inventory, jobs: Jobs, job: Job, answer: Answer, at: datetime) -> None:
    """Note for the inventory what profiles a gateway took, or deleted, by a COSEM command."""
    if answer.status not in (200, CREATED) or job.method not in ("PUT", "DELETE"):
        return
    resource = parse_target(job.resource).resource
    if job.method == "PUT":
        for profile in _profiles_in(resource, _document_of(job)):
            with suppress(DomainFault):
                # It is known already when the same profile was ordered in both forms.
                inventory.put_profile(job.device_id, profile, at, job.created_by)
        return
    for profile in _named_by(resource, inventory, jobs, job):
        inventory.remove_profile(job.device_id, kind_of(profile), profile_key(profile), at, job.created_by)


def _document_of(job: Job) -> Document:
    return decode_document(msgspec.json.decode(job.body, type=CosemRequest).xml.encode())


def _objects_in(document: Document) -> Iterable[CosemObject]:
    match document:
        case CosemObject():
            return (document,)
        case Device(objects=objects):
            return objects or ()
        case Container(objects=objects, devices=devices):
            return (*(objects or ()), *(told for device in devices or () for told in device.objects or ()))
        case _:
            return ()


def _profiles_in(resource: Resource, document: Document) -> list[Profile]:
    """Read the profiles that a command writes. Raises: PeerFault command.profile."""
    if resource.kind is Kind.ATTRIBUTE and isinstance(document, Attribute):
        name = resource.instance
        is_profile = name is not None and name.class_id in KIND_OF_CLASS and document.number == CONTENT
        return [read_profile(name, document.value)] if is_profile and name is not None else []
    return [profile_of(told) for told in _objects_in(document) if told.name.class_id in KIND_OF_CLASS]


def _named_by(resource: Resource, inventory: Inventory, jobs: Jobs, job: Job) -> list[Profile]:
    """Give the profiles that were deleted with a resource, evaluation profiles first."""
    held = [profile for _, profile in reversed(inventory.profiles(job.device_id))]
    if resource.kind is Kind.DEVICE:
        return [profile for profile in held if profile_device(profile, job.device_id) == resource.device]
    names: set[ObjectName | None] = {resource.instance}
    if resource.kind is not Kind.OBJECT:
        written = [one for one in jobs.done(job.device_id, "PUT", job.resource) if one.resource == job.resource]
        names = {told.name for told in _objects_in(_document_of(written[-1]))} if written else set()
    return [profile for profile in held if profile_object_name(profile) in names]
