"""Write AR 2418-6 files, schema 1.4, along the grammar that they are read by.

Times carry the offset of legal time. What is written reads back as the same values.
Source: CON-04; 30-han-consumer-interface 3.4, 3.8.
"""

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape

from smgw.codec.trudi_grammar import AR, DEVICE_FILE, ESPI, SUPPLIER_FILE, Leaf, Node
from smgw.codec.trudi_model import Document
from smgw.core.errors import UsageError

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = f'<?xml version="1.0" encoding="utf-8"?>\n<UsagePoints xmlns="{AR}" xmlns:espi="{ESPI}">\n'


def _leaf(name: str, leaf: Leaf, value: object) -> str:
    text = leaf.write(value)
    try:
        same = leaf.convert(text) == value
    except ValueError as problem:
        raise UsageError("trudi.encode", f"{name}: {problem}") from problem
    if not same or _NOT_XML.search(text):
        raise UsageError("trudi.encode", name)
    return escape(text, {"\r": "&#13;"})


def _lines(node: Node, value: object, indent: str) -> Iterator[str]:
    fields = node.split(value)
    lost = [name for name, held in fields.items() if held not in (None, ()) and all(name != slot.field for slot in node.slots)]
    if lost:
        raise UsageError("trudi.encode", f"{lost[0]} has no place in this kind of file")
    for slot in node.slots:
        held = fields.get(slot.field)
        values = held if slot.most > 1 else () if held is None else (held,)
        assert isinstance(values, tuple)
        if not slot.least <= len(values) <= slot.most:
            raise UsageError("trudi.encode", f"{slot.name} occurs {len(values)} times")
        name = f"espi:{slot.name}" if slot.namespace == ESPI else slot.name
        for part in values:
            if isinstance(slot.content, Leaf):
                yield f"{indent}<{name}>{_leaf(slot.name, slot.content, part)}</{name}>\n"
            else:
                yield f"{indent}<{name}>\n"
                yield from _lines(slot.content, part, indent + "  ")
                yield f"{indent}</{name}>\n"


def _write(node: Node, document: Document) -> bytes:
    return "".join((_HEAD, *_lines(node, document, "  "), "</UsagePoints>\n")).encode()


def write_device_file(document: Document) -> bytes:
    """Write what a gateway was read out. Raises: UsageError trudi.encode for what the format can't say."""
    return _write(DEVICE_FILE, document)


def write_supplier_file(document: Document) -> bytes:
    """Write a supplier's tariff file. Raises: UsageError trudi.encode."""
    return _write(SUPPLIER_FILE, document)
