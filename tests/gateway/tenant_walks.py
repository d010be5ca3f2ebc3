"""Walks over everything that the consumer interface offers, found out by looking: routes, what each reads of a request, M2M calls."""

import re
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from aiohttp import web
from tests.gateway import tenants
from tests.gateway.han.consumer_gateway import CONSUMER, ConsumerGateway
from tests.gateway.tenants import DEALS, METERS, TENANTS, Tenant, leaks

from smgw.core.profiles import ConsumerProfile
from smgw.gateway.han import m2m
from smgw.gateway.han.m2m import DATABASES, M2mCalls

DAYS = ("2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21")
"""With the moves of meter 3 in between."""
NUMBERS = ("0", "-1", "2", "9999")


def aliases(name: str) -> set[str]:
    """Spell a name in every form that an interface might take."""
    bare = name.removesuffix(".sm")
    forms = {name, bare, f"01005e318021.{bare}.sm", f"01005e318021.{bare}", f"01005E318021.{bare}.SM", f"01005e318011.{bare}.sm"}
    return forms | {form.upper() for form in forms} | {f" {name}", f"{name} ", f"./{name}", f"{name}%00", name.encode().hex()}


def every_name() -> list[str]:
    """Give everything that names a contract, a consumer or a meter of anybody, in every spelling."""
    found = {name for deal in DEALS[:4] for name in aliases(deal.profile_id)} | {deal.profile_id for deal in DEALS}
    found |= {tenants.name_of(deal) for deal in DEALS} | {tenants.metering_point(deal) for deal in DEALS}
    found |= {name for tenant in TENANTS for name in (tenant.consumer_id, tenant.user)}
    for meter in METERS.values():
        found |= {meter.meter_id, meter.meter_id.lower(), f"{meter.meter_id.lower()}.sm", meter.server_id}
    return [*sorted(found), "", "*", "%", "taf7-1.sm", CONSUMER]


def foreign_names(tenant: Tenant) -> list[str]:
    """Give one name of each kind of each other consumer."""
    found = []
    for other in (other for other in TENANTS if other is not tenant):
        deals = [deal for deal in DEALS if deal.tenant is other]
        found += [deals[0].profile_id, deals[1].profile_id, other.consumer_id, other.user, METERS[deals[0].meter].meter_id]
    return found


def own_contracts(tenant: Tenant) -> list[str]:
    """Give the ids of a consumer's contracts."""
    return [deal.profile_id for deal in DEALS if deal.tenant is tenant]


class _Recorded(Mapping[str, Any]):
    """Stand for the values of a request, and write down which of them are asked for."""

    def __init__(self, values: Mapping[str, Any], asked: set[str]) -> None:
        self._values, self._asked = values, asked

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, method: str) -> Any:
        def note(name: str, *default: Any) -> Any:
            self._asked.add(name)
            return getattr(self._values, method)(name, *default)

        return note


@contextmanager
def recorded() -> Iterator[set[str]]:
    """Give the names that the server reads out of queries and forms, as long as the context lasts."""
    asked: set[str] = set()
    form = web.BaseRequest.post

    async def post(request: web.BaseRequest) -> Any:
        return _Recorded(await form(request), asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web.BaseRequest, "query", property(lambda request: _Recorded(request.rel_url.query, asked)))
        patch.setattr(web.BaseRequest, "post", post)
        yield asked


def routes(gateway: ConsumerGateway) -> list[tuple[str, str]]:
    """List method and path pattern of everything that the server answers."""
    found = []
    for route in gateway.server._runner.app.router.routes():
        assert route.resource is not None
        methods = ("GET", "POST", "PUT", "DELETE") if route.method == "*" else (route.method,)
        found += [(method, route.resource.canonical) for method in methods]
    return sorted(set(found), key=lambda route: (route[1] == "/logout", route))


