"""Both ends of the management channel that speak COSEM, without the network between them."""

from typing import NamedTuple

import msgspec
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID
from tests.gateway.management_channel import Channel

from smgw.codec.command import Answer, Command
from smgw.codec.cosem_elements import Attribute, CosemObject, Document, MethodCall, decode_document, encode_document
from smgw.codec.cosem_message import CosemRequest, decode_cosem_answer
from smgw.codec.cosem_profiles import CONTENT, MAPPING_VERSION, device_name, json_value, profile_device, profile_object_name
from smgw.codec.cosem_values import Value
from smgw.core.profiles import Profile

GATEWAY, METER = f"ldevs/{device_name(GATEWAY_ID)}", f"ldevs/{device_name(METER_ID)}"
SYSTEM_LOG, CALIBRATION_LOG = f"{GATEWAY}/objects/7-0000636200ff", f"{GATEWAY}/objects/7-0000636201ff"
TASKS = f"{GATEWAY}/objects/32808-0080020000ff"
WAKE_UP = f"{GATEWAY}/objects/32806-0080040000ff"


class Told(NamedTuple):
    """Hold one answer as COSEM says it."""

    status: int
    code: str
    document: Document | None
    xml: str
    range: str


class CosemChannel(Channel):
    """Ask at COSEM addresses."""

    def cosem_command(self, method: str, resource: str, document: Document | None = None, **changes: object) -> Command:
        request = CosemRequest("" if document is None else encode_document(document).decode())
        body = msgspec.structs.replace(request, **{name: changes.pop(name) for name in ("accept", "range", "xml") if name in changes})
        command = self.command(method, "", body, **{"created_at": self.clock.now(), **changes})
        return msgspec.structs.replace(command, resource=f"/cosem/{resource}")

    def cosem(self, method: str, resource: str, document: Document | None = None, **changes: object) -> Told:
        return told(self.ask(self.cosem_command(method, resource, document, **changes)))

    def value(self, resource: str) -> Value:
        """Read one attribute."""
        answer = self.cosem("GET", resource)
        assert (answer.status, answer.code) == (200, "")
        assert isinstance(answer.document, Attribute) and answer.document.value is not None
        return answer.document.value

    def put_object(self, profile: Profile) -> Told:
        return self.cosem("PUT", address(profile), told_as(profile))

    def invoke(self, resource: str, number: int, parameter: object = None) -> Told:
        value = parameter if isinstance(parameter, Value) or parameter is None else json_value(parameter)
        return self.cosem("POST", f"{resource}/methods/{number}", MethodCall(value))


def told(answer: Answer) -> Told:
    """Read an answer; a part of a document is no document."""
    content = decode_cosem_answer(bytes(answer.body))
    document = decode_document(content.xml.encode()) if content.xml and not content.range else None
    return Told(answer.status, answer.code, document, content.xml, content.range)


def address(profile: Profile) -> str:
    """Give the address of a profile's object."""
    return f"ldevs/{profile_device(profile, GATEWAY_ID)}/objects/{profile_object_name(profile)}"


def told_as(profile: Profile) -> CosemObject:
    """Give a profile as an object with what is needed alone."""
    return CosemObject(profile_object_name(profile), MAPPING_VERSION, (Attribute(CONTENT, json_value(profile)),))
