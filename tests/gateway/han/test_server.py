"""The server over real TLS: who is let in, what is refused and how, and that it goes on afterwards."""

import concurrent.futures
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.gateway.han.consumer_gateway import (
    CONSUMER,
    METER,
    NOW,
    OTHER_CONSUMER,
    OTHER_PASSWORD,
    OTHER_USER,
    PASSWORD,
    POWER,
    USER,
    ConsumerGateway,
    contract,
    reading,
    running_gateway,
)

from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import ConsumerProfile
from smgw.gateway.han.access import COOKIE

ADDRESS = "/smgw/m2m/01005e318011.consumer1.sm/json"
INFO = {"method": "smgw-info"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[ConsumerGateway]:
    with running_gateway(tmp_path) as gateway:
        yield gateway


def client(gateway: ConsumerGateway, user: str = USER, password: str = PASSWORD, **more: object) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, auth=httpx.DigestAuth(user, password), verify=False, **more)  # type: ignore[arg-type]


def anonymous(gateway: ConsumerGateway) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, verify=False)


def certified(gateway: ConsumerGateway) -> httpx.Client:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(gateway.client_certificate, gateway.client_key)
    return httpx.Client(base_url=gateway.url, verify=context)


@pytest.mark.req("CON-01")
def test_without_log_in_there_is_a_challenge_and_nothing_else(gateway: ConsumerGateway) -> None:
    with anonymous(gateway) as web:
        for path in ("/", "/readings", "/log", "/device", "/nowhere", "/smgw/m2m", "/smgw/m2m/", ADDRESS, "/smgw/m2m/x/y"):
            reply = web.get(path)
            assert reply.status_code == 401
            assert reply.headers["WWW-Authenticate"].startswith('Digest realm="SMGW", nonce="')
            assert reply.headers.get_list("WWW-Authenticate")[1:] == []
        assert "Weber" not in web.get("/").text and CONSUMER not in web.get("/").text


@pytest.mark.req("CON-01")
def test_every_refusal_of_a_log_in_reads_the_same(gateway: ConsumerGateway) -> None:
    def body(reply: httpx.Response) -> str:
        return reply.text

    with anonymous(gateway) as web:
        no_header, broken = web.post(ADDRESS), web.post(ADDRESS, headers={"Authorization": "Digest nonsense"})
    with client(gateway, password="wrong") as web:
        wrong = web.post(ADDRESS, json=INFO)
    with client(gateway, user="nobody") as web:
        unknown = web.post(ADDRESS, json=INFO)
    assert {reply.status_code for reply in (no_header, broken, wrong, unknown)} == {401}
    assert len({body(reply) for reply in (no_header, broken, wrong, unknown)}) == 1
    assert gateway.events() == ["login_failed", "login_failed"]


@pytest.mark.req("CON-01")
def test_five_failures_lock_the_name_but_not_the_certificate(gateway: ConsumerGateway) -> None:
    for _ in range(5):
        with client(gateway, password="wrong") as web:
            assert web.get("/").status_code == 401
    with client(gateway) as web:
        assert web.get("/").status_code == 401
    with certified(gateway) as web:
        assert web.get("/").status_code == 200
    gateway.seconds.value += 61
    with client(gateway) as web:
        assert web.get("/").status_code == 200
    assert "login_locked" in gateway.events()
    assert [item.entry.parameters["seconds"] for item in gateway.consumer_log() if item.entry.event == "login_locked"] == ["60"]


def test_one_address_is_locked_after_twenty_failures(gateway: ConsumerGateway) -> None:
    for number in range(20):
        with client(gateway, user=f"nobody-{number}") as web:
            assert web.get("/").status_code == 401
    with client(gateway) as web:
        assert web.get("/").status_code == 401
        gateway.seconds.value += 61
        assert web.get("/").status_code == 200


def test_names_of_nobody_are_not_written_down(gateway: ConsumerGateway) -> None:
    for _ in range(5):
        with client(gateway, user="my-secret-password", password="x") as web:
            web.get("/")
    entries = gateway.inside(lambda: gateway.journal.log(Log.SYSTEM))
    assert not any("my-secret-password" in repr(item) for item in entries)


@pytest.mark.req("CON-02")
@pytest.mark.parametrize("path", ["/smgw/m2m", "/smgw/m2m/"])
@pytest.mark.parametrize("method,content", [("GET", None), ("POST", b""), ("POST", b'{"method":"smgw-info"}')])
def test_the_root_tells_where_to_go(gateway: ConsumerGateway, path: str, method: str, content: bytes | None) -> None:
    with client(gateway) as web:
        reply = web.request(method, path, content=content)
    assert reply.status_code == 307 and reply.headers["Location"] == ADDRESS and reply.content == b""


