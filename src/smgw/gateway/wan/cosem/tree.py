"""Read the tree of COSEM resources: which devices, objects and containers there are, and what of them is asked for.

A depth counts devices, objects and attributes below what is asked for; lists don't count (our choice). Without one a list and a device
show their members' names, and an object shows its attributes. Source: WAN-08, ADM-11; 20-wan-crypto-pki 1.4.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TypeVar

from smgw.codec.cosem_elements import Attribute, Container, CosemObject, Device, Document, Listing
from smgw.codec.cosem_profiles import device_name
from smgw.codec.cosem_resources import DEVICE_NAME, LISTS, Kind, ObjectName, Part, Resource, Selection, Target
from smgw.codec.cosem_values import Value
from smgw.core.errors import DomainFault, LimitFault, PeerFault
from smgw.core.profiles import profile_key
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.cosem.containers import Bundle, bundles, path_of
from smgw.gateway.wan.cosem.logs import BUFFER, LOG, read_buffer
from smgw.gateway.wan.cosem.profiles import all_held
from smgw.gateway.wan.cosem.rows import AttributeRow, Instance
from smgw.gateway.wan.cosem.system import names, system

VALUES_LIMIT: Final = 5_000
"""Most attributes in one answer."""

_T = TypeVar("_T")


class Tree:
    """Hold what there is at one moment."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.devices: dict[str, list[Instance]] = {device_name(context.gateway_id): system(context.gateway_id)}
        """Name of each logical device -> its objects."""
        for device, instance in all_held(context):
            if device not in self.devices and DEVICE_NAME.fullmatch(device):
                self.devices[device] = names(profile_key(instance.subject))
            if device in self.devices:
                self.devices[device].append(instance)
        self._values = 0

    def objects(self, device: str) -> list[Instance]:
        """Give the objects of a device. Raises: PeerFault command.resource."""
        if device not in self.devices:
            raise PeerFault("command.resource", device[:40])
        return self.devices[device]

    def find(self, device: str, name: ObjectName | None) -> Instance | None:
        """Find an object; two of one name are none."""
        found = [instance for instance in self.devices.get(device, ()) if instance.name == name]
        return found[0] if len(found) == 1 else None

    def instance(self, resource: Resource) -> Instance:
        """Give the object of a resource. Raises: PeerFault command.resource."""
        found = self.find(resource.device, resource.instance)
        if found is None:
            raise PeerFault("command.resource", str(resource.instance))
        return found

    def read(self, target: Target) -> Document:
        """Give what a target names.

        Raises: PeerFault command.resource for what is not there or not given out, cosem.selection; LimitFault cosem.too_much; DomainFault.
        """
        resource, part = target.resource, target.part
        _check_part(target)
        if resource.kind is Kind.ATTRIBUTE:
            return self._attribute(target)
        depth = 1 if part.depth is None else part.depth
        match resource.kind:
            case Kind.DEVICES:
                return self._list("ldevs", depth, [self._device(name, depth - 1) for name in _chosen([*self.devices], part, depth)])
            case Kind.DEVICE:
                self.objects(resource.device)
                return self._device(resource.device, depth)
            case Kind.OBJECTS:
                found = _chosen(self.objects(resource.device), part, depth)
                return self._list("objects", depth, [self._object(instance, depth - 1) for instance in found])
            case Kind.OBJECT:
                return self._object(self.instance(resource), depth)
            case Kind.ATTRIBUTES:
                told = self._object(self.instance(resource), depth).attributes or ()
                return self._list("attributes", depth, _chosen(told, part, depth))
            case Kind.METHODS:
                methods = [row.number for row in self.instance(resource).row.methods]
                return self._list("methods", depth, _chosen(methods, part, depth))
            case Kind.CONTAINERS | Kind.DEVICE_CONTAINERS:
                if resource.kind is Kind.DEVICE_CONTAINERS:
                    self.objects(resource.device)
                chosen = _chosen([one for one in bundles(self._context) if one.device == resource.device], part, depth)
                return self._list("containers", depth, [self._container(bundle, depth - 1) for bundle in chosen])
            case _:
                return self._container(self.bundle(resource), depth)

    def _list(self, tag: str, depth: int, items: Sequence[object]) -> Listing:
        return Listing(tag, tuple(items) if depth else None)

    def _device(self, name: str, depth: int) -> Device:
        if depth < 1:
            return Device(name)
        own = tuple(self._container(bundle, 0) for bundle in bundles(self._context) if bundle.device == name)
        return Device(name, tuple(self._object(instance, depth - 1) for instance in self.devices[name]), own or None)

    def _object(self, instance: Instance, depth: int) -> CosemObject:
        name, row = instance.name, instance.row
        if depth < 1:
            return CosemObject(name, row.version)
        attributes = (Attribute(1, logical_name(instance)), *(self._told(instance, one) for one in row.attributes))
        return CosemObject(name, row.version, attributes, tuple(method.number for method in row.methods) or None)

    def _told(self, instance: Instance, row: AttributeRow) -> Attribute:
        """Tell an attribute within its object: without value what is given alone, to nobody, or not now."""
        self._values += 1
        if self._values > VALUES_LIMIT:
            raise LimitFault("cosem.too_much", f"more than {VALUES_LIMIT} attributes")
        if row.read is not None and not row.is_alone:
            with suppress(DomainFault):
                return Attribute(row.number, row.read(self._context, instance))
        return Attribute(row.number)

    def _attribute(self, target: Target) -> Attribute:
        instance, number = self.instance(target.resource), target.resource.number
        if number == 1:
            return Attribute(1, logical_name(instance))
        row = instance.row.attribute(number or 0)
        if row is None or row.read is None:
            raise PeerFault("command.resource", f"attribute {number}")
        if target.part.depth == 0:
            return Attribute(row.number)
        if _is_buffer(instance, row.number):
            return Attribute(row.number, read_buffer(self._context, instance, target.selection, target.part))
        if target.selection != Selection() or target.part != Part(depth=target.part.depth):
            raise PeerFault("cosem.selection", f"attribute {number} is given whole")
        return Attribute(row.number, row.read(self._context, instance))

    def bundle(self, resource: Resource) -> Bundle:
        """Give the container of a resource. Raises: PeerFault command.resource."""
        for bundle in bundles(self._context):
            if bundle.path == path_of(resource):
                return bundle
        raise PeerFault("command.resource", resource.kind)

    def _container(self, bundle: Bundle, depth: int) -> Container:
        if depth < 1:
            return Container(bundle.name)
        by_device: dict[str, list[CosemObject]] = {}
        for device, name in bundle.members:
            if (instance := self.find(device, ObjectName.parse(name))) is not None:
                by_device.setdefault(device, []).append(self._object(instance, depth - 1))
        if bundle.device:
            return Container(bundle.name, tuple(by_device.get(bundle.device, ())))
        return Container(bundle.name, None, tuple(Device(device, tuple(told)) for device, told in by_device.items()))


def _is_buffer(instance: Instance, number: int) -> bool:
    return instance.row is LOG and number == BUFFER


def logical_name(instance: Instance) -> Value:
    """Give attribute 1 of an object."""
    return Value("octet-string", bytes(instance.name.obis))


def _check_part(target: Target) -> None:
    part, kind = target.part, target.resource.kind
    if kind is not Kind.ATTRIBUTE and (part.from_time is not None or part.to_time is not None):
        raise PeerFault("cosem.selection", "q.fromtime and q.totime are for the buffer of a log")
    if kind not in LISTS and kind is not Kind.ATTRIBUTE and (part.from_element is not None or part.elements is not None):
        raise PeerFault("cosem.selection", "q.fromidx and q.count are for lists")


def _chosen(items: Sequence[_T], part: Part, depth: int) -> Sequence[_T]:
    """Give the elements by place, from 1; none where they aren't told."""
    start = max((part.from_element or 1) - 1, 0)
    return items[start : None if part.elements is None else start + part.elements] if depth else ()
