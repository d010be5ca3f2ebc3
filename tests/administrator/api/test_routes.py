"""The REST interface as its own table and document describe it: every endpoint, every role, and whatever a stranger sends."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.administrator.interface_parts import TOKEN, Caller, add_user, make_desk, served
from tests.gateway.gateway_parts import GATEWAY_ID, meter_profile

from smgw.administrator.api import ENDPOINTS
from smgw.administrator.api.endpoints import ANYONE, Desk, Endpoint
from smgw.administrator.api.openapi import PREFIX, document, operation_id
from smgw.administrator.app import BODY_LIMIT
from smgw.administrator.users import Role

BODIES: dict[str, Any] = {
    "put_gateways_device_id_profiles_kind_profile_id": msgspec.to_builtins(meter_profile(version=2)),
    "post_gateways_device_id_jobs": {"method": "GET", "resource": "state"},
    "post_gateways_device_id_cosem": {"method": "GET", "address": "/cosem/ldevs"},
    "post_users": {"name": "new-user", "password": "a password to begin with", "roles": ["viewer"]},
    "put_users_name": {"roles": ["viewer"]},
    "put_me_password": {"old": "wrong password", "new": "another password"},
    "post_me_tokens": {"purpose": "script"},
    "put_gateways_device_id_wake_up": {"host": "127.0.0.1", "port": 15100},
    "post_gateways_device_id_exchange": {"reason": "renewal"},
    "post_backup": {"passphrase": "passphrase of a test"},
}
"""Bodies that each endpoint with a body takes."""

NAMES = {
    "device_id": GATEWAY_ID,
    "kind": "meter",
    "profile_id": "1SGW0010000001",
    "log": "system",
    "number": "1",
    "name": "someone",
    "case": "C000001",
    "order": "00000000-0000-4000-8000-000000000001",
}
LET_IN = {200, 201, 202, 400, 404, 409, 503}
"""What an endpoint may answer to those whom it has let in; the rows that exist in this test differ."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = make_desk(tmp_path / "gwa")
    add_user(desk.books, "someone")
    yield desk
    desk.books.close()


def address(endpoint: Endpoint) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: NAMES[found[1]], endpoint.path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, dict[Role, str]]]:
    """Give a desk, and a token of one user with each role."""
    desk = make_desk(tmp_path_factory.mktemp("shared") / "gwa")
    add_user(desk.books, "someone")
    yield desk, {role: add_user(desk.books, f"only-{role}", role) for role in Role}
    desk.books.close()


@pytest.mark.req("ADM-13", "SEC-03")
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=operation_id)
async def test_every_endpoint_lets_in_whom_its_row_names_and_nobody_else(shared: tuple[Desk, dict[Role, str]], endpoint: Endpoint) -> None:
    desk, tokens = shared
    body = BODIES.get(operation_id(endpoint))
    async with served(desk) as caller:
        for token in ("", "wrong", TOKEN[:-1], "ÿ", "\udcff"):
            status, answer = await caller.ask(endpoint.method, address(endpoint), token, body)
            assert (status, answer["error"]) == (401, "administrator.unauthorised")
        for role, token in tokens.items():
            status, answer = await caller.ask(endpoint.method, address(endpoint), token, body)
            if role in endpoint.roles or endpoint.roles == ANYONE:
                assert status in LET_IN or answer["error"] == "administrator.login", (role, answer)
            else:
                assert (status, answer["error"]) == (403, "administrator.forbidden"), role


@pytest.mark.req("ADM-10")
async def test_what_was_refused_to_somebody_stands_in_the_audit_trail(desk: Desk) -> None:
    token = add_user(desk.books, "op1", Role.VIEWER)
    async with served(desk) as caller:
        await caller.ask("POST", f"/gateways/{GATEWAY_ID}/jobs", token, {"method": "GET", "resource": "state"})
    (entry,) = desk.books.audit.newest(1)
    assert (entry["actor"], entry["action"], entry["subject"], entry["result"]) == (
        "op1", "POST /gateways/{device_id}/jobs", GATEWAY_ID, "administrator.forbidden",
    )  # fmt: skip


async def test_the_document_describes_every_endpoint_and_refers_to_nothing_that_is_missing(desk: Desk) -> None:
    async with served(desk) as caller:
        status, described = await caller.ask("GET", "/openapi.json")
    assert (status, described["openapi"]) == (200, "3.1.0")
    listed = {(method.upper(), path) for path, item in described["paths"].items() for method in item}
    assert listed == {(row.method, PREFIX + row.path) for row in ENDPOINTS}
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert references <= set(described["components"]["schemas"])
    ids = [operation["operationId"] for item in described["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)
    for path, item in described["paths"].items():
        for operation in item.values():
            placed = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert placed == set(re.findall(r"\{(\w+)\}", path))


def fits(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Check a value against the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        return fits(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return any(fits(value, one, schemas) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None), "number": (int, float)}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        whole = set(schema.get("required", [])) <= set(value)
        return whole and all(fits(item, known[name], schemas) for name, item in value.items() if name in known)
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {}), schemas) for item in value)
    return True