@pytest.mark.req("CON-02")
def test_verbs_and_paths(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            reply = web.request(method, ADDRESS)
            assert reply.status_code == 405 and reply.headers["Allow"] == "POST"
        assert web.put("/smgw/m2m").status_code == 405
        for path in ("/smgw/m2m/01005e318011.consumer2.sm/json", "/smgw/m2m/nobody.sm/json", ADDRESS + "/", "/smgw/m2m/x"):
            reply = web.post(path, json=INFO)
            assert reply.status_code == 404 and reply.headers["Content-Type"] == "application/json"
        for alias in (f"{USER}.sm", "ebsi0012345678.sm"):
            assert web.post(f"/smgw/m2m/{alias}/json", json=INFO).status_code == 200


@pytest.mark.req("CON-02")
def test_replies_are_plain_json_and_request_headers_do_not_matter(gateway: ConsumerGateway) -> None:
    headers = [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"X-Content-Length": "5"},
        {"Host": "smgw.local"},
    ]
    with client(gateway) as web:
        for extra in headers:
            reply = web.post(ADDRESS, content=b'{"method":"smgw-info"}', headers=extra)
            assert reply.status_code == 200 and reply.headers["Content-Type"] == "application/json"
            assert reply.headers["Cache-Control"] == "no-store" and reply.headers["Server"] == "smgw"


def test_large_and_broken_requests(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        assert web.post(ADDRESS, content=b" " * 65_000 + b'{"method":"smgw-info"}').status_code == 200
        assert web.post(ADDRESS, content=b"x" * 70_000).status_code == 413
        assert web.post(ADDRESS, content=iter([b"x" * 40_000, b"x" * 40_000])).status_code == 413
        assert web.post(ADDRESS, content=b"{").json()["error"]
        assert web.post(ADDRESS, headers={"X-Long": "x" * 9000}, json=INFO).status_code == 400
        assert web.post(ADDRESS, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}).status_code == 400
        assert web.post(ADDRESS, json=INFO).status_code == 200


