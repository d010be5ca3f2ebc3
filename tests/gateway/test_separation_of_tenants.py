"""No way leads to another consumer's data: every interface is walked with every name of the others, looking for what is theirs."""

import itertools
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import msgspec
import pytest
from tests.gateway import tenants
from tests.gateway.han.consumer_gateway import CONSUMER, OTHER_CONSUMER, ConsumerGateway, running_gateway
from tests.gateway.management_channel import Channel
from tests.gateway.tenants import ANNA, BEN, CLEO, DEALS, METERS, TENANTS, Tenant, leaks

from smgw.core.log_event import Log
from smgw.core.profiles import PROFILE_KINDS
from smgw.gateway.exports import DeviceFacts, ExportFormat, ExportRequest, export_parts
from smgw.gateway.han.m2m import DATABASES, M2mCalls
from smgw.storage.journal import Journal
from smgw.storage.journal_export import ExportAbout

pytestmark = pytest.mark.req("CON-03", "LMN-07")

MOST_PAGES = 250


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsumerGateway]:
    with running_gateway(tmp_path_factory.mktemp("tenants")) as gateway:
        gateway.inside(lambda: tenants.fill(gateway.journal))
        yield gateway


def client(gateway: ConsumerGateway, tenant: Tenant) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, auth=httpx.DigestAuth(tenant.user, tenant.password), verify=False)


def aliases(name: str) -> set[str]:
    """Spell a name in every form that an interface might take."""
    bare = name.removesuffix(".sm")
    forms = {
        name,
        bare,
        f"{bare}.sm",
        f"01005e318021.{bare}.sm",
        f"01005e318021.{bare}",
        f"01005E318021.{bare}.SM",
        f"01005e318011.{bare}.sm",
    }
    forms |= {form.upper() for form in forms} | {f" {name}", f"{name} ", f"./{name}", f"{name}%00", name.encode().hex()}
    return forms


def names() -> list[str]:
    """Collect everything that names a contract, a consumer or a meter of anybody."""
    found = {name for deal in DEALS for name in aliases(deal.profile_id)}
    found |= {tenants.name_of(deal) for deal in DEALS} | {tenants.metering_point(deal) for deal in DEALS}
    found |= {name for tenant in TENANTS for name in (tenant.consumer_id, tenant.user)}
    found |= {
        form
        for meter in METERS.values()
        for form in (meter.meter_id, meter.meter_id.lower(), f"{meter.meter_id.lower()}.sm", meter.server_id)
    }
    return [*sorted(found), "", "*", "%", "taf7-1.sm", CONSUMER]