class Walk:
    """Ask every route as one consumer, with each value that it reads taken from the others."""

    def __init__(self, web_client: httpx.Client, tenant: Tenant | None, asked: set[str]) -> None:
        self._web, self._tenant, self._asked = web_client, tenant, asked
        self._known: set[str] = set()
        self.shown = 0
        self.answered: set[str] = set()
        """Path patterns that gave something."""
        self.read: dict[str, set[str]] = {}
        """Path pattern -> names of what it reads."""
        self.found: dict[str, list[str]] = {}
        """Request -> what it gave away."""

    def run(self, ways: list[tuple[str, str]]) -> "Walk":
        """Ask everything that some routes offer."""
        for method, pattern in ways:
            for number, path in enumerate(self._paths(pattern)):
                status = self._ask(method, pattern, path, {})
                if number == 0 or status == 200:
                    self._explore(method, pattern, path, status)
        return self

    def _paths(self, pattern: str) -> Iterator[str]:
        holes = re.findall(r"\{(\w+)[^}]*\}", pattern)
        names = ["x", *(foreign_names(self._tenant) if self._tenant else [TENANTS[0].consumer_id, TENANTS[0].user])] if holes else [""]
        for name in [*names, *([f"01005e318011.{self._tenant.consumer_id}"] if holes and self._tenant else [])]:
            yield re.sub(r"\{\w+[^}]*\}", quote(name), pattern)

    def _explore(self, method: str, pattern: str, path: str, plain: int) -> None:
        """Ask with each name that was read so far; where an own contract chooses something, with each other value beside it."""
        tried: set[str] = set()
        selectors: dict[str, str] = {}
        while waiting := sorted(self.read[pattern] - tried):
            for name in waiting:
                tried.add(name)
                status = {value: self._ask(method, pattern, path, {name: value}) for value in self._values()}
                own = own_contracts(self._tenant) if self._tenant else []
                if plain == 200 and own and status[own[0]] == 200 and status["x"] != 200:
                    selectors[name] = own[0]
        for selector in selectors:
            for contract in own_contracts(self._tenant) if self._tenant else []:
                for name in sorted(tried - {selector}):
                    for value in (*DAYS, "2"):
                        self._ask(method, pattern, path, {selector: contract, name: value})

    def _values(self) -> list[str]:
        return [*(own_contracts(self._tenant) + foreign_names(self._tenant) if self._tenant else ()), "x", *DAYS, *NUMBERS]

    def _ask(self, method: str, pattern: str, path: str, values: dict[str, str]) -> int:
        self._asked.clear()
        query, form = (values, None) if method == "GET" else ({}, values)
        address = f"{path}?{urlencode(query)}" if query else path
        reply = self._web.request(method, address, data=form)
        if reply.status_code == 401 and self._tenant is not None:
            # The session is over, as after a log-out.
            self._web.cookies.clear()
            reply = self._web.request(method, address, data=form)
        self.read.setdefault(pattern, set()).update(self._asked)
        assert reply.status_code in (200, 204, 303, 307, 400, 401, 403, 404, 405), (method, address, reply.status_code)
        self.shown += 1
        if reply.status_code == 200:
            self.answered.add(pattern)
        seen = reply.content.decode(errors="replace") + str(reply.headers)
        # An address may stand in the page again, as the link to its other language.
        for repeated in (urlencode(query), path):
            seen = seen.replace(repeated, "") if len(repeated) > 1 else seen
        if what := leaks(seen, self._tenant) if seen not in self._known else []:
            self.found[f"{method} {address} {form or ''}"] = what
        self._known.add(seen)
        return reply.status_code


# ------------------------------------------------------------------------------------------------------- machine interface

_EVERYTHING = {"fromtime": "2026-11-01T00:00:00Z", "totime": "2026-12-01T00:00:00Z"}


def _channels() -> list[object]:
    plain = [{"channel": "0100010800ff"}, {"channel": "0100020800ff"}, {"channel": "0100100700ff"}]
    return [plain, *([{"channel": f"0100010800ff.{meter.meter_id.lower()}.sm"}, {"channel": "1-0:2.8.0*255"}] for meter in METERS.values())]


def _pool(name: str, kind: object) -> list[object]:
    """Give the values to try for a member of a request, by its type. An unknown type is an error: say here what to try."""
    if name == "method":
        return []
    kinds = set(typing.get_args(kind)) - {type(None)} or {kind}
    found: list[object] = []
    for one in kinds:
        if one is str:
            times = [f"2026-11-{day}T{time}Z" for day in (18, 19, 20) for time in ("11:59:59", "12:00:00", "12:00:01")]
            found += [*every_name(), *DATABASES, *times, *NUMBERS, "true"]
        elif one is int:
            found += [1, 2, 59, 60, 61, 1500, 10**6]
        elif one is bool:
            found += [True]
        elif typing.get_origin(one) is list:
            found += _channels()
        else:
            raise AssertionError(f"no values to try for {name}: {one}")
    return found


