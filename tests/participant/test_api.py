"""The operator's interface: closed to strangers, exact to the digit, and clear about bad questions."""

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import cache
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.participant.participant_parts import (
    DAY,
    METER,
    QUARTER,
    Market,
    day_readings,
    delivery,
    participant_folder,
    reading,
    running,
    sealed,
    signed,
)

from smgw.core.instant import day_bounds, utc_text
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.participant.access import COOKIE

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPORT = "1-0:1.8.0*255"
CALLS = (
    "summary",
    "meters",
    f"meters/{METER}/registers",
    f"meters/{METER}/readings?obis={IMPORT}&from=2026-11-20&to=2026-11-22",
    f"meters/{METER}/register-values",
    f"meters/{METER}/days/{DAY}.csv",
    f"days?meter={METER}",
    "inbox",
    "inbox/1/message",
    "refusals",
    "findings",
)


@cache
def message() -> bytes:
    """Seal a whole day once."""
    return sealed(delivery(day_readings(), number=1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    async with running(participant_folder(tmp_path_factory.mktemp("api"))) as market:
        assert (await market.post(message(), delivery(number=1).message_id)).status == 200
        missing = reading(day_bounds(DAY)[1] + QUARTER, None, gateway_status=int(GATEWAY_OK | GatewayStatus.NO_VALUE))
        late = delivery((signed(missing, 500),), number=2, period_end=day_bounds(DAY)[1] + QUARTER)
        assert (await market.deliver(late)).status == 200
        yield market


@pytest_asyncio.fixture(loop_scope="module")
async def session(market: Market) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(market.address, headers=market.headers) as session:
        yield session


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(f"/api/v1/{path}") as response:
        assert response.status == 200, path
        return await response.json()


# -- refused ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}, {"Cookie": f"{COOKIE}=x"}])
async def test_strangers_get_nothing(market: Market, path: str, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession(market.address, headers=headers) as session, session.get(f"/api/v1/{path}") as response:
        assert (response.status, await response.json()) == (401, {"error": "unauthorised"})
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "example.org:127.0.0.1"])
async def test_other_host_names_are_not_served(market: Market, host: str) -> None:
    headers = {**market.headers, "Host": host}
    async with aiohttp.ClientSession(market.address, headers=headers) as session, session.get("/api/v1/summary") as response:
        assert (response.status, await response.read()) == (421, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("meters/1SGW0019999999/registers", 404),
        ("days?meter=other", 404),
        ("days", 404),
        (f"days?meter={METER}&day=2026-13-01", 400),
        (f"days?meter={METER}&day=9999-12-31", 400),
        (f"meters/{METER}/readings?from=2026-11-20&to=2026-11-22", 400),
        (f"meters/{METER}/readings?obis=1-0:1.8.0&from=yesterday&to=2026-11-22", 400),
        (f"meters/{METER}/readings?obis=1-0:1.8.0&from=2026-11-20", 400),
        (f"meters/{METER}/readings?obis=1-0:1.8.0&from=0001-01-01&to=9999-12-31", 400),
        (f"meters/{METER}/days/today.csv", 400),
        ("inbox?limit=-1", 400),
        ("inbox?before=x", 400),
        ("inbox/999/message", 404),
        ("inbox/" + "9" * 30 + "/message", 404),
        ("inbox/../message", 404),
    ],
)
async def test_bad_questions_get_a_clear_answer(session: aiohttp.ClientSession, path: str, status: int) -> None:
    async with session.get(f"/api/v1/{path}") as response:
        assert response.status == status
    assert (await get(session, "summary"))["deliveries"] == 2


async def test_nothing_can_be_changed(session: aiohttp.ClientSession) -> None:
    for method in ("POST", "PUT", "DELETE"):
        async with session.request(method, "/api/v1/summary") as response:
            assert response.status == 405


# -- answered ---------------------------------------------------------------------------------------------------------------------------


