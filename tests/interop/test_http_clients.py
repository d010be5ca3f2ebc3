"""Generic HTTP clients: requests, httpx, aiohttp and curl, with the redirect behaviour of each."""

import asyncio
import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from requests.auth import HTTPDigestAuth
from tests.gateway.han.consumer_gateway import PASSWORD, TAF7, USER, ConsumerGateway, running_gateway
from urllib3.exceptions import InsecureRequestWarning

CURL = ("curl", "--silent", "--insecure", "--max-time", "20")
ADDRESS = "/smgw/m2m/01005e318011.consumer1.sm/json"
CALLS: list[dict[str, Any]] = [
    {"method": "smgw-info"},
    {"method": "user-info"},
    {"method": "usage-point-info", "usage-point-id": TAF7, "database": "origin"},
    {"method": "readings", "usage-point-id": TAF7, "database": "origin", "last-reading": "true"},
    {"method": "log"},
    {"method": "self-test"},
]

pytestmark = pytest.mark.req("CON-02")


@pytest.fixture(params=["MD5", "SHA-256"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ConsumerGateway]:
    with running_gateway(tmp_path, digest_algorithm=request.param) as gateway:
        yield gateway


def verified(answer: dict[str, Any], call: dict[str, Any]) -> bool:
    assert answer["method"] == call["method"] and answer["version"] == "1.3.0"
    return True


@pytest.mark.parametrize("root", ["/smgw/m2m/", "/smgw/m2m"])
def test_httpx_follows_the_redirect_with_a_fresh_log_in_each_call(gateway: ConsumerGateway, root: str) -> None:
    """The header made for the root is sent once more to the new path."""
    for call in CALLS:
        with httpx.Client(verify=False, follow_redirects=True) as web:
            reply = web.post(gateway.url + root, json=call, auth=httpx.DigestAuth(USER, PASSWORD))
        assert [step.status_code for step in reply.history] == [401, 307] or [step.status_code for step in reply.history] == [307]
        assert reply.status_code == 200 and verified(reply.json(), call)


def test_httpx_keeps_one_log_in_over_many_calls(gateway: ConsumerGateway) -> None:
    with httpx.Client(verify=False, follow_redirects=True, auth=httpx.DigestAuth(USER, PASSWORD)) as web:
        for call in CALLS[:5] * 3:
            assert web.post(gateway.url + "/smgw/m2m/", json=call).status_code == 200
            assert web.post(gateway.url + ADDRESS, json=call).status_code == 200


def requests_session() -> requests.Session:
    session = requests.Session()
    session.verify, session.auth, session.trust_env = False, HTTPDigestAuth(USER, PASSWORD), False
    return session


def test_requests(gateway: ConsumerGateway) -> None:
    with requests_session() as web, warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureRequestWarning)
        root = web.get(gateway.url + "/smgw/m2m", allow_redirects=False, timeout=60)
        assert root.status_code == 307 and root.headers["Location"] == ADDRESS
        assert web.post(gateway.url + "/smgw/m2m/", allow_redirects=False, timeout=60).headers["Location"] == ADDRESS
        for path in (ADDRESS, "/smgw/m2m/"):
            for call in CALLS[:5]:
                reply = web.post(gateway.url + path, json=call, timeout=60)
                assert reply.status_code == 200 and verified(reply.json(), call)
        for call in CALLS:
            with requests_session() as fresh:
                reply = fresh.post(gateway.url + "/smgw/m2m", json=call, timeout=60)
                assert reply.status_code == 200 and verified(reply.json(), call)


def test_aiohttp(gateway: ConsumerGateway) -> None:
    async def read() -> None:
        middleware = aiohttp.DigestAuthMiddleware(login=USER, password=PASSWORD)
        async with aiohttp.ClientSession(middlewares=(middleware,)) as web:
            for call in CALLS:
                async with web.post(gateway.url + ADDRESS, json=call, ssl=False) as reply:
                    assert reply.status == 200 and verified(await reply.json(), call)
            for call in CALLS[:5]:
                async with web.post(gateway.url + "/smgw/m2m", json=call, ssl=False) as reply:
                    assert reply.status == 200 and verified(await reply.json(), call)

    asyncio.run(read())


def curl(*arguments: str) -> tuple[int, str]:
    assert shutil.which("curl"), "curl is missing; `make test` installs it"
    command = [
        "curl",
        "--silent",
        "--insecure",
        "--digest",
        "--user",
        f"{USER}:{PASSWORD}",
        "--max-time",
        "20",
        "--write-out",
        "\n%{http_code}",
        *arguments,
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    body, status = result.stdout.rsplit("\n", 1)
    return int(status), body


def test_curl(gateway: ConsumerGateway) -> None:
    for call in CALLS[:5]:
        for path in ("/smgw/m2m/", "/smgw/m2m", ADDRESS):
            status, body = curl("--location", "--data", json.dumps(call), gateway.url + path)
            assert status == 200 and verified(json.loads(body), call)
    assert curl(gateway.url + "/smgw/m2m")[0] == 307
    assert curl(gateway.url + ADDRESS)[0] == 405
    assert curl(gateway.url + "/")[0] == 200


def test_curl_with_a_certificate_in_place_of_a_password(gateway: ConsumerGateway) -> None:
    command = [
        "curl",
        "--silent",
        "--insecure",
        "--max-time",
        "20",
        "--cert",
        str(gateway.client_certificate),
        "--key",
        str(gateway.client_key),
    ]
    result = subprocess.run(
        [*command, "--data", '{"method":"smgw-info"}', gateway.url + ADDRESS], capture_output=True, timeout=60, check=True
    )
    assert verified(json.loads(result.stdout), CALLS[0])