def test_the_checker_can_fail() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert fits({"a": 1}, schema, {})
    assert not any(fits(value, schema, {}) for value in ({"a": "1"}, {}, [], None))


_TEXT = st.one_of(
    st.sampled_from(["", "0", "-1", "1", "true", "9" * 30, "<script>alert(1)</script>", "../..", GATEWAY_ID]), st.text(max_size=20)
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


def _like(schema: dict[str, Any], schemas: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Make values near a schema: mostly fitting, sometimes anything."""
    if "$ref" in schema:
        return _like(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_like(one, schemas) for one in schema["anyOf"]])
    match schema.get("type"):
        case "object" if "properties" in schema:
            needed = {name: _like(schema["properties"][name], schemas) for name in schema.get("required", [])}
            extra = {name: _like(one, schemas) for name, one in schema["properties"].items() if name not in needed}
            return st.one_of(st.fixed_dictionaries(needed, optional=extra), _JSON)
        case "array":
            return st.lists(_like(schema.get("items", {}), schemas), max_size=3)
        case "string":
            return _TEXT
        case "integer":
            return st.integers()
        case "boolean":
            return st.booleans()
    return _JSON


@pytest.mark.req("ADM-13")
def test_whatever_is_sent_gets_an_answer_that_the_document_names(tmp_path: Path) -> None:
    described = document(ENDPOINTS)
    schemas = described["components"]["schemas"]
    desk = make_desk(tmp_path / "gwa")
    token = add_user(desk.books, "everything", *(role for role in Role if role is not Role.KEEPER))
    operations = [(path, method, one) for path, item in described["paths"].items() for method, one in item.items() if "backup" not in path]
    loop = asyncio.new_event_loop()
    stack = served(desk)
    caller: Caller = loop.run_until_complete(stack.__aenter__())

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.data())
    def try_one(data: st.DataObject) -> None:
        path, method, operation = data.draw(st.sampled_from(operations))
        known = {**NAMES, "number": "1"}
        values = {name: data.draw(st.one_of(st.just(known[name]), _TEXT.filter(bool))) for name in re.findall(r"\{(\w+)\}", path)}
        filled = re.sub(r"\{(\w+)\}", lambda found: _quoted(values[found[1]]), path).removeprefix(PREFIX)
        query = {one["name"]: str(data.draw(_like(one["schema"], schemas))) for one in operation["parameters"] if one["in"] == "query"}
        chosen = {name: value for name, value in query.items() if data.draw(st.booleans())}
        wanted = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        body = data.draw(_like(wanted, schemas)) if wanted is not None else None
        status, answer = loop.run_until_complete(caller.ask(method.upper(), filled, token, body, params=chosen))
        assert str(status) in operation["responses"], (method, path, status, answer)
        content = operation["responses"][str(status)]["content"]
        if "application/json" in content:
            assert fits(answer, content["application/json"]["schema"], schemas), (path, status, answer)
        if status >= 400:
            assert answer["error"]

    try:
        with capture_logs() as logs:
            try_one()
        assert {entry["code"] for entry in logs if entry["event"] == "request_failed"} <= {"wakeup.no_call_back"}
        desk.books.audit.verify()
    finally:
        loop.run_until_complete(stack.__aexit__(None, None, None))
        loop.close()
        desk.books.close()


def _quoted(text: str) -> str:
    # A segment of one or two dots is taken away by every client before it is sent.
    return quote(text, safe="") if text.strip(".") else "-"


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"\xff", b"null", b"{}", b'{"method":"GET","resource":"state","more":1}'])
async def test_a_body_that_does_not_fit_is_refused_with_the_reason(desk: Desk, body: bytes) -> None:
    async with served(desk) as caller:
        status, answer = await caller.ask("POST", f"/gateways/{GATEWAY_ID}/jobs", data=body)
    assert (status, answer["error"]) == (400, "administrator.request")
    assert answer["detail"] and answer["hint"]
    assert desk.books.jobs.of(GATEWAY_ID) == []


async def test_another_verb_a_large_body_and_an_unknown_address_are_refused(desk: Desk) -> None:
    async with served(desk) as caller:
        status, answer = await caller.ask("DELETE", "/audit")
        assert (status, answer["error"]) == (405, "administrator.request")
        status, answer = await caller.ask("POST", f"/gateways/{GATEWAY_ID}/jobs", data=b"x" * (BODY_LIMIT + 1))
        assert (status, answer["error"]) == (413, "administrator.request")
        status, answer = await caller.ask("GET", "/nowhere")
        assert (status, answer["error"]) == (404, "administrator.not_found")


@pytest.mark.req("OPS-05")
async def test_a_store_that_fails_is_told_with_its_code_and_nothing_else(desk: Desk) -> None:
    with capture_logs() as logs:
        async with served(desk) as caller:
            desk.books.store._database.execute("DROP TABLE contact")
            status, answer = await caller.ask("GET", "/gateways")
    assert (status, answer["error"], answer["detail"]) == (503, "administrator.store", "")
    assert [(entry["event"], entry["code"]) for entry in logs] == [("request_failed", "administrator.store")]
