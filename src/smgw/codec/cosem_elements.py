"""Bodies of the management interface: devices, objects, attributes, containers and calls of methods as COSEM XML.

Our choices where the public sources are silent: a method is listed as `<method id="1"/>`, a container of one device holds `<objects>`, one
over several devices `<ldevs>`, and no id comes twice in a list.
Source: WAN-08; 20-wan-crypto-pki 1.4.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from lxml import etree

from smgw.codec.cosem_resources import DEVICE_NAME, ObjectName
from smgw.codec.cosem_values import OBJECTS, Value, children, escaped, read_simple, read_value, write_value
from smgw.codec.cosem_xml import leaf_integer, parse_xml
from smgw.core.errors import DecodeFault, PeerFault, UsageError


class Attribute(NamedTuple):
    """Hold one attribute; without value where only its number is told."""

    number: int
    value: Value | None = None


class CosemObject(NamedTuple):
    """Hold one object; `None` where a list is not told."""

    name: ObjectName
    version: int = 0
    attributes: tuple[Attribute, ...] | None = None
    methods: tuple[int, ...] | None = None


class Container(NamedTuple):
    """Hold objects that are read and written together: those of one device, or those of several devices."""

    name: str
    objects: tuple[CosemObject, ...] | None = None
    devices: "tuple[Device, ...] | None" = None


class Device(NamedTuple):
    """Hold one logical device."""

    name: str
    objects: tuple[CosemObject, ...] | None = None
    containers: tuple[Container, ...] | None = None


class Cosem(NamedTuple):
    """Hold the whole tree or a part of it."""

    devices: tuple[Device, ...] | None = None
    containers: tuple[Container, ...] | None = None


class Listing(NamedTuple):
    """Hold the answer to a list: `tag` is `ldevs`, `objects`, `attributes`, `methods` or `containers`."""

    tag: str
    items: tuple[Any, ...] | None
    """`None` where the elements are not told."""


class MethodCall(NamedTuple):
    """Call a method, with one parameter or none."""

    parameter: Value | None = None


class MethodResult(NamedTuple):
    """Answer a call; a status above 0 tells of a failure."""

    status: int | None = None
    data: Value | None = None


Document = Cosem | Device | CosemObject | Attribute | Container | Listing | MethodCall | MethodResult
_T = TypeVar("_T")
_NS: Final = f"{{{OBJECTS}}}"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


def decode_document(data: bytes) -> Document:
    """Read a body. Raises: DecodeFault xml.structure, LimitFault xml.size."""
    root = parse_xml(data)
    name = etree.QName(root)
    tag = str(name.localname)
    if name.namespace != OBJECTS or tag not in (*_LISTS, *_SINGLE):
        raise _fault(root)
    if tag not in _LISTS:
        return _SINGLE[tag](root)
    items = _LISTS[tag](root)
    return Listing(tag, items if items or "count" in root.attrib else None)


def encode_document(document: Document) -> bytes:
    """Write a body, UTF-8. Raises: UsageError xml.value for what `decode_document` would not give back."""
    tag, text = _text_of(document)
    rooted = text.replace(f"<{tag}", f'<{tag} xmlns="{OBJECTS}"', 1)
    octets = f"{_DECLARATION}{rooted}\n".encode("utf-8", "replace")
    try:
        same = decode_document(octets) == document
    except PeerFault as problem:
        raise UsageError("xml.value", problem.code) from problem
    if not same:
        raise UsageError("xml.value", type(document).__name__)
    return octets


# reading


def _inside(element: etree._Element, tags: Sequence[str], *attributes: str) -> list[etree._Element | None]:
    """Give the children, each tag at most once and in this order; the element must have just these attributes."""
    if set(map(str, element.attrib)) != set(attributes):
        raise _fault(element)
    rest = children(element)
    found: list[etree._Element | None] = []
    for tag in tags:
        found.append(rest.pop(0) if rest and rest[0].tag == f"{_NS}{tag}" else None)
    if rest:
        raise _fault(rest[0])
    return found


def _list(element: etree._Element, tag: str, read: Callable[[etree._Element], _T], key: Callable[[_T], Hashable]) -> tuple[_T, ...]:
    """Read a list; `count` may be left out, but not be wrong."""
    inside = children(element)
    if any(child.tag != f"{_NS}{tag}" for child in inside) or element.get("count", str(len(inside))) != str(len(inside)):
        raise _fault(element)
    if set(map(str, element.attrib)) - {"count"}:
        raise _fault(element)
    items = tuple(map(read, inside))
    if len(set(map(key, items))) != len(items):
        raise _fault(element)
    return items


def _maybe(element: etree._Element | None, read: Callable[[etree._Element], _T]) -> _T | None:
    return None if element is None else read(element)


def _number(element: etree._Element, name: str, kind: str) -> int:
    content = read_simple(kind, element.get(name, "")).content
    assert isinstance(content, int)
    return content


def _name(element: etree._Element) -> str:
    name = element.get("id", "")
    if not DEVICE_NAME.fullmatch(name):
        raise _fault(element)
    return name


def _one_value(element: etree._Element, *attributes: str) -> Value | None:
    inside = children(element)
    if len(inside) > 1 or set(map(str, element.attrib)) != set(attributes):
        raise _fault(element)
    return read_value(inside[0]) if inside else None


def _attribute(element: etree._Element) -> Attribute:
    return Attribute(_number(element, "id", "integer"), _one_value(element, "id"))


def _method(element: etree._Element) -> int:
    _inside(element, (), "id")
    number = _number(element, "id", "integer")
    if number < 1:
        raise _fault(element)
    return number


def _object(element: etree._Element) -> CosemObject:
    attributes, methods = _inside(element, ("attributes", "methods"), "class-id", "version", "id")
    try:
        name = ObjectName.parse(f"{element.get('class-id')}-{element.get('id')}")
    except PeerFault as problem:
        raise _fault(element) from problem
    return CosemObject(name, _number(element, "version", "unsigned"), _maybe(attributes, _attributes), _maybe(methods, _methods))


def _container(element: etree._Element) -> Container:
    objects, devices = _inside(element, ("objects", "ldevs"), "id")
    container = Container(_name(element), _maybe(objects, _objects), _maybe(devices, _devices))
    if devices is not None and (objects is not None or any(device.containers is not None for device in container.devices or ())):
        raise _fault(element)
    return container


def _device(element: etree._Element) -> Device:
    objects, containers = _inside(element, ("objects", "containers"), "id")
    device = Device(_name(element), _maybe(objects, _objects), _maybe(containers, _containers))
    if any(container.devices is not None for container in device.containers or ()):
        raise _fault(element)
    return device


def _cosem(element: etree._Element) -> Cosem:
    devices, containers = _inside(element, ("ldevs", "containers"))
    return Cosem(_maybe(devices, _devices), _maybe(containers, _containers))


def _call(element: etree._Element) -> MethodCall:
    return MethodCall(_one_value(element))


def _result(element: etree._Element) -> MethodResult:
    status, data = _inside(element, ("methodResponseStatus", "methodResponseData"))
    if data is not None and not len(data):
        raise _fault(data)
    return MethodResult(_maybe(status, lambda one: leaf_integer(one, 0, 255)), _maybe(data, _one_value))


def _devices(element: etree._Element) -> tuple[Device, ...]:
    return _list(element, "ldev", _device, lambda one: one.name)


def _objects(element: etree._Element) -> tuple[CosemObject, ...]:
    return _list(element, "object", _object, lambda one: one.name)


def _attributes(element: etree._Element) -> tuple[Attribute, ...]:
    return _list(element, "attribute", _attribute, lambda one: one.number)


def _methods(element: etree._Element) -> tuple[int, ...]:
    return _list(element, "method", _method, lambda one: one)


def _containers(element: etree._Element) -> tuple[Container, ...]:
    return _list(element, "container", _container, lambda one: one.name)


_LISTS: Final[dict[str, Callable[[etree._Element], tuple[Any, ...]]]] = {
    "ldevs": _devices,
    "objects": _objects,
    "attributes": _attributes,
    "methods": _methods,
    "containers": _containers,
}
_SINGLE: Final[dict[str, Callable[[etree._Element], Document]]] = {
    "cosem": _cosem,
    "ldev": _device,
    "object": _object,
    "attribute": _attribute,
    "container": _container,
    "methodRequestParameter": _call,
    "methodResponse": _result,
}


def _fault(element: etree._Element) -> DecodeFault:
    return DecodeFault("xml.structure", f"at {ascii(etree.QName(element).localname)[:40]}, line {element.sourceline}")


# writing


def _tell(tag: str, inner: str, **attributes: object) -> str:
    start = tag + "".join(f' {name.replace("_", "-")}="{escaped(str(value))}"' for name, value in attributes.items())
    return f"<{start}>{inner}</{tag}>" if inner else f"<{start}/>"


def _tell_list(tag: str, items: tuple[Any, ...] | None) -> str:
    return "" if items is None else _tell(tag, "".join(_text_of(item)[1] for item in items), count=len(items))


def _text_of(item: "Document | int") -> tuple[str, str]:
    """Give the tag and the text of an element."""
    match item:
        case Attribute(number, value):
            tag, text = "attribute", _tell("attribute", "" if value is None else write_value(value), id=number)
        case CosemObject(name, version, attributes, methods):
            inner = _tell_list("attributes", attributes) + _tell_list("methods", methods)
            tag, text = "object", _tell("object", inner, class_id=name.class_id, version=version, id=name.obis.hex)
        case Device(device_name, objects, containers):
            tag, text = "ldev", _tell("ldev", _tell_list("objects", objects) + _tell_list("containers", containers), id=device_name)
        case Container(container_name, objects, devices):
            tag, text = "container", _tell("container", _tell_list("objects", objects) + _tell_list("ldevs", devices), id=container_name)
        case Cosem(devices, containers):
            tag, text = "cosem", _tell("cosem", _tell_list("ldevs", devices) + _tell_list("containers", containers))
        case Listing(tag, items):
            text = _tell_list(tag, items) or _tell(tag, "")
        case MethodCall(parameter):
            tag = "methodRequestParameter"
            text = _tell(tag, "" if parameter is None else write_value(parameter))
        case MethodResult(status, data):
            tag = "methodResponse"
            told = "" if status is None else _tell("methodResponseStatus", str(status))
            text = _tell(tag, told + ("" if data is None else _tell("methodResponseData", write_value(data))))
        case int():
            tag, text = "method", _tell("method", "", id=item)
    return tag, text
