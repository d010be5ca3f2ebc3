"""System log and calibration log as class 7: their entries as rows, by number, time and column. The consumer's log is no object.

Rows are counted by the number of their entry, which stays when older ones are deleted.
Source: WAN-08, LOG-01, ADM-11; 20-wan-crypto-pki 1.4.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from smgw.codec.cosem_profiles import CosemClass, json_value, named, text_value
from smgw.codec.cosem_resources import ObjectName, Part, Selection
from smgw.codec.cosem_values import Value, read_moment, write_moment
from smgw.core.errors import LimitFault, PeerFault
from smgw.core.log_event import Log
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.cosem.rows import AttributeRow, ClassRow, Instance
from smgw.storage.journal import StoredLogEntry

ROWS_LIMIT: Final = 500
"""Most rows in one answer."""
CLOCK: Final = named(CosemClass.CLOCK, "0-0:1.0.0*255")
_CLOCK_STEP = timedelta(milliseconds=10)
"""A date_time has hundredths of a second."""
_ENDLESS = (1 << 32) - 1


class Column(NamedTuple):
    """Describe one column: which attribute of which class a row captures, and how it is read from an entry."""

    cosem_class: CosemClass
    attribute: int
    about: str
    type: str
    read: Callable[[StoredLogEntry], Value]


def moment_value(moment: datetime) -> Value:
    """Give a time as date_time, whole hundredths of a second."""
    return Value("date_time", write_moment(moment.replace(microsecond=moment.microsecond // 10_000 * 10_000)))


def _sentence(row: StoredLogEntry) -> str:
    try:
        return row.entry.text("en")
    except KeyError:
        # It was written by a version whose sentence needs less.
        return row.entry.event


def _private(attribute: int, about: str, kind: str, read: Callable[[StoredLogEntry], Value]) -> Column:
    return Column(CosemClass.LOG_ENTRY, attribute, about, kind, read)


COLUMNS: Final = (
    _private(2, "number of the entry", "long64-unsigned", lambda row: Value("long64-unsigned", row.index)),
    Column(CosemClass.CLOCK, 2, "time", "date_time", lambda row: moment_value(row.entry.time)),
    _private(3, "number of the event", "double-long-unsigned", lambda row: Value("double-long-unsigned", row.entry.kind.number)),
    _private(4, "name of the event", "visible-string", lambda row: Value("visible-string", row.entry.event)),
    _private(5, "level, 1 to 4", "enum", lambda row: Value("enum", int(row.entry.kind.level))),
    _private(6, "whether it succeeded", "boolean", lambda row: Value("boolean", row.entry.success)),
    _private(7, "whom or what it is about", "UTF8-string", lambda row: text_value(row.entry.subject)),
    _private(8, "sentence in English", "UTF8-string", lambda row: text_value(_sentence(row))),
    _private(9, "parameters as JSON", "UTF8-string", lambda row: json_value(row.entry.parameters)),
)
"""What a row of a log's buffer holds. Class 32805 names the fields of an entry; there is no object of it."""
_NUMBER, _TIME = COLUMNS[:2]


def definition(column: Column, log: ObjectName) -> Value:
    """Give a column as a capture object: class, logical name, attribute, 0 for all of it."""
    name = CLOCK if column.cosem_class is CosemClass.CLOCK else ObjectName(int(column.cosem_class), log.obis)
    return Value(
        "structure",
        (
            Value("long-unsigned", name.class_id),
            Value("octet-string", bytes(name.obis)),
            Value("integer", column.attribute),
            Value("long-unsigned", 0),
        ),
    )


