"""A whole system delivers values; nothing that the administrator stores, logs, answers, shows or backs up holds one of them."""

import json
import re
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.scenario.system_process import RunningSystem, get_json, system

from smgw.administrator.api import ENDPOINTS
from smgw.administrator.api.openapi import PREFIX
from smgw.administrator.backup import make_backup, restore_backup
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.console.views import PAGES
from smgw.administrator.users import Role, hash_password
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect_read_only
from smgw.participant.store import ParticipantStore

pytestmark = [pytest.mark.system, pytest.mark.timeout(480), pytest.mark.req("ADM-11")]

DELIVERIES = 12
PASSWORD = "a password of the test"
DISTINCT_DIGITS = 7
"""Shorter numbers stand in certificates and times by chance."""
LIMIT_S = 60.0
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


class Value:
    """Hold one value that was transmitted, and how it could be written."""

    def __init__(self, raw: int, scaler: int) -> None:
        self.raw = raw
        amount = Decimal(raw).scaleb(scaler)
        kilo = amount.scaleb(-3)
        texts = {str(raw), f"{amount:f}", f"{kilo:f}", f"{kilo:f}".rstrip("0"), f"{amount:,f}", f"{kilo:,f}", f"{raw:,d}"}
        texts |= {text.translate(str.maketrans(",.", ".,")) for text in texts}
        self.texts = {text for text in texts if sum(map(str.isdigit, text)) >= DISTINCT_DIGITS}
        octets, short = raw.to_bytes(8, "big"), raw.to_bytes(4, "big")
        self.octets = {octets, octets[::-1], struct.pack(">d", float(amount)), struct.pack("<d", float(amount))}
        self.octets |= {b"\x55" + short, b"\x65" + short, octets.hex().encode(), octets.hex().upper().encode()}


def found(places: dict[str, bytes], values: Iterable[Value]) -> list[str]:
    """Name every place that holds a value as text or as octets."""
    hits = []
    wanted = list(values)
    texts = re.compile(b"|".join(rb"(?<![0-9a-fA-F])" + re.escape(text.encode()) + rb"(?![0-9a-fA-F])" for v in wanted for text in v.texts))
    octets = re.compile(b"|".join(re.escape(one) for value in wanted for one in value.octets))
    for place, content in places.items():
        hits += [f"{place}: {hit[0]!r}" for pattern in (texts, octets) if (hit := pattern.search(content))]
    return hits


