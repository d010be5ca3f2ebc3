"""Write, create, delete and call: each object by the route of its content, several objects all or none.

Source: WAN-08, LIFE-09; 20-wan-crypto-pki 1.4.
"""

from typing import NamedTuple

from smgw.codec.cosem_elements import Attribute, Container, CosemObject, Device, Document, MethodCall, MethodResult
from smgw.codec.cosem_profiles import CONTENT, device_name, json_value, profile_of, read_profile
from smgw.codec.cosem_resources import Kind, ObjectName, Resource
from smgw.codec.cosem_values import Value
from smgw.core.errors import LimitFault, PeerFault
from smgw.gateway.wan.context import Call, Context, Outcome
from smgw.gateway.wan.cosem.containers import MEMBERS_LIMIT, Bundle, forget, path_of, remember
from smgw.gateway.wan.cosem.profiles import PROFILES, after_all, delete, put, rank
from smgw.gateway.wan.cosem.rows import Instance, MethodRow
from smgw.gateway.wan.cosem.system import text_of
from smgw.gateway.wan.cosem.tree import Tree, logical_name
from smgw.gateway.wan.permission import routed

CREATED, DONE = 201, 200


class Member(NamedTuple):
    """Hold one object that is to be written, and where."""

    device: str
    told: CosemObject


def write(context: Context, call: Call, resource: Resource, document: Document) -> Outcome:
    """Put what a document holds at a resource.

    Raises: PeerFault command.resource, command.profile, cosem.content, cosem.verb; LimitFault; DomainFault.
    """
    tree = Tree(context)
    match resource.kind, document:
        case Kind.ATTRIBUTE, Attribute(number, value) if number == resource.number and value is not None:
            return _write_attribute(context, call, tree, resource, value)
        case Kind.OBJECT, CosemObject() if document.name == resource.instance:
            return _write_objects(context, call, tree, [Member(resource.device, document)])
        case Kind.DEVICE, Device(objects=objects) if document.name == resource.device and not document.containers:
            return _write_objects(context, call, tree, [Member(resource.device, told) for told in objects or ()])
        case Kind.DEVICE_CONTAINER, Container(devices=None) if document.name == str(resource.instance):
            members = [Member(resource.device, told) for told in document.objects or ()]
        case Kind.CONTAINER, Container(objects=None) if document.name == resource.container:
            members = [Member(device.name, told) for device in document.devices or () for told in device.objects or ()]
        case _:
            raise PeerFault("cosem.content", type(document).__name__)
    outcome = _write_objects(context, call, tree, members)
    names = tuple((member.device, str(member.told.name)) for member in members)
    is_new = remember(context, Bundle(*path_of(resource), names))
    return outcome._replace(status=CREATED if is_new else DONE)


def _write_objects(context: Context, call: Call, tree: Tree, members: list[Member]) -> Outcome:
    if not members:
        raise PeerFault("cosem.content", "no object")
    if len(members) > MEMBERS_LIMIT:
        raise LimitFault("cosem.too_much", f"more than {MEMBERS_LIMIT} objects")
    ordered = sorted(members, key=lambda member: rank(member.told.name))
    are_new = [tree.find(member.device, member.told.name) is None for member in ordered]
    outcomes = [_write_object(context, call, tree, member) for member in ordered]
    return Outcome(CREATED if any(are_new) else DONE, after=after_all(outcomes))


def _write_object(context: Context, call: Call, tree: Tree, member: Member) -> Outcome:
    told = member.told
    if told.name.class_id in PROFILES:
        return put(context, call, member.device, profile_of(told))
    instance = tree.find(member.device, told.name)
    if instance is None:
        raise PeerFault("command.resource", str(told.name))
    names = {one.value for one in told.attributes or () if one.number == 1}
    if told.version != instance.row.version or not told.attributes or told.methods or names - {logical_name(instance)}:
        raise PeerFault("cosem.content", str(told.name))
    return Outcome(DONE, after=after_all([_write_one(context, call, instance, one) for one in told.attributes if one.number != 1]))


def _write_attribute(context: Context, call: Call, tree: Tree, resource: Resource, value: Value) -> Outcome:
    name, number = resource.instance, resource.number
    assert name is not None and number is not None
    if name.class_id in PROFILES and number == CONTENT:
        is_new = tree.find(resource.device, name) is None
        return put(context, call, resource.device, read_profile(name, value))._replace(status=CREATED if is_new else DONE)
    return _write_one(context, call, tree.instance(resource), Attribute(number, value))


def _write_one(context: Context, call: Call, instance: Instance, attribute: Attribute) -> Outcome:
    row = instance.row.attribute(attribute.number)
    if row is None and attribute.number != 1:
        raise PeerFault("command.resource", f"attribute {attribute.number}")
    if row is None or row.write is None or attribute.value is None:
        raise PeerFault("cosem.verb", f"attribute {attribute.number} is not written")
    return Outcome(DONE, after=row.write(context, call, attribute.value))


def remove(context: Context, call: Call, resource: Resource) -> Outcome:
    """Delete an object, or all profiles of a container or of a meter's device.

    Raises: PeerFault command.resource, cosem.verb for what is always there; DomainFault profile.in_use.
    """
    tree = Tree(context)
    if resource.kind is Kind.OBJECT:
        return _remove_objects(context, call, [tree.instance(resource)])
    if resource.kind is Kind.DEVICE:
        held = tree.objects(resource.device)
        if resource.device == device_name(context.gateway_id):
            raise PeerFault("cosem.verb", "the management logical device")
        return _remove_objects(context, call, [instance for instance in held if instance.row.is_profile])
    bundle = tree.bundle(resource)
    found = [tree.find(device, ObjectName.parse(name)) for device, name in bundle.members]
    outcome = _remove_objects(context, call, [instance for instance in found if instance is not None and instance.row.is_profile])
    forget(context, bundle.path)
    return outcome


def _remove_objects(context: Context, call: Call, instances: list[Instance]) -> Outcome:
    if any(not instance.row.is_profile for instance in instances):
        raise PeerFault("cosem.verb", "it is always there")
    ordered = sorted(instances, key=lambda instance: rank(instance.name), reverse=True)
    return Outcome(DONE, after=after_all([delete(context, call, instance.subject) for instance in ordered]))


def method_of(context: Context, resource: Resource) -> MethodRow:
    """Find the method of a resource. Raises: PeerFault command.resource."""
    row = Tree(context).instance(resource).row.method(resource.number or 0)
    if row is None:
        raise PeerFault("command.resource", f"method {resource.number}")
    return row


def invoke(context: Context, call: Call, row: MethodRow, document: Document) -> tuple[Outcome, MethodResult]:
    """Call a method; gives the outcome of its route, and the same as COSEM says it.

    Raises: as the route; PeerFault cosem.content, command.body.
    """
    if not isinstance(document, MethodCall) or (row.takes == "nothing" and document.parameter is not None):
        raise PeerFault("cosem.content", type(document).__name__)
    body, rest = b"null", tuple[str, ...]()
    if row.takes == "json":
        body = text_of(document.parameter)
    elif row.takes == "name":
        rest = (text_of(document.parameter).decode(),)
    outcome = routed(context, call, row.method, row.words, body, rest)
    return outcome, MethodResult(0, None if outcome.body is None else json_value(outcome.body))