async def test_health_needs_no_token(market: Market) -> None:
    async with aiohttp.ClientSession(market.address) as session:
        for path, body in (("/healthz", {"status": "ok"}), ("/readyz", {"ready": True})):
            async with session.get(path) as response:
                assert (response.status, await response.json()) == (200, body)
                assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_the_summary_counts_and_names_complete_days(session: aiohttp.ClientSession) -> None:
    summary = await get(session, "summary")
    assert {name: summary[name] for name in ("deliveries", "readings", "rejected")} == {"deliveries": 2, "readings": 195, "rejected": 0}
    assert sorted((day["obis"], day["day"], day["complete"]) for day in summary["complete_days"]) == [
        ("1-0:1.8.0*255", "2026-11-21", True),
        ("1-0:2.8.0*255", "2026-11-21", True),
    ]


async def test_meters_show_their_last_value(session: aiohttp.ClientSession) -> None:
    (meter,) = await get(session, "meters")
    assert (meter["meter_id"], meter["gateway_id"], meter["period_s"]) == (METER, "ESGW0000000001", 900)
    assert meter["registers"] == await get(session, f"meters/{METER}/registers")
    importing, exporting = meter["registers"]
    assert (importing["obis"], importing["last"]["value"], importing["last"]["valid"]) == (IMPORT, None, False)
    assert (exporting["last"]["raw"], exporting["last"]["scaler"], exporting["last"]["value"]) == (11_344, -1, "1134.4")


async def test_readings_are_exact_and_end_before_the_end(session: aiohttp.ClientSession) -> None:
    opening, closing = day_bounds(DAY)
    path = f"meters/{METER}/readings?obis={IMPORT}&from={utc_text(opening)}&to={utc_text(closing)}"
    values = (await get(session, path))["values"]
    sent = [one.reading for one in day_readings() if str(one.reading.obis) == IMPORT][:-1]
    assert [(value["target_time"], value["raw"], value["value"]) for value in values] == [
        (utc_text(one.target_time), one.raw, str(Decimal(one.raw or 0).scaleb(-1))) for one in sent
    ]
    assert {value["status"] for value in values} == {"0000000500000004"}


async def test_completeness_of_a_day(session: aiohttp.ClientSession) -> None:
    (importing, _) = await get(session, f"days?meter={METER}&day={DAY}")
    assert importing == {
        "meter_id": METER,
        "obis": IMPORT,
        "day": "2026-11-21",
        "expected": 96,
        "present": 96,
        "valid": 96,
        "contradicted": 0,
        "opening": True,
        "complete": True,
    }
    days = {(day["obis"], day["day"]): day for day in await get(session, f"days?meter={METER}")}
    assert days[IMPORT, "2026-11-22"]["present"] == 0


async def test_a_day_as_csv(session: aiohttp.ClientSession) -> None:
    async with session.get(f"/api/v1/meters/{METER}/days/{DAY}.csv?obis={IMPORT}") as response:
        assert response.content_type == "text/csv"
        assert f"{METER}_2026-11-21.csv" in response.headers["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    assert len(rows) == 97
    assert rows[1] == {
        "meter_id": METER,
        "obis": IMPORT,
        "target_time_utc": "2026-11-20T23:15:00Z",
        "target_time_local": "2026-11-21T00:15:00+01:00",
        "value": "1000.7",
        "unit": "Wh",
        "status": "0000000500000004",
        "valid": "yes",
        "revision": "0",
        "capture_time_utc": "2026-11-20T23:15:00.250000Z",
        "message": "1",
    }


async def test_the_evidence_is_the_message_as_it_came(session: aiohttp.ClientSession) -> None:
    newest, oldest = await get(session, "inbox")
    assert [one["number"] for one in await get(session, f"inbox?before={newest['number']}")] == [oldest["number"]]
    assert (oldest["signer"], oldest["readings"], oldest["stored"]) == ("ESGW0000000001.SMGW", 194, 194)
    async with session.get(f"/api/v1/inbox/{oldest['number']}/message") as response:
        assert await response.read() == message()
