"""The operator's JSON interface under `/api/v1`, health checks, and the portal beside it.

Times are UTC in ISO 8601; `from` is inclusive, `to` exclusive; a day is a local day in Europe/Berlin from 00:00 to 24:00. Amounts come as
the integer the meter sent with scaler and DLMS unit code, and as exact decimal text in that unit.
Source: EMT-01, EMT-05, OPS-02.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from smgw.core.errors import PeerFault
from smgw.core.instant import parse_time, utc_text
from smgw.core.obis import Obis
from smgw.core.quantity import unit_symbol
from smgw.core.status_word import to_hex_msb_first
from smgw.participant.access import Access
from smgw.participant.portal.pages import add_portal
from smgw.participant.records import MeterRecord, Records, day_csv
from smgw.storage.series import DayStatus, EffectiveValue

MAX_VALUES = 10_000
MAX_ROWS = 1_000
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)
_DAYS = 31

Answer = Callable[[web.Request], Any]


def make_app(records: Records, access: Access, available: Callable[[], bool]) -> web.Application:
    """Make the operator's application; `available` tells whether the store took the last delivery."""
    app = web.Application(middlewares=[access.middleware(lambda: asyncio.get_running_loop().time())], client_max_size=4096)
    calls = Calls(records)

    async def health(_: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def readiness(_: web.Request) -> web.Response:
        is_ready = available()
        return _json({"ready": is_ready}, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    app.add_routes([web.get("/healthz", health), web.get("/readyz", readiness)])
    answers: dict[str, Answer] = {
        "summary": calls.summary,
        "meters": calls.meters,
        "meters/{meter_id}/registers": calls.registers,
        "meters/{meter_id}/readings": calls.readings,
        "meters/{meter_id}/register-values": calls.register_values,
        "meters/{meter_id}/days/{day}.csv": calls.day_csv,
        "days": calls.days,
        "inbox": calls.inbox,
        "inbox/{number}/message": calls.message,
        "refusals": calls.refusals,
        "findings": calls.findings,
        "notices": calls.notices,
    }
    app.add_routes([web.get(f"/api/v1/{path}", _answering(answer)) for path, answer in answers.items()])
    add_portal(app, records, access)
    return app


class Calls:
    """Answer the calls; each gives what is to be written as JSON, or a whole response."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def summary(self, _: web.Request) -> object:
        """Count what came, and list the newest complete, verified days."""
        totals = self._records.store.totals()
        return {**totals._asdict(), "complete_days": [_status_row(status) for status in self._records.complete_days()]}

    def meters(self, _: web.Request) -> object:
        """List meters with their registers."""
        return [_meter_row(meter) for meter in self._records.meters()]

    def registers(self, request: web.Request) -> object:
        """List the registers of a meter."""
        return _meter_row(self._meter(request))["registers"]

    def readings(self, request: web.Request) -> object:
        """List values of one register; `next` is where to go on when there are more than fit in one answer."""
        meter, obis = self._meter(request), _obis(request)
        start, end = _moment(request, "from"), _moment(request, "to")
        values: list[dict[str, object]] = []
        further = None
        for effective in self._records.store.series.readings(meter.meter_id, obis, start, end):
            if len(values) == MAX_VALUES:
                further = utc_text(effective.value.target_time)
                break
            values.append(value_row(effective))
        return {"meter_id": meter.meter_id, "obis": str(obis), "values": values, "next": further}

    def register_values(self, request: web.Request) -> object:
        """List the derived register values of a meter, newest period first."""
        rows = self._records.store.registers(self._meter(request).meter_id, _count(request))
        return [_written(row._asdict()) for row in rows]

    def day_csv(self, request: web.Request) -> object:
        """Give a day of one register, or of all registers of the meter, as CSV."""
        meter, day = self._meter(request), _day(request.match_info["day"])
        codes = [_obis(request)] if "obis" in request.query else [register.span.obis for register in meter.registers]
        name = f"{meter.meter_id}_{day}.csv"
        return web.Response(
            text=day_csv(self._records.store, meter.meter_id, codes, day),
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def days(self, request: web.Request) -> object:
        """Tell how complete one day of a meter's registers is, or the newest 31 days."""
        meter = self._records.meter(request.query.get("meter", ""))
        if meter is None:
            raise web.HTTPNotFound
        if "day" in request.query:
            day = _day(request.query["day"])
            statuses = [self._records.day_status(meter.meter_id, register.span.obis, day) for register in meter.registers]
        else:
            statuses = [status for register in meter.registers for status in self._records.recent_days(register.span, _DAYS)]
        return [_status_row(status) for status in statuses]

    def inbox(self, request: web.Request) -> object:
        """List accepted messages, newest first."""
        return [_written(entry._asdict()) for entry in self._records.store.inbox(_count(request), _before(request))]

    def message(self, request: web.Request) -> object:
        """Give an accepted message as it came: the evidence."""
        text = request.match_info["number"]
        message = self._records.store.message(int(text)) if text.isascii() and text.isdigit() and len(text) < 18 else None
        if message is None:
            raise web.HTTPNotFound
        headers = {"Content-Disposition": f'attachment; filename="message-{text}.cms"'}
        return web.Response(body=message, content_type="application/cms", headers=headers)

    def refusals(self, request: web.Request) -> object:
        """List refused messages and connections, newest first."""
        return [_written(refusal._asdict()) for refusal in self._records.store.refusals(_count(request), _before(request))]

    def findings(self, request: web.Request) -> object:
        """List values that came although others stood, newest first."""
        findings = self._records.store.findings(_count(request), request.query.get("meter"))
        return [_written(finding._asdict()) for finding in findings]

    def notices(self, request: web.Request) -> object:
        """List what gateways told by themselves, newest first."""
        return self._records.store.notices.newest(_count(request))

    def _meter(self, request: web.Request) -> MeterRecord:
        meter = self._records.meter(request.match_info["meter_id"])
        if meter is None:
            raise web.HTTPNotFound
        return meter


def _answering(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            result = answer(request)
        except PeerFault as fault:
            return _json({"error": fault.code, "detail": fault.detail}, HTTPStatus.BAD_REQUEST)
        except web.HTTPNotFound:
            return _json({"error": "not found"}, HTTPStatus.NOT_FOUND)
        return result if isinstance(result, web.Response) else _json(result)

    return handle


def _json(value: object, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def value_row(effective: EffectiveValue) -> dict[str, object]:
    """Write one value for JSON."""
    value = effective.value
    quantity = value.quantity
    return {
        "target_time": utc_text(value.target_time),
        "value": None if quantity is None else f"{quantity.decimal():f}",
        "unit_symbol": unit_symbol(value.unit),
        "raw": value.raw,
        "scaler": value.scaler,
        "unit": value.unit,
        "status": to_hex_msb_first(value.gateway_status, value.meter_status),
        "valid": value.valid,
        "capture_time": utc_text(value.capture_time),
        "sequence": value.sequence,
        "message": value.message,
        "revision": effective.revision,
        "contradicted": effective.contradicted,
    }


def _meter_row(meter: MeterRecord) -> dict[str, object]:
    registers = [
        {**_written(register.span._asdict()), "last": value_row(register.last) if register.last else None} for register in meter.registers
    ]
    return {"meter_id": meter.meter_id, "gateway_id": meter.gateway_id, "period_s": meter.period_s, "registers": registers}


def _status_row(status: DayStatus) -> dict[str, object]:
    return {**_written(status._asdict()), "complete": status.complete}


def _written(row: dict[str, Any]) -> dict[str, object]:
    """Write times and OBIS codes of a row as text."""
    forms: dict[type, Callable[[Any], str]] = {Obis: str, datetime: utc_text}
    return {name: forms[type(value)](value) if type(value) in forms else value for name, value in row.items()}


def _obis(request: web.Request) -> Obis:
    return Obis.parse(request.query.get("obis", ""))


def _moment(request: web.Request, name: str) -> datetime:
    moment = parse_time(request.query.get(name, "").replace(" ", "+"))
    if not _FIRST_DAY <= moment.date() <= _LAST_DAY:
        raise PeerFault("participant.request", name)
    return moment


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as problem:
        raise PeerFault("participant.request", "day") from problem
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise PeerFault("participant.request", "day")
    return day


def _count(request: web.Request) -> int:
    return min(_number(request, "limit", 100), MAX_ROWS)


def _before(request: web.Request) -> int | None:
    return _number(request, "before", 0) if "before" in request.query else None


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise PeerFault("participant.request", name)
    return int(text)