class _Watched:
    """Stand for a request, and write down which of its members a method reads."""

    def __init__(self, request: m2m._Request, read: set[str]) -> None:
        self._request, self._read = request, read

    def __getattr__(self, name: str) -> Any:
        self._read.add(name)
        return getattr(self._request, name)


class CallWalk:
    """Make every call as one consumer, with each member that it reads taken from the others."""

    def __init__(self, gateway: ConsumerGateway, tenant: Tenant) -> None:
        seconds = iter(range(0, 10**9, 1000))
        self._calls = M2mCalls(gateway.data, seconds=lambda: next(seconds), shown=lambda _: None)
        self._tenant = tenant
        consumer = gateway.data.consumer_by_user(tenant.user)
        assert consumer is not None
        self._consumer = consumer
        self._known: set[bytes] = set()
        self._read: dict[str, set[str]] = {method: set() for method in self._calls._methods}
        for name, method in list(self._calls._methods.items()):
            self._calls._methods[name] = partial(self._watched, method, self._read[name])  # type: ignore[index]
        self.answers = dict.fromkeys(self._calls._methods, 0)
        """How many answers each method had."""
        self.found: dict[str, list[str]] = {}
        """Request -> what it gave away."""

    @staticmethod
    def _watched(method: Any, read: set[str], consumer: ConsumerProfile, request: m2m._Request) -> Any:
        return method(consumer, _Watched(request, read))

    def run(self) -> "CallWalk":
        """Ask everything."""
        own = own_contracts(self._tenant)[0]
        point = {"usage-point-id": own}
        complete = {"usage-point-info": point, "readings": {**point, "database": "origin", "last-reading": "true"}}
        for method in (*self._read, "users", "usage-points"):
            self._explore(method, complete.get(method, {}))
            self._ask({"method": method, **_EVERYTHING, "consumer": self._tenant.consumer_id, "user-id": own, "scope": own})
        for request in calls_for_readings():
            self._ask(request)
        return self

    def _explore(self, method: str, complete: dict[str, str]) -> None:
        """Ask with nothing and with what the method needs, then with each value for each member that it reads."""
        self._ask({"method": method})
        self._ask({"method": method, **complete})
        members = {member.name: member for member in msgspec.structs.fields(m2m._Request)}
        tried: set[str] = set()
        while waiting := sorted(self._read.get(method, set()) - tried):
            for name in waiting:
                tried.add(name)
                for value in _pool(name, members[name].type):
                    self._ask({"method": method, **complete, members[name].encode_name: value})

    def _ask(self, request: dict[str, Any]) -> None:
        reply = self._calls.call(self._consumer, msgspec.json.encode(request))
        if reply.status == 200:
            self.answers[request["method"]] += 1
        if reply.body in self._known:
            return
        self._known.add(reply.body)
        seen = reply.body.decode() if reply.status == 200 else _without_echo(reply.body.decode(), request)
        if what := leaks(seen, self._tenant):
            self.found[str(request)] = what


def calls_for_readings() -> Iterator[dict[str, Any]]:
    """Ask for readings of everybody's contracts, of all registers, over spans that end or begin at a move."""
    move = tenants.SECOND_MOVE
    around = [(move - tenants.HOUR, move), (move, move + tenants.HOUR), (move - tenants.HOUR, move - tenants.QUARTER)]
    spans = [_EVERYTHING, *({"fromtime": f"{one:%Y-%m-%dT%H:%M:%SZ}", "totime": f"{two:%Y-%m-%dT%H:%M:%SZ}"} for one, two in around)]
    for deal in DEALS:
        point = {"method": "readings", "usage-point-id": deal.profile_id}
        for span in spans:
            yield {**point, "database": "origin", **span}
        for database in DATABASES[1:]:
            yield {**point, "database": database, **_EVERYTHING}
        for channels in _channels():
            yield {**point, "database": "origin", "channels": channels, **spans[-1]}


def _without_echo(refusal: str, request: dict[str, Any]) -> str:
    """Take out of a refusal what it repeats of the request, shortened as it may be."""
    for text in (value for value in request.values() if isinstance(value, str) and len(value) > 1):
        for length in (60, 40):
            refusal = refusal.replace(msgspec.json.encode(text[:length]).decode().strip('"'), "")
    return refusal
