"""The library behind a popular home automation reads the gateway out, unchanged and in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.han.consumer_gateway import (
    CONSUMER,
    DAYS,
    PASSWORD,
    USER,
    ConsumerGateway,
    contract,
    household_readings,
    running_gateway,
)

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"

pytestmark = pytest.mark.req("CON-02")


@pytest.fixture(autouse=True)
def _needs_the_library() -> None:
    if not (PEERS / "theben_conexa_smgw" / "smgw.py").exists():
        reason = "theben-conexa-smgw is missing in .peers; `make test` installs it"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture(params=["MD5", "SHA-256"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ConsumerGateway]:
    with running_gateway(tmp_path, digest_algorithm=request.param) as gateway:
        yield gateway


def read_out(gateway: ConsumerGateway, password: str = PASSWORD) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("theben_read_out.py")), str(PEERS), gateway.authority, USER, password]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_wrong_password_is_a_clear_error(gateway: ConsumerGateway) -> None:
    assert read_out(gateway, "wrong") == {"error": "UnexpectedReturnCode"}
    assert "login_failed" in gateway.events()


def test_full_read_out(gateway: ConsumerGateway) -> None:
    # An old contract and one with instantaneous values stand beside it; neither disturbs the client.
    old = contract("taf7-0.sm", CONSUMER, "1ISK0070123456", valid_to=contract("x", "", "").valid_from)
    gateway.inside(lambda: gateway.journal.put_profile(old, b"", gateway.clock.now()))
    answer = read_out(gateway)
    assert answer["m2m_url"] == f"{gateway.url}/smgw/m2m/01005e318011.consumer1.sm/json"
    assert answer["info"] == {"jsonVersion": "1.3.0", "firmwareVersion": "0.1.0", "smgwID": "ebsi0012345678"}
    newest = [item for item, _ in household_readings(DAYS)][-2:]
    expected = {
        item.obis.hex: {"value": f"{item.raw // 10}.{item.raw % 10}", "unit": "Wh", "utcTimestamp": "2026-11-21T13:15:02Z"}
        for item in newest
        if item.raw is not None
    }
    assert answer["values"] == expected
