"""Write docs/cosem-objects.md from the tables of the object model: classes, attributes, methods, rights, columns of the logs."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tools.table_pages import table

if TYPE_CHECKING:
    from smgw.gateway.wan.cosem.rows import ClassRow


def _rights(row: "ClassRow") -> str:
    can = {"read": True, "put": row.is_profile or any(one.write for one in row.attributes), "delete": row.is_profile, "call": row.methods}
    return ", ".join(word for word, is_so in can.items() if is_so)


def _rows() -> Iterator[tuple[str, "ClassRow"]]:
    """Give each kind of object: its name, and its class."""
    from smgw.gateway.wan.cosem.profiles import PROFILES
    from smgw.gateway.wan.cosem.system import DEVICE_ID, DEVICE_NAME, ID_ROW, NAME_ROW, SYSTEM

    yield str(DEVICE_NAME), NAME_ROW
    yield str(DEVICE_ID), ID_ROW
    for name, row, subject in SYSTEM:
        yield str(name), row if subject is None else row._replace(about=f"{subject} log")
    for cosem_class, row in PROFILES.items():
        yield f"{int(cosem_class)}-0080xxxxxxxx", row


def _devices(name: str, is_profile: bool) -> str:
    from smgw.codec.cosem_profiles import CosemClass
    from smgw.gateway.wan.cosem.system import DEVICE_ID, DEVICE_NAME

    if name in (str(DEVICE_NAME), str(DEVICE_ID)):
        return "each"
    of_meter = (CosemClass.METER_PROFILE, CosemClass.EVALUATION_PROFILE, CosemClass.GRID_PROFILE)
    return "meter" if is_profile and int(name.partition("-")[0]) in of_meter else "gateway"


def _parts(row: "ClassRow") -> Iterable[str]:
    from smgw.codec.cosem_profiles import CONTENT

    attributes = []
    for one in row.attributes:
        is_written = one.write is not None or (row.is_profile and one.number == CONTENT)
        can = [word for word, is_so in (("read", one.read is not None), ("put", is_written)) if is_so]
        alone = "; only by its own address" if one.is_alone else ""
        attributes.append((str(one.number), f"`{one.name}`", one.type, ", ".join(can), one.about + alone))
    if attributes:
        yield table(("attribute", "name", "type", "rights", "meaning"), attributes)
    if row.methods:
        takes = {"nothing": "–", "json": "UTF8-string: JSON of that command", "name": "UTF8-string: last part of that address"}
        methods = [(str(one.number), f"`{one.name}`", f"`{one.method} {'/'.join(one.words)}`", takes[one.takes]) for one in row.methods]
        yield table(("method", "name", "same as", "parameter"), methods)


def cosem_page() -> str:
    """List every object that a gateway has, with its attributes and methods."""
    from smgw.codec.cosem_profiles import MAPPING_VERSION
    from smgw.gateway.wan.cosem.logs import COLUMNS, ROWS_LIMIT
    from smgw.gateway.wan.permission import STATUSES

    rows = list(_rows())
    listed = [(f"`{name}`", row.version, _devices(name, row.is_profile), row.about, _rights(row)) for name, row in rows]
    alike: dict[tuple[object, ...], list[tuple[str, ClassRow]]] = {}
    for name, row in rows:
        alike.setdefault((row.attributes, row.methods), []).append((name, row))
    details = "".join(
        f"\n### {', '.join(row.about for _, row in group)}\n\n{', '.join(f'`{name}`' for name, _ in group)}\n\n"
        + "\n".join(_parts(group[0][1]))
        for group in alike.values()
    )
    columns = ((number, f"{int(one.cosem_class)}, attribute {one.attribute}", one.type, one.about) for number, one in enumerate(COLUMNS, 1))
    return (
        "# COSEM objects of a gateway\n\nWhat stands below `/cosem/ldevs`, and how it is asked for, is told in [cosem.md](cosem.md). Classes from 32800 are this project's own,\n"
        f"version {MAPPING_VERSION}; `xxxxxxxx` are the first four octets of SHA-256 over the profile's id. No object holds a measured value or a consumer's log.\n\n"
        + table(("object", "version", "logical device", "what it is", "rights"), listed)
        + "\n## Attributes and methods\n\nAttribute 1 of each object is its logical name, an octet-string of six octets.\n"
        + details
        + f"\n## Columns of a log\n\nAt most {ROWS_LIMIT} rows in one answer. A filter is by column 1 or 2.\n\n"
        + table(("column", "captures class", "type", "meaning"), columns)
        + "\n## Statuses of refusals\n\nAll other codes: 409 where a rule of the gateway forbids it, else 400; a method that a rule forbids ends with 500 and a status above 0.\n\n"
        + table(("code", "status"), ((f"`{code}`", status) for code, status in sorted(STATUSES.items())))
    )
