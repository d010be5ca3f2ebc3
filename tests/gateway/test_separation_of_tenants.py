"""No way leads to another consumer's data: every interface is walked with every name of the others, looking for what is theirs.

What there is to be walked is found out, not listed: a new route, call, query or form of export is walked as soon as it is there.
"""

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiohttp import web
from tests.gateway import tenants
from tests.gateway.han.consumer_gateway import CONSUMER, OTHER_CONSUMER, ConsumerGateway, running_gateway
from tests.gateway.management_channel import Channel
from tests.gateway.tenant_walks import CallWalk, Walk, aliases, recorded, routes
from tests.gateway.tenants import DEALS, EAST, METERS, TENANTS, WEST, Tenant, leaks

from smgw.core.errors import ConfigError
from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS
from smgw.gateway.exports import DeviceFacts, ExportFormat, ExportRequest, export_parts
from smgw.gateway.han.journal_data import JournalData
from smgw.gateway.han.m2m import M2mCalls
from smgw.gateway.han.pages import Pages
from smgw.gateway.wan.routes import ROUTES
from smgw.storage.journal_export import EXPORTED, ExportAbout

pytestmark = pytest.mark.req("CON-03", "LMN-07")

each_tenant = pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.user)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsumerGateway]:
    with running_gateway(tmp_path_factory.mktemp("tenants")) as gateway:
        gateway.inside(lambda: tenants.fill(gateway.journal))
        yield gateway


def client(gateway: ConsumerGateway, tenant: Tenant | None) -> httpx.Client:
    auth = httpx.DigestAuth(tenant.user, tenant.password) if tenant else None
    return httpx.Client(base_url=gateway.url, auth=auth, verify=False)


# ------------------------------------------------------------------------------------------------- the checks find leaks


def test_the_check_itself_sees_a_leak_in_every_dress() -> None:
    value = tenants.value_at(7421, tenants.NOW)
    moment = datetime(2026, 11, 20, tzinfo=tenants.NOW.tzinfo)
    for shown in (
        f'{{"value":"{value}"}}',
        f"<td>{value / 10_000:,.4f} kWh</td>",
        f"<td>{value / 10_000:,.4f}".replace(",", "\u202f").replace(".", ","),
        f"{value // 10}.{value % 10} Wh",
        METERS[2].meter_id.lower(),
        f"01005e318021.{DEALS[3].profile_id}".upper(),
        DEALS[3].profile_id.encode().hex(),
        tenants.log_text(WEST),
    ):
        assert leaks(shown, EAST) != [], shown
        assert leaks(shown, WEST) == []
    assert leaks(f"{tenants.value_at(7411, moment)} {METERS[3].meter_id} {tenants.HANDED_OVER}000111", EAST) == []