@pytest.mark.parametrize(
    "octets",
    [b"\x00\xff\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /smgw/m2m HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)
def test_what_is_not_http_does_no_harm(gateway: ConsumerGateway, octets: bytes) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", gateway.server.port), 10) as raw, context.wrap_socket(raw) as tls:
        tls.sendall(octets)
        answer = tls.recv(4000)
    assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0]
    assert b"aiohttp" not in answer
    with client(gateway) as web:
        assert web.get("/").status_code == 200


def test_a_foreign_page_can_not_use_the_password_that_a_browser_remembers(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        reply = web.post(ADDRESS, content=b'{"method":"self-test"}', headers={"Sec-Fetch-Site": "cross-site"})
        assert reply.status_code == 403 and gateway.self_tests == 0


@pytest.mark.req("CON-01")
def test_a_registered_certificate_needs_no_password(gateway: ConsumerGateway) -> None:
    with certified(gateway) as web:
        assert web.post("/smgw/m2m").headers["Location"] == ADDRESS
        assert web.post(ADDRESS, json=INFO).status_code == 200
        assert USER in web.get("/").text


def test_an_unknown_certificate_of_a_trusted_issuer_falls_back_to_the_password(gateway: ConsumerGateway) -> None:
    profile = gateway.inside(lambda: gateway.data.consumer_by_user(USER))
    assert isinstance(profile, ConsumerProfile)
    without = msgspec.structs.replace(profile, version=3, certificate_fingerprints=())
    gateway.inside(lambda: gateway.journal.put_profile(without, b"third", gateway.clock.now()))
    with certified(gateway) as web:
        assert web.get("/").status_code == 401
        assert web.get("/", auth=httpx.DigestAuth(USER, PASSWORD)).status_code == 200


@pytest.mark.req("CON-01")
def test_a_session_needs_no_further_answer_and_ends_when_idle(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        cookie = web.get("/").headers["Set-Cookie"]
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{64}}; HttpOnly; Max-Age=172800; Path=/; SameSite=Strict; Secure", cookie)
    with anonymous(gateway) as web:
        web.headers["Cookie"] = cookie.split(";")[0]
        for _ in range(5):
            gateway.seconds.value += 599
            assert web.get("/log").status_code == 200
        gateway.seconds.value += 601
        over = web.get("/log")
        assert over.status_code == 401 and f"{COOKIE}=" in over.headers["Set-Cookie"] and "Max-Age=0" in over.headers["Set-Cookie"]


@pytest.mark.req("CON-01")
def test_a_session_lasts_48_hours_at_most(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        cookie = web.get("/").headers["Set-Cookie"].split(";")[0]
    with anonymous(gateway) as web:
        for _ in range(48 * 6):
            gateway.seconds.value += 599
            assert web.get("/contracts", headers={"Cookie": cookie}).status_code == 200
        gateway.seconds.value += 600
        assert web.get("/contracts", headers={"Cookie": cookie}).status_code == 401


@pytest.mark.req("CON-01")
def test_after_log_out_the_remembered_password_is_not_taken_silently(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        web.get("/")
        assert web.post("/logout").status_code == 200
        # The browser answers by itself; the refusal is not stale, so it asks its user.
        reply = web.get("/", auth=None)
        assert reply.status_code == 401 and "stale" not in reply.headers["WWW-Authenticate"]
        assert not web.cookies


@pytest.mark.req("CON-03")
def test_a_session_of_one_consumer_is_not_that_of_another(gateway: ConsumerGateway) -> None:
    with client(gateway) as web, client(gateway, OTHER_USER, OTHER_PASSWORD) as other:
        assert "NEIGHBOUR" not in web.get("/contracts").text
        assert "TAF7_BEZUG" not in other.get("/contracts").text and "NEIGHBOUR" in other.get("/contracts").text
        assert other.get("/?contract=taf7-1.sm").status_code == 404
        assert other.get("/readings?contract=taf7-1.sm").status_code == 404
        # A certificate of one consumer beside the cookie of another starts a session of its own.
    with certified(gateway) as web, client(gateway, OTHER_USER, OTHER_PASSWORD) as other:
        cookie = other.get("/").headers["Set-Cookie"].split(";")[0]
        assert "TAF7_BEZUG" in web.get("/contracts", headers={"Cookie": cookie}).text


@pytest.mark.req("CON-01")
def test_a_self_test_by_form_needs_the_token_of_the_session(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        page = web.get("/device").text
        token = re.search(r'name="token" value="([0-9a-f]{64})"', page)
        assert token
        assert web.post("/self-test").status_code == 403
        assert web.post("/self-test", data={"token": "0" * 64}).status_code == 403
        assert web.post("/self-test", data={"token": token[1]}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert gateway.self_tests == 0
        reply = web.post("/self-test", data={"token": token[1]})
        assert reply.status_code == 303 and reply.headers["Location"] == "/device?self-test=started"
        assert 'data-countdown="600"' in web.get("/device").text
        assert web.post("/self-test", data={"token": token[1]}).headers["Location"] == "/device"
        assert web.post(ADDRESS, content=b'{"method":"self-test"}').status_code == 403
    assert gateway.self_tests == 1
    assert "self_test_passed" in gateway.events(Log.CONSUMER, CONSUMER)


@pytest.mark.req("LOG-03")
def test_log_ins_and_values_are_logged_without_flooding(gateway: ConsumerGateway) -> None:
    request = {"method": "readings", "usage-point-id": "taf7-1.sm", "database": "origin", "last-reading": "true"}
    for _ in range(20):
        with client(gateway) as web:
            assert web.post(ADDRESS, json=request).status_code == 200
        gateway.seconds.value += 1
    assert gateway.events(Log.CONSUMER, CONSUMER)[-2:] == ["login_succeeded", "values_shown"]
    gateway.seconds.value += 901
    with client(gateway) as web:
        web.post(ADDRESS, json=request)
    last = [item.entry for item in gateway.consumer_log()][-2:]
    assert [(entry.event, entry.parameters.get("count")) for entry in last] == [("login_succeeded", None), ("values_shown", "40")]
    assert "values_shown" not in gateway.events(Log.CONSUMER, OTHER_CONSUMER)


def test_pages_carry_a_strict_policy(gateway: ConsumerGateway) -> None:
    with client(gateway) as web:
        for path in ("/", "/readings", "/contracts", "/log", "/device", "/nowhere"):
            reply = web.get(path)
            assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self';")
            assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["Cache-Control"] == "no-store"
            assert not re.search(
                r"\sstyle=|<style|\son\w+=|<script(?! type=\"module\" src=)|https?://(?!127\.0\.0\.1|www\.w3\.org/2000/svg)", reply.text
            )
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', web.get("/").text)
        assert len(files) == 3
        for address in files:
            reply = web.get(address)
            assert reply.status_code == 200 and "immutable" in reply.headers["Cache-Control"]
            assert web.get(address.replace("/static/", "/static/0")).status_code == 404


def test_what_comes_from_outside_is_escaped(gateway: ConsumerGateway) -> None:
    nasty = contract("taf7-x.sm", CONSUMER, METER, usage_point_name="<script>alert(1)</script>", metering_point_id='"><b>')
    gateway.inside(lambda: gateway.journal.put_profile(nasty, b"", gateway.clock.now()))
    with client(gateway) as web:
        for path in ("/", "/contracts", "/?contract=taf7-x.sm", "/nowhere?x=<script>", "/?lang=<script>"):
            text = web.get(path).text
            assert "<script>" not in text and '"><b>' not in text


@pytest.mark.req("CON-01")
@pytest.mark.parametrize(
    "more,readings",
    [
        ({}, []),
        ({"registers": (str(POWER),)}, [(POWER, -431, 0, 27)]),
        ({"registers": ("7-0:3.0.0*255",)}, [(Obis(7, 0, 3, 0, 0), 1_234_567, -3, 13)]),
        ({"registers": ("1-0:1.8.1*255", "1-0:1.8.2*255")}, [(Obis(1, 0, 1, 8, 1), 5, 0, 30)]),
        ({"registers": ("129-129:199.130.3*255",)}, [(Obis(129, 129, 199, 130, 3), 2**64 - 1, 127, 255)]),
        ({"period_s": 60}, [(Obis(1, 0, 1, 8, 0), 7, 3, 30)]),
        ({"period_s": 86_400, "recipients": ()}, [(Obis(1, 0, 2, 8, 0), None, -1, 30)]),
        ({"taf": 14, "valid_from": NOW + timedelta(days=3)}, []),
        ({"valid_to": NOW - timedelta(days=3)}, []),
    ],
)
def test_pages_of_unusual_contracts(
    gateway: ConsumerGateway, more: dict[str, Any], readings: list[tuple[Obis, int | None, int, int]]
) -> None:
    start = NOW.replace(minute=0, second=0)
    unusual = contract("odd.sm", CONSUMER, "odd-meter", **more)
    gateway.inside(lambda: gateway.journal.put_profile(unusual, b"", NOW))
    items = [
        reading("odd-meter", obis, raw and raw - 2 * step, start + timedelta(hours=step), scaler=scaler, unit=unit)
        for step in (-1, 0)
        for obis, raw, scaler, unit in readings
    ]
    gateway.inside(lambda: gateway.journal.append_readings(items))
    with client(gateway) as web:
        for path in ("/", "/readings", "/contracts"):
            assert web.get(f"{path}?contract=odd.sm").status_code == 200
        assert web.post(ADDRESS, json={"method": "user-info"}).status_code == 200
        for request in ({"last-reading": True}, {"fromtime": "2026-11-20", "totime": "2026-11-22"}):
            body = {"method": "readings", "usage-point-id": "odd.sm", "database": "origin"} | request
            assert web.post(ADDRESS, json=body).status_code == 200


@pytest.mark.parametrize("query", ["day=2026-11-22", "day=yesterday", "day=0001-01-01", "day=2026-13-01", "contract=x", "day="])
def test_days_and_contracts_that_are_not_there(gateway: ConsumerGateway, query: str) -> None:
    with client(gateway) as web:
        assert web.get(f"/?{query}").status_code in (400, 404)
        assert web.get(f"/readings?{query}").status_code in (400, 404)
        assert web.get("/log?page=0").status_code == web.get("/log?page=x").status_code == web.get("/log?page=9").status_code == 404


def test_an_inner_fault_is_a_constant_500_and_the_server_goes_on(gateway: ConsumerGateway) -> None:
    info, gateway.info = gateway.info, None  # type: ignore[method-assign,assignment]
    gateway.data._gateway_info = lambda: 1 // 0
    with client(gateway) as web:
        machine, page = web.post(ADDRESS, json=INFO), web.get("/")
        assert machine.status_code == page.status_code == 500
        assert "ZeroDivision" not in machine.text + page.text
        gateway.info = info  # type: ignore[method-assign]
        gateway.data._gateway_info = info
        assert web.get("/").status_code == 200


@pytest.mark.req("CON-02")
def test_parallel_clients_all_get_their_answers(gateway: ConsumerGateway) -> None:
    def poll(_: int) -> list[int]:
        with client(gateway) as web:
            return [web.post(ADDRESS, json=INFO).status_code for _ in range(10)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {status for statuses in pool.map(poll, range(16)) for status in statuses} == {200}


def test_language_follows_address_cookie_profile_and_browser(gateway: ConsumerGateway) -> None:
    with anonymous(gateway) as web:
        assert '<html lang="de">' in web.get("/", headers={"Accept-Language": "de-AT,en"}).text
        assert '<html lang="en">' in web.get("/", headers={"Accept-Language": "fr"}).text
    with client(gateway) as web:
        assert '<html lang="de">' in web.get("/", headers={"Accept-Language": "en"}).text
        assert '<html lang="en">' in web.get("/?lang=en").text
        assert '<html lang="en">' in web.get("/").text
        assert '<html lang="de">' in web.get("/?lang=de").text