def requests(tenant: Tenant) -> Iterator[dict[str, object]]:
    """Make every call with every name, database, register and range."""
    everything = {"fromtime": "2026-11-01T00:00:00Z", "totime": "2026-12-01T00:00:00Z"}
    ranges: list[dict[str, object]] = [{"last-reading": "true"}, dict(everything), {"fromtime": "1970-01-01", "totime": "1970-01-31"}]
    move = tenants.SECOND_MOVE
    around = [(move - timedelta(minutes=1), move), (move, move + tenants.HOUR), (move - tenants.HOUR, move - timedelta(seconds=1))]
    ranges += [{"fromtime": f"{start:%Y-%m-%dT%H:%M:%SZ}", "totime": f"{end:%Y-%m-%dT%H:%M:%SZ}"} for start, end in around]
    channels: list[object] = [None, [{"channel": "0100010800ff"}, {"channel": "0100020800ff"}, {"channel": "0100100700ff"}]]
    channels += [[{"channel": f"0100010800ff.{meter.meter_id.lower()}.sm"}, {"channel": "1-0:2.8.0*255"}] for meter in METERS.values()]
    for method in ("smgw-info", "user-info", "self-test", "usage-points", "users"):
        yield {"method": method}
        yield {"method": method, "usage-point-id": DEALS[3].profile_id, "user": BEN.user, "consumer-id": BEN.consumer_id}
    for name in names():
        yield {"method": "usage-point-info", "usage-point-id": name}
        for database in (*DATABASES, "all"):
            yield {"method": "usage-point-info", "usage-point-id": name, "database": database}
            for chosen, span in itertools.product(channels[:2], ranges[:2]):
                yield {"method": "readings", "usage-point-id": name, "database": database, "channels": chosen, **span}
    for deal in DEALS:
        for chosen, span in itertools.product(channels, ranges):
            yield {"method": "readings", "usage-point-id": deal.profile_id, "database": "origin", "channels": chosen, **span}
    for number in (1, 2, 59, 60, 61, 1500, 10**6):
        yield {"method": "log", "fromindex": number}
        yield {"method": "log", "count": number}
        yield {"method": "log", "fromindex": number, "count": 3, "usage-point-id": BEN.consumer_id, "user": BEN.user}
    yield {"method": "log", **everything}
    yield {"method": "log", "consumer": CLEO.consumer_id, "scope": CLEO.consumer_id}


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.user)
def test_the_machine_interface_answers_with_own_data_only(gateway: ConsumerGateway, tenant: Tenant) -> None:
    def ask() -> tuple[int, int, list[tuple[object, list[str]]]]:
        seconds = iter(range(0, 10**9, 1000))
        calls = M2mCalls(gateway.data, seconds=lambda: next(seconds), shown=lambda _: None)
        consumer = gateway.data.consumer_by_user(tenant.user)
        assert consumer is not None
        found, answered, asked = [], 0, 0
        for request in requests(tenant):
            body = {name: value for name, value in request.items() if value is not None}
            reply = calls.call(consumer, msgspec.json.encode(body))
            asked, answered = asked + 1, answered + (reply.status == 200)
            # What was asked for may be repeated in the refusal; everything else must be the consumer's own.
            shown = reply.body.decode()
            for text in (value for value in body.values() if isinstance(value, str) and value):
                shown = shown.replace(msgspec.json.encode(text).decode().strip('"')[:60], "") if reply.status != 200 else shown
            found += [(body, what)] if (what := leaks(shown, tenant)) else []
        return asked, answered, found

    asked, answered, found = gateway.inside(ask)
    assert asked > 3000 and answered > 100
    assert found == []


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.user)
def test_own_data_is_there_to_be_found(gateway: ConsumerGateway, tenant: Tenant) -> None:
    """A walk that finds nothing because nothing is shown proves nothing: another reader would see all of it."""
    with client(gateway, tenant) as web:
        address = web.get("/smgw/m2m").headers["Location"]
        own = web.post(address, json={"method": "user-info"}).text + web.post(address, json={"method": "log"}).text
        for deal in (deal for deal in DEALS if deal.tenant is tenant and deal.taf == 7):
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


def test_addresses_of_other_consumers_do_not_exist(gateway: ConsumerGateway) -> None:
    for tenant in TENANTS:
        with client(gateway, tenant) as web:
            for other in (*(other for other in TENANTS if other is not tenant),):
                for name in aliases(other.consumer_id) | aliases(other.user):
                    reply = web.post(f"/smgw/m2m/{name}/json", json={"method": "user-info"})
                    assert reply.status_code == 404
                    assert leaks(reply.text, tenant) == []