def test_a_new_page_that_shows_too_much_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One shows the newest value of whatever meter is named, one the contracts of whatever consumer."""
    known = Pages.routes

    def with_leaks(pages: Pages) -> list[web.RouteDef]:
        data: Any = pages._data

        async def newest(request: web.Request) -> web.Response:
            pages._access.browser(request)
            found = data._journal.last_reading(request.query.get("device", ""), tenants.IMPORT)
            return web.Response(text="" if found is None else str(found.reading.raw))

        async def house(request: web.Request) -> web.Response:
            pages._access.browser(request)
            return web.Response(text=" ".join(one.profile.metering_point_id for one in data.contracts(request.match_info["name"])))

        return [web.get("/newest", newest), web.get("/house/{name}", house), *known(pages)]

    monkeypatch.setattr(Pages, "routes", with_leaks)
    with running_gateway(tmp_path) as gateway, client(gateway, WEST) as web_client, recorded() as asked:
        gateway.inside(lambda: tenants.fill(gateway.journal))
        ways = [way for way in routes(gateway) if way[1] in ("/newest", "/house/{name}")]
        found = Walk(web_client, WEST, asked).run(ways).found
    assert {way.split("?")[0].rpartition("/")[0] for way in found} == {"GET ", "GET /house"}
    assert {what.partition(" of ")[0] for facts in found.values() for what in facts} == {"value", "metering point"}


def test_a_new_call_that_shows_too_much_is_found(gateway: ConsumerGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    known: Callable[..., None] = M2mCalls.__init__

    def with_leak(calls: Any, *arguments: Any, **options: Any) -> None:
        known(calls, *arguments, **options)
        calls._methods["newest"] = lambda _, request: {
            "value": str(found.reading.raw) if (found := gateway.journal.last_reading(request.usage_point_id or "", tenants.IMPORT)) else ""
        }

    monkeypatch.setattr(M2mCalls, "__init__", with_leak)
    found = gateway.inside(lambda: CallWalk(gateway, WEST).run().found)
    assert found
    assert all("'newest'" in call for call in found)


@each_tenant
def test_own_data_is_there_to_be_found(gateway: ConsumerGateway, tenant: Tenant) -> None:
    """A walk that finds nothing because nothing is shown proves nothing: another reader would see all of it."""
    with client(gateway, tenant) as web:
        address = web.get("/smgw/m2m").headers["Location"]
        own = web.post(address, json={"method": "user-info"}).text + web.post(address, json={"method": "log"}).text
        for deal in (deal for deal in DEALS if deal.tenant is tenant and deal.taf == 7 and deal.start < tenants.NOW):
            body = {
                "method": "readings",
                "usage-point-id": deal.profile_id,
                "database": "origin",
                "fromtime": "2026-11-01",
                "totime": "2026-12-01",
            }
            shown = web.post(address, json=body).json()["readings"]["channels"][0]["readings"]
            assert {item["value"][:4] for item in shown} <= {str(deal.mark), str(tenants.HANDED_OVER)}
            assert len(shown) > 90
            own += str(shown)
    strangers = [other for other in TENANTS if other is not tenant]
    seen = {what.rpartition(": ")[2] for stranger in strangers for what in leaks(own, stranger) if f" of {tenant.user}:" in what}
    missing = {word for word, what in tenants.secrets_of(tenant).items() if what not in ("server id", "user name") and word not in seen}
    assert missing == set()


# --------------------------------------------------------------------------------------------------- consumer interface


def test_every_route_with_everything_that_it_reads_shows_own_data_only(gateway: ConsumerGateway) -> None:
    """West moved in where East lived, North where West lived; and West is to follow North."""
    with client(gateway, WEST) as web_client, recorded() as asked:
        walk = Walk(web_client, WEST, asked).run(routes(gateway))
    assert walk.found == {}
    assert walk.shown > 300
    assert walk.answered >= {"/", "/readings", "/contracts", "/log", "/device"}
    assert walk.read["/readings"] >= {"contract", "day"}


def test_without_a_log_in_nothing_of_anybody_is_shown(gateway: ConsumerGateway) -> None:
    with client(gateway, None) as web_client, recorded() as asked:
        walk = Walk(web_client, None, asked).run(routes(gateway))
    assert walk.found == {}
    assert walk.answered <= {"/static/{tag}/{name}", "/logout"}


@each_tenant
def test_every_call_with_every_member_answers_with_own_data_only(gateway: ConsumerGateway, tenant: Tenant) -> None:
    walk = gateway.inside(lambda: CallWalk(gateway, tenant).run())
    assert walk.found == {}
    assert min(walk.answers.values()) > 0
    assert sum(walk.answers.values()) > 100


def test_addresses_of_other_consumers_do_not_exist(gateway: ConsumerGateway) -> None:
    with client(gateway, EAST) as web_client:
        for other in (other for other in TENANTS if other is not EAST):
            for name in aliases(other.consumer_id) | aliases(other.user):
                reply = web_client.post(f"/smgw/m2m/{name}/json", json={"method": "user-info"})
                assert reply.status_code == 404
                assert leaks(reply.text, EAST) == []


# -------------------------------------------------------------------------------------------------- queries and exports

_FAR = {"after": tenants.FIRST - timedelta(days=99), "until": tenants.NOW + timedelta(days=99)}
_NO_SCOPE = frozenset({"consumer_by_user", "consumer_by_id", "consumer_by_certificate", "gateway_info", "record", "start_self_test"})
"""What is asked before anybody is logged in, describes the gateway, or gives nothing back."""


@each_tenant
def test_every_query_of_the_journal_keeps_to_its_consumer(gateway: ConsumerGateway, tenant: Tenant) -> None:
    """A query whose scope can't be told from its parameters fails: give it a consumer or a contract."""
    queries = {name: query for name, query in inspect.getmembers(JournalData, inspect.isfunction) if not name.startswith("_")}
    own = {"consumer_id": [tenant.consumer_id], "contract": gateway.inside(lambda: gateway.data.contracts(tenant.consumer_id))}
    for name in queries.keys() - _NO_SCOPE:
        parameters = [one for one in inspect.signature(queries[name]).parameters.values() if one.name != "self"]
        (scope,) = own.keys() & {one.name for one in parameters}
        others: dict[str, Any] = {"obis": [tenants.IMPORT, tenants.EXPORT], **_FAR}
        rest = {one.name: others[one.name] for one in parameters if one.default is inspect.Parameter.empty and one.name != scope}
        for value in own[scope]:
            query = functools.partial(getattr(gateway.data, name), **{scope: value}, **rest)
            found = gateway.inside(query)
            assert found or name in ("registers", "current", "credit") or (scope == "contract" and value.state == "ready")
            assert leaks(str(msgspec.to_builtins(found, enc_hook=str)), tenant) == [], name
            assert leaks(str(found), tenant) == [], name