def read_buffer(context: Context, instance: Instance, selection: Selection, part: Part) -> Value:
    """Give the chosen rows, oldest first. Raises: PeerFault cosem.selection; LimitFault cosem.too_much for more than fit."""
    columns = _columns(instance.name, selection)
    since, until, first, last = part.from_time, part.to_time, max(selection.from_row or 1, part.from_element or 1), selection.to_row
    if selection.filter_column is not None or selection.from_value is not None or selection.to_value is not None:
        column = _filter_column(instance.name, selection.filter_column)
        low, high = selection.from_value, selection.to_value
        if column is _TIME:
            since = max((one for one in (since, _moment(low)) if one is not None), default=None)
            end = None if high is None else (_moment(high) or since)
            until = min((one for one in (until, end and end + _CLOCK_STEP) if one is not None), default=None)
        else:
            first = max(first, _row_number(low, 1))
            last = min(_ENDLESS if last is None else last, _row_number(high, _ENDLESS))
    wanted = [count for count in (selection.rows, part.elements, None if last is None else last - first + 1) if count is not None]
    count = max(min(wanted, default=_ENDLESS), 0)
    rows = context.journal.log(Log(instance.subject), since=since, until=until, from_index=first, count=min(count, ROWS_LIMIT + 1))
    if len(rows) > ROWS_LIMIT:
        raise LimitFault("cosem.too_much", f"more than {ROWS_LIMIT} rows")
    return Value("array", tuple(Value("structure", tuple(column.read(row) for column in columns)) for row in rows))


def _columns(log: ObjectName, selection: Selection) -> tuple[Column, ...]:
    if selection.columns is None:
        return COLUMNS[max((selection.from_column or 1) - 1, 0) : selection.to_column or None]
    if selection.from_column is not None or selection.to_column is not None or selection.columns.type != "array":
        raise PeerFault("cosem.selection", "sa.retrievecolumns")
    assert isinstance(selection.columns.content, tuple)
    return tuple(_column(log, wanted, "sa.retrievecolumns") for wanted in selection.columns.content if isinstance(wanted, Value))


def _column(log: ObjectName, wanted: Value, parameter: str) -> Column:
    for column in COLUMNS:
        if definition(column, log) == wanted:
            return column
    raise PeerFault("cosem.selection", f"{parameter}: no such column")


def _filter_column(log: ObjectName, wanted: Value | None) -> Column:
    column = _TIME if wanted is None else _column(log, wanted, "sa.filtercolumn")
    if column not in (_TIME, _NUMBER):
        raise PeerFault("cosem.selection", "sa.filtercolumn: only time and number")
    return column


def _moment(value: Value | None) -> datetime | None:
    if value is None:
        return None
    if value.type != "date_time" or not isinstance(value.content, bytes):
        raise PeerFault("cosem.selection", "bound of a time is a date_time")
    return read_moment(value.content)


def _row_number(value: Value | None, otherwise: int) -> int:
    if value is None:
        return otherwise
    if isinstance(value.content, bool) or not isinstance(value.content, int):
        raise PeerFault("cosem.selection", "bound of a number is a whole number")
    return min(max(value.content, 0), _ENDLESS)


def _all_rows(context: Context, instance: Instance) -> Value:
    return read_buffer(context, instance, Selection(), Part())


def _held(context: Context, instance: Instance) -> Value:
    return Value("double-long-unsigned", min(context.journal.stored_rows(instance.subject), _ENDLESS))


BUFFER: Final = 2
LOG: Final = ClassRow(
    CosemClass.PROFILE_GENERIC,
    1,
    "a log",
    (
        AttributeRow(BUFFER, "buffer", "array", "entries as structures of the captured columns", _all_rows, is_alone=True),
        AttributeRow(3, "capture_objects", "array", "definition of each column",
                     lambda _, log: Value("array", tuple(definition(column, log.name) for column in COLUMNS))),
        AttributeRow(4, "capture_period", "double-long-unsigned", "0: entries come with their events",
                     lambda _, log: Value("double-long-unsigned", 0)),
        AttributeRow(5, "sort_method", "enum", "1: first in, first out", lambda _, log: Value("enum", 1)),
        AttributeRow(6, "sort_object", "structure", "the column of the time", lambda _, log: definition(_TIME, log.name)),
        AttributeRow(7, "entries_in_use", "double-long-unsigned", "entries that are held now", _held),
        AttributeRow(8, "profile_entries", "double-long-unsigned", "the most there can be",
                     lambda _, log: Value("double-long-unsigned", _ENDLESS)),
    ),
)  # fmt: skip