class Walk:
    """Follow every link of the pages, and try each address with the others' names in its query."""

    def __init__(self, web: httpx.Client, tenant: Tenant) -> None:
        self.web, self.tenant = web, tenant
        self.seen: set[str] = set()
        self.waiting = ["/"]
        self.shown: dict[str, httpx.Response] = {}

    def run(self) -> None:
        while self.waiting and len(self.shown) < MOST_PAGES:
            address = self.waiting.pop(0)
            kind = self._kind(address)
            if kind in self.seen or "/logout" in address or "/static/" in address:
                continue
            self.seen.add(kind)
            reply = self.web.get(address)
            self.shown[address] = reply
            links = re.findall(r'(?:href|src|action)="([^"]+)"', reply.text) if "html" in reply.headers.get("content-type", "") else []
            for link in links:
                target = urljoin(address, link.replace("&amp;", "&"))
                if target.startswith("/"):
                    self.waiting.append(target)
                    self.waiting += self._bent(target)

    def _kind(self, address: str) -> str:
        """Take pages that differ in the day alone for one, but for a few days around the moves."""
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        day = query.get("day") or query.get("from") or ""
        if re.fullmatch(r"\d{4}-\d\d-\d\d", day) and not "2026-11-17" <= day <= "2026-11-22":
            query = {name: "past" if value == day else value for name, value in query.items()}
        query.pop("lang", None)
        return f"{parts.path}?{urlencode(sorted(query.items()))}"

    def _bent(self, address: str) -> list[str]:
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        bent = []
        for deal in DEALS:
            for name in (deal.profile_id, deal.profile_id.upper(), f"01005e318021.{deal.profile_id}"):
                bent.append(f"{parts.path}?{urlencode({**query, 'contract': name})}")
        for key in query:
            bent += [
                f"{parts.path}?{urlencode({**query, key: value})}" for value in (BEN.consumer_id, METERS[2].meter_id, "0", "-1", "9999")
            ]
        for key in ("consumer", "user", "meter", "page", "scope"):
            bent += [
                f"{parts.path}?{urlencode({**query, key: value})}"
                for value in (ANNA.consumer_id, CLEO.consumer_id, METERS[5].meter_id, "2")
            ]
        return bent[:60] if "day" not in query else bent[:12]


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.user)
def test_every_page_with_every_query_shows_own_data_only(gateway: ConsumerGateway, tenant: Tenant) -> None:
    with client(gateway, tenant) as web:
        walk = Walk(web, tenant)
        walk.run()
    assert len(walk.shown) > 60
    assert {urlsplit(address).path for address, reply in walk.shown.items() if reply.status_code == 200} >= {
        "/",
        "/readings",
        "/contracts",
        "/log",
    }
    assert {reply.status_code for reply in walk.shown.values()} <= {200, 303, 400, 404, 405}
    found = {}
    for address, reply in walk.shown.items():
        shown = reply.content.decode(errors="replace") + str(reply.headers)
        for value in parse_qsl(urlsplit(address).query):
            # An address may stand in the page again, as the link to its other language.
            shown = shown.replace(urlencode([value]), "")
        if what := leaks(shown, tenant):
            found[address] = what
    assert found == {}


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.user)
def test_an_export_for_a_consumer_holds_own_data_only(gateway: ConsumerGateway, tenant: Tenant) -> None:
    deals = [deal for deal in DEALS if deal.tenant is tenant]
    about = ExportAbout("EBSI0012345678", "2026-11-21T13:17:20Z", tenant.consumer_id)
    facts = DeviceFacts("0.1.0", ())
    wanted: list[tuple[ExportFormat, tuple[str, ...], str]] = [(ExportFormat.JSON, ("readings", "registers", "consumer"), "")]
    wanted += [(ExportFormat.CSV, (chain,), "") for chain in ("readings", "registers", "consumer")]
    wanted += [(ExportFormat.CONEXA, ("consumer",), ""), *((ExportFormat.TRUDI, (), deal.profile_id) for deal in deals)]

    def write() -> list[bytes]:
        journal: Journal = gateway.journal
        return [b"".join(export_parts(journal, form, ExportRequest(chains, about, contract), facts)) for form, chains, contract in wanted]

    for (form, chains, contract), data in zip(wanted, gateway.inside(write), strict=True):
        text = data.decode()
        hexed = "".join(bytes.fromhex(found).decode("latin-1") for found in re.findall(r'"record":"([0-9a-f]+)"', text))
        assert leaks(text + hexed, tenant) == [], (form, chains, contract)
        assert len(text) > 100 or chains == ("registers",)
        if form is ExportFormat.TRUDI:
            deal = next(deal for deal in deals if deal.profile_id == contract)
            values = re.findall(r"<espi:value>(\d+)</espi:value>", text)
            assert len(values) > 90
            assert {value[:4] for value in values} <= {str(deal.mark), str(tenants.HANDED_OVER)}


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
    resources = ["state", "log/system", "log/calibration", "log/system/1", "log/system/2", *(f"rts/{kind}" for kind in PROFILE_KINDS)]
    resources += [f"log/{name}" for tenant in TENANTS for name in ("consumer", f"consumer/{tenant.consumer_id}", tenant.consumer_id)]
    resources += [f"rts/evaluation/{deal.profile_id}" for deal in DEALS] + [f"{kind}/1" for kind in ("readings", "registers", "consumer")]
    for method, resource in itertools.product(("GET", "PUT", "POST", "DELETE"), resources):
        answer = channel.ask(channel.command(method, resource, {"contract": DEALS[0].profile_id}))
        text = bytes(answer.body).decode()
        assert not [deal for deal in DEALS if re.search(rf"(?<!\d){deal.mark}\d{{6}}(?!\d)", text)], resource
        assert not [tenant for tenant in TENANTS if tenants.log_text(tenant) in text], resource
    assert {"administrator_read", "command_rejected"} <= set(channel.events())
    channel.journal.close()


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
        tenants.log_text(BEN),
    ):
        assert leaks(shown, ANNA) != [], shown
        assert leaks(shown, BEN) == []
    assert leaks(f"{tenants.value_at(7411, moment)} {METERS[3].meter_id} {tenants.HANDED_OVER}000111", ANNA) == []
