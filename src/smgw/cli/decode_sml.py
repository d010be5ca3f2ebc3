"""`smgw decode sml`: dissect a recording of a meter, for the eye or as JSON lines."""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from smgw.codec.explain import Explained
from smgw.codec.sml import GetListResponse, ListEntry, SmlMessage, SmlTime, TimeKind, Value, explain
from smgw.core.errors import PeerFault
from smgw.core.obis import Obis
from smgw.protocol.sml_stream import SmlEvent, SmlFileReceived, SmlStream

EXIT_NO_GOOD_FILE = PeerFault.exit_code
_INDENT = "  "


def run(data: bytes, *, as_json: bool, out: TextIO) -> int:
    """Write the dissection of every SML file in `data` to `out`; give the exit code, 0 if any file was good, else 4.

    With `as_json` one JSON object a file. Octet strings, the server id and signatures are lower-case hex, never text; a value
    without content is null. Times are `{"seconds": n}` (counter of the meter), `{"timestamp": n}` (seconds since 1970 UTC) or
    `{"timestamp": n, "local_offset": minutes, "season_offset": minutes}`. A file cut off by the end of `data` counts as
    refused. `offset` of a refused file is where its first wrong octet stands in `data`; for a wrong checksum, where the
    checksum stands.
    """
    stream = SmlStream(limit=len(data) + 1)
    events = stream.receive_data(data) + stream.receive_eof()
    if as_json:
        for event in events:
            out.write(json.dumps(_summary(event)) + "\n")
    else:
        _write_dissection(data, events, stream.skipped, out)
    return 0 if any(isinstance(event, SmlFileReceived) for event in events) else EXIT_NO_GOOD_FILE


def _summary(event: SmlEvent) -> dict[str, Any]:
    if not isinstance(event, SmlFileReceived):
        return {"ok": False, "reason": event.reason.value, "offset": event.fault_offset}
    server_id = _server_id(event.messages)
    return {
        "ok": True,
        "server_id": None if server_id is None else server_id.hex(),
        "entries": [
            _entry(entry) for message in event.messages if isinstance(message.body, GetListResponse) for entry in message.body.entries
        ],
    }


def _server_id(messages: Iterable[SmlMessage]) -> bytes | None:
    """Find the server id: the list's own first, else that of the first message that has one."""
    bodies = sorted((message.body for message in messages), key=lambda body: not isinstance(body, GetListResponse))
    found = (getattr(body, "server_id", None) for body in bodies)
    return next((server_id for server_id in found if server_id), None)


def _entry(entry: ListEntry) -> dict[str, Any]:
    return {
        "obis": str(Obis.from_bytes(entry.obis)) if len(entry.obis) == 6 else entry.obis.hex(),
        "value": _value(entry.value),
        "scaler": entry.scaler,
        "unit": entry.unit,
        "status": entry.status,
        "val_time": _time(entry.val_time),
        "signature": None if entry.signature is None else entry.signature.hex(),
    }


def _value(value: Value) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return _time(value) if isinstance(value, SmlTime) else value


def _time(moment: SmlTime | None) -> dict[str, int] | None:
    if moment is None:
        return None
    if moment.kind is TimeKind.LOCAL_TIMESTAMP:
        return {"timestamp": moment.seconds, "local_offset": moment.local_offset, "season_offset": moment.season_offset}
    return {"timestamp" if moment.kind is TimeKind.TIMESTAMP else "seconds": moment.seconds}


def _write_dissection(data: bytes, events: list[SmlEvent], skipped: int, out: TextIO) -> None:
    width = max(len(str(len(data))), len("offset"))
    for number, event in enumerate(events, 1):
        refused = None if isinstance(event, SmlFileReceived) else event
        verdict = f"refused: {refused.reason.value}, {refused.detail}" if refused else "good"
        out.write(f"SML file {number} at {event.offset}, {event.length} octets, {verdict}\n")
        out.write(f"{'offset':>{width}}  length  meaning\n")
        for line in explain(data[event.offset : event.offset + event.length], limit=len(data) + 1):
            if line.length:
                out.write(_line(line, event.offset, width))
        if refused:
            out.write(_line(Explained(refused.fault_offset, 0, 0, f"FAULT {refused.reason.code}: {refused.detail}"), 0, width))
        out.write("\n")
    good = sum(isinstance(event, SmlFileReceived) for event in events)
    out.write(f"{len(events)} SML files, {good} good; {skipped} of {len(data)} octets outside all files\n")


def _line(line: Explained, base: int, width: int) -> str:
    clause = f"  [{line.clause}]" if line.clause and line.clause not in line.meaning else ""
    return f"{base + line.offset:>{width}}  {line.length:>6}  {_INDENT * line.depth}{line.meaning}{clause}\n"
