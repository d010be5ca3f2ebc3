"""System log and calibration log of a gateway, as far as they were fetched; the consumer's log is not for the administrator.

Source: LOG-01, ADM-06, ADM-11.
"""

from typing import Literal

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, Limit, Number
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.jobs import JobRow, job_row
from smgw.administrator.api.submit import hand_of
from smgw.administrator.orders import JobOrder, add_job
from smgw.core.errors import DomainFault
from smgw.core.log_event import EVENTS

LOGS = ("system", "calibration")


class LogQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose entries, newest first."""

    language: Literal["de", "en"] = "en"
    limit: Limit = 200
    before: Number = 0
    """Number of an entry; 0 begins with the newest."""


class LogLine(msgspec.Struct, frozen=True):
    """Show one entry."""

    index: int
    time: str
    event: str
    text: str
    subject: str
    success: bool


class LogView(msgspec.Struct, frozen=True):
    """Show what was fetched of a log; `complete` tells whether no entry between the first and the last is missing."""

    log: str
    fetched_at: str
    complete: bool
    total: int
    entries: list[LogLine]


class _Reported(msgspec.Struct, frozen=True):
    """Hold one entry as a gateway gives it."""

    index: int
    text: str
    event: str
    time: str
    success: bool = True
    subject: str = ""
    parameters: dict[str, str] = {}

    def line(self, language: str) -> LogLine:
        kind = EVENTS.get(self.event)
        try:
            text = kind.de.format_map(self.parameters) if kind is not None and language == "de" else self.text
        except (KeyError, ValueError, IndexError, AttributeError):
            text = self.text
        return LogLine(self.index, self.time, self.event, text, self.subject, self.success)


def _log_name(call: Call) -> str:
    name = call.path["log"]
    if name not in LOGS:
        raise DomainFault("administrator.not_found", name[:40])
    return name


def _fetched(call: Call, device_id: str, name: str) -> tuple[dict[int, _Reported], str]:
    """Join what the jobs brought; an answer that is no list of entries counts for nothing."""
    found: dict[int, _Reported] = {}
    ended_at = ""
    for job in call.books.jobs.done(device_id, "GET", f"log/{name}"):
        try:
            entries = msgspec.json.decode(job.result, type=list[_Reported])
        except msgspec.MsgspecError:
            continue
        found.update({entry.index: entry for entry in entries})
        ended_at = job.ended_at
    return found, ended_at


def log(call: Call) -> LogView:
    """Show what was fetched so far."""
    device_id, name, query = status_of(call).device_id, _log_name(call), call.query
    found, ended_at = _fetched(call, device_id, name)
    chosen = sorted((index for index in found if not query.before or index < query.before), reverse=True)[: query.limit]
    whole = not found or len(found) == max(found) - min(found) + 1
    return LogView(name, ended_at, whole, len(found), [found[index].line(query.language) for index in chosen])


def fetch(call: Call) -> JobRow:
    """Order what is newer than the last entry that was fetched, at most 500 entries at once."""
    device_id, name = status_of(call).device_id, _log_name(call)
    found, _ = _fetched(call, device_id, name)
    return job_row(add_job(hand_of(call), JobOrder(device_id, "GET", f"log/{name}/{max(found, default=0) + 1}")))


_ONE = "/gateways/{device_id}/logs/{log}"

ENDPOINTS = (
    Endpoint("GET", _ONE, SEEING, log, "Show a log as far as it was fetched", LogView, query=LogQuery),
    Endpoint("POST", _ONE, OPERATING, fetch, "Fetch the newest entries of a log", JobRow, status=201),
)