def test_the_consumer_interface_reaches_the_journal_through_those_queries_alone() -> None:
    folder = Path(inspect.getfile(JournalData)).parent
    users = {path.name for path in folder.glob("*.py") if re.search(r"import .*\bJournal\b|\._journal\b|sqlite|apsw", path.read_text())}
    assert users == {"journal_data.py"}


@each_tenant
def test_every_export_for_a_consumer_holds_own_data_only(gateway: ConsumerGateway, tenant: Tenant) -> None:
    """Whatever chains and contract are asked for, in whatever form; what a form can't hold is refused."""
    about = ExportAbout("EBSI0012345678", "2026-11-21T13:17:20Z", tenant.consumer_id)
    chains = [
        (),
        *((kind,) for kind in EXPORTED),
        *itertools.combinations(EXPORTED, 2),
        tuple(EXPORTED),
        ("readings", "registers", "consumer"),
    ]
    wanted = [(form, kinds, "") for form in ExportFormat for kinds in chains]
    wanted += [(ExportFormat.TRUDI, (), deal.profile_id) for deal in DEALS]
    written = set()

    def write(form: ExportFormat, kinds: tuple[str, ...], contract: str) -> bytes | None:
        try:
            return b"".join(export_parts(gateway.journal, form, ExportRequest(kinds, about, contract), DeviceFacts("0.1.0", ())))
        except ConfigError:
            return None

    for form, kinds, contract in wanted:
        data = gateway.inside(lambda form=form, kinds=kinds, contract=contract: write(form, kinds, contract))
        text = (data or b"").decode()
        hexed = "".join(bytes.fromhex(found).decode("latin-1") for found in re.findall(r'"record":"([0-9a-f]+)"', text))
        assert leaks(text + hexed, tenant) == [], (form, kinds, contract)
        if data is not None:
            written.add((form, *kinds, contract))
    own = {(ExportFormat.TRUDI, deal.profile_id) for deal in DEALS if deal.tenant is tenant}
    assert written >= own | {(form, "consumer", "") for form in ExportFormat if form is not ExportFormat.TRUDI}
    assert not any("system" in one or "calibration" in one for one in written)
    assert {one for one in written if one[0] is ExportFormat.TRUDI} == own


def test_what_is_read_of_a_contract_is_logged_for_its_consumer_alone(gateway: ConsumerGateway) -> None:
    def words(tenant: Tenant) -> str:
        return str([msgspec.to_builtins(stored.entry) for stored in gateway.consumer_log(tenant.consumer_id)])

    for tenant in TENANTS:
        with client(gateway, tenant) as web:
            assert web.get("/readings").status_code == 200
    for tenant in TENANTS:
        assert leaks(words(tenant), tenant) == []
    for household in (CONSUMER, OTHER_CONSUMER):
        assert "canary" not in str([msgspec.to_builtins(stored.entry) for stored in gateway.consumer_log(household)])


@pytest.mark.req("ADM-11")
def test_the_logs_of_the_administrator_hold_no_value_and_no_consumers_log(gateway: ConsumerGateway) -> None:
    marks = {str(deal.mark) for deal in DEALS}
    for log in (Log.SYSTEM, Log.CALIBRATION):
        text = str([msgspec.to_builtins(stored.entry) for stored in gateway.inside(lambda log=log: gateway.journal.log(log))])
        assert not [mark for mark in marks if re.search(rf"(?<!\d){mark}\d{{6}}(?!\d)", text)]
        assert not [tenant for tenant in TENANTS if tenants.log_text(tenant) in text]


@pytest.mark.req("ADM-11")
def test_no_command_of_the_administrator_brings_values_or_a_consumers_log(tmp_path: Path) -> None:
    channel = Channel(tmp_path / "journal.db")
    tenants.fill(channel.journal)
    ends = ["", "/1", f"/{DEALS[0].profile_id}", f"/{TENANTS[1].consumer_id}", f"/{METERS[2].meter_id}"]
    resources = {(method, "/".join(parts) + end) for method, *parts in ROUTES for end in ends}
    resources |= {("GET", f"log/{name}") for tenant in TENANTS for name in ("consumer", f"consumer/{tenant.consumer_id}")}
    resources |= {("GET", f"{kind}/1") for kind in (*EXPORTED, *PROFILE_KINDS)}
    for method, resource in sorted(resources):
        answer = channel.ask(channel.command(method, resource, {"contract": DEALS[0].profile_id}))
        text = bytes(answer.body).decode()
        assert not [deal for deal in DEALS if re.search(rf"(?<!\d){deal.mark}\d{{6}}(?!\d)", text)], resource
        assert not [tenant for tenant in TENANTS if tenants.log_text(tenant) in text], resource
    assert {"administrator_read", "command_rejected"} <= set(channel.events())
    channel.journal.close()