def transmitted(data: Path) -> list[Value]:
    """Give every value that the participant received, from its own store."""
    values: dict[int, Value] = {}
    with closing(connect_read_only(ParticipantFolder(data / "participant").store)) as connection:
        series = ParticipantStore(connection).series
        for span in series.registers():
            for effective in series.readings(span.meter_id, span.obis, *ALWAYS):
                if effective.value.raw is not None:
                    values[effective.value.raw] = Value(effective.value.raw, effective.value.scaler)
    return [value for raw, value in values.items() if len(str(raw)) >= DISTINCT_DIGITS]


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    """Ask again until there is an answer, in bounded time."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
    pytest.fail(f"never happened: {what}")


def ordered(running: RunningSystem) -> dict[str, bytes]:
    """Order what an administrator can read of a gateway, and give all that its interface then answers and its console shows."""
    administrator, gateway_id = running.ready["administrator"], running.ready["gateway_id"]
    folder = AdministratorFolder(running.data / "administrator")
    books = open_books(folder.inventory)
    books.users.add("op1", Role, hash_password(PASSWORD, bytes(16), (4, 8, 1)), datetime.now(UTC), "test")
    token = books.users.add_token("op1", "test", bytes(32), datetime.now(UTC))[1]
    now = datetime.now(UTC)
    books.cases.open(gateway_id, "technician", "00" * 32, "no contact", until=now + timedelta(hours=8), at=now, actor="test")
    books.close()
    with httpx.Client(base_url=administrator["url"], headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        here = f"{PREFIX}/gateways/{gateway_id}"
        bodies = [
            {"method": "GET", "resource": resource} for resource in ("state", "rts/meter", "rts/evaluation", "log/consumer/1", "readings")
        ]
        bodies.append({"method": "POST", "resource": "fas/read-out", "body": {}})
        made = [client.post(f"{here}/jobs", json=body) for body in bodies] + [
            client.post(f"{here}/logs/{log}") for log in ("system", "calibration")
        ]
        buffers = (f"{gateway_id.lower()}.sm/objects/7-00006362{log}ff/attributes/2?sa.count=500" for log in ("00", "01"))
        walk = ["/cosem/ldevs?q.depth=3", *(f"/cosem/ldevs/{buffer}" for buffer in buffers)]
        made += [client.post(f"{here}/cosem", json={"method": "GET", "address": address}) for address in walk]
        assert all(answer.status_code == 201 for answer in made)
        numbers = [answer.json()["id"] for answer in made]
        for number in numbers:
            wait_for("a job's end", lambda address=f"{PREFIX}/jobs/{number}": client.get(address).json()["ended_at"])
        names = {
            "device_id": gateway_id,
            "log": "system",
            "kind": "evaluation",
            "profile_id": "taf7-1.sm",
            "name": "op1",
            "number": numbers[0],
            "case": "C000001",
            "order": "00000000-0000-4000-8000-000000000001",
        }
        places = {}
        for row in ENDPOINTS:
            if row.method == "GET":
                answer = client.get(PREFIX + row.path.format_map(names))
                places[f"GET {row.path}"] = answer.content
        for number in numbers:
            places[f"job {number}"] = client.get(f"{PREFIX}/jobs/{number}").content
        assert len(client.get(f"{here}/logs/system").json()["entries"]) > 5
        assert all(b"structure" in places[f"job {number}"] for number in numbers[-len(walk) :])
    with httpx.Client(base_url=administrator["url"], timeout=60) as browser:
        assert browser.post("/login", data={"name": "op1", "password": PASSWORD}).status_code == 303
        for page in PAGES:
            for language in ("de", "en"):
                shown = browser.get(f"{page.path.format_map(names)}?lang={language}")
                # A system that is well may have had no incident at all.
                assert shown.status_code == 200 or (shown.status_code, page.path) == (404, "/incidents/{number}"), page.path
                places[f"page {page.path} {language}"] = shown.content
    return places


def stored(data: Path, tmp_path: Path) -> dict[str, bytes]:
    """Give every file that the administrator has, and what it wrote to its diagnostics, and its backup opened."""
    places = {str(path.relative_to(data)): path.read_bytes() for path in (data / "administrator").rglob("*") if path.is_file()}
    places["log"] = (data / "log" / "administrator.log").read_bytes()
    now = datetime.now(UTC)
    backup = make_backup(AdministratorFolder(data / "administrator"), PASSWORD, now)
    again = AdministratorFolder(tmp_path / "again")
    restore_backup(backup, PASSWORD, again, now)
    places |= {f"backup {path.name}": path.read_bytes() for path in again.path.rglob("*") if path.is_file()}
    return places


def test_no_value_reaches_the_administrator(tmp_path: Path) -> None:
    with system(tmp_path / "data", "--speed", "20000", "--timeout", "300") as running:
        participant = running.ready["participant"]
        summary = f"{participant['url']}/api/v1/summary"
        wait_for("deliveries", lambda: get_json(summary, participant["token_file"])["deliveries"] >= DELIVERIES)
        places = ordered(running)
        elsewhere = json.dumps(get_json(f"{participant['url']}/api/v1/meters", participant["token_file"])).encode()
        running.stop()
    values = transmitted(running.data)
    assert len(values) >= DELIVERIES
    places |= stored(running.data, tmp_path)
    assert {"log", "administrator/inventory.db", "backup inventory.db"} <= places.keys()
    assert found(places, values) == []
    # The same search finds them where they belong.
    assert found({"participant": elsewhere}, values) != []


@pytest.mark.parametrize(
    "planted",
    [b'{"raw":12345678}', b" 1234567.8 Wh", b" 1234.5678,", b" 1.234,5678 kWh", b" 1,234,567.8 Wh", b" 12.345.678 ",
     b"\x00\x69\x00\x00\x00\x00\x00\xbc\x61\x4e", b"\x65\x00\xbc\x61\x4e", b"x=0000000000bc614e "],
)  # fmt: skip
def test_the_search_finds_a_value_however_it_is_written(planted: bytes) -> None:
    other = b" 9912345678 12345679 00bc614f " + bytes(200)
    assert found({"place": other}, [Value(12_345_678, -1)]) == []
    assert len(found({"place": other + planted + other}, [Value(12_345_678, -1)])) >= 1
