"""Read AR 2418-6 files (interfaces IF_Adapter_TRuDI and IF_Lieferant_TRuDI), schema 1.2 and 1.4.

A file that is read here has the element order, the number of elements and the value types that the schemata ask for. Files are read as a
stream: no tree is built, a document type is refused before anything in it is looked at, nothing is fetched.
Source: CON-04, CON-06; 30-han-consumer-interface 3.4, 3.5.
"""

from typing import Any

from lxml import etree

from smgw.codec.trudi_grammar import AR, DEVICE_FILE, ESPI, NOT_TAKEN, SUPPLIER_FILE, Leaf, Node, Slot
from smgw.codec.trudi_model import Document
from smgw.core.errors import DecodeFault, LimitFault

MAX_BYTES = 192 << 20
"""Three years of two lists with a signature and both statuses beside each quarter hour have some 130 MiB."""

_MAX_ELEMENTS = 4_000_000
_CHUNK = 1 << 16
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class _Frame:
    """Hold an element that is open."""

    __slots__ = ("content", "name", "position", "repeats", "slot", "values")

    def __init__(self, name: str, content: Leaf | Node, slot: Slot) -> None:
        self.name = name
        self.content = content
        self.slot = slot
        self.position = 0
        self.repeats = 0
        self.values: dict[str, Any] = {}


class _Target:
    """Take the parser's events and build the document along the grammar."""

    def __init__(self, root: Node) -> None:
        self._root = Slot("UsagePoints", "", root)
        self._stack: list[_Frame] = []
        self._text: list[str] = []
        self._elements = 0
        self._document: Document | None = None

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise DecodeFault("trudi.document_type", name[:40])

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise LimitFault("trudi.size", f"more than {_MAX_ELEMENTS} elements")
        for attribute in attributes:
            if not attribute.startswith(_XSI):
                raise self._fault("trudi.structure", f"attribute {attribute[:40]}")
        name = tag.rpartition("}")[2][:40]
        if not self._stack:
            if tag != f"{{{AR}}}UsagePoints":
                raise DecodeFault("trudi.structure", f"the root is {name}, not UsagePoints")
            self._stack.append(_Frame(name, self._root.content, self._root))
            return
        frame = self._stack[-1]
        content = frame.content
        number = content.index.get(tag) if isinstance(content, Node) else None
        if number is None:
            raise self._fault("trudi.element_refused" if name in NOT_TAKEN or tag.startswith(f"{{{ESPI}}}") else "trudi.structure", name)
        assert isinstance(content, Node)
        slot = content.slots[number]
        if number < frame.position:
            raise self._fault("trudi.structure", f"{name} stands too late")
        frame.repeats = frame.repeats + 1 if number == frame.position else 1
        frame.position = number
        if frame.repeats > slot.most:
            raise self._fault("trudi.structure", f"{name} more than {slot.most} times")
        self._stack.append(_Frame(name, slot.content, slot))
        self._text.clear()

    def data(self, text: str) -> None:
        if isinstance(self._stack[-1].content, Leaf):
            self._text.append(text)
        elif text.strip():
            raise self._fault("trudi.structure", "text between elements")

    def end(self, tag: str) -> None:
        frame = self._stack[-1]
        content = frame.content
        if isinstance(content, Leaf):
            try:
                value = content.convert("".join(self._text))
            except (ValueError, OverflowError) as problem:
                raise self._fault("trudi.value", str(problem)[:60]) from problem
            self._text.clear()
        else:
            for slot in content.slots:
                if slot.least and slot.field not in frame.values:
                    raise self._fault("trudi.structure", f"{slot.name} is missing")
            # Lists become tuples here, so that what was read can't change any more.
            value = content.make(**{field: tuple(held) if isinstance(held, list) else held for field, held in frame.values.items()})
        self._stack.pop()
        if not self._stack:
            assert isinstance(value, Document)
            self._document = value
        elif frame.slot.most > 1:
            self._stack[-1].values.setdefault(frame.slot.field, []).append(value)
        else:
            self._stack[-1].values[frame.slot.field] = value

    def close(self) -> Document | None:
        return self._document

    def _fault(self, code: str, detail: str) -> DecodeFault:
        return DecodeFault(code, f"{'/'.join(frame.name for frame in self._stack)}: {detail}")


def _read(data: bytes, root: Node) -> Document:
    if len(data) > MAX_BYTES:
        raise LimitFault("trudi.size", f"{len(data)} octets, {MAX_BYTES} are allowed")
    # The stubs ask targets for a `comment` method; without one the parser leaves comments out, which is what is wanted.
    target: Any = _Target(root)
    parser = etree.XMLParser(
        target=target,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    try:
        for offset in range(0, len(data), _CHUNK):
            parser.feed(data[offset : offset + _CHUNK])
        document = parser.close()
    except etree.XMLSyntaxError as problem:
        raise DecodeFault("trudi.syntax", f"line {problem.lineno}: {problem.msg}"[:120]) from problem
    except DecodeFault as fault:
        # Where a file breaks off inside a tag, the parser gives half its name as an element before it says what is wrong.
        broken = next((entry for entry in parser.feed_error_log if entry.level_name == "FATAL"), None)
        if broken is None or fault.code not in ("trudi.structure", "trudi.element_refused"):
            raise
        raise DecodeFault("trudi.syntax", f"line {broken.line}: {broken.message}"[:120]) from fault
    if not isinstance(document, Document):
        raise DecodeFault("trudi.syntax", "no document")
    return document


def read_device_file(data: bytes) -> Document:
    """Read what a gateway was read out; at most 192 MiB.

    Raises: DecodeFault trudi.syntax, trudi.document_type, trudi.structure, trudi.element_refused, trudi.value; LimitFault trudi.size.
    """
    return _read(data, DEVICE_FILE)


def read_supplier_file(data: bytes) -> Document:
    """Read a supplier's tariff file; at most 192 MiB. Raises: as `read_device_file`."""
    return _read(data, SUPPLIER_FILE)
