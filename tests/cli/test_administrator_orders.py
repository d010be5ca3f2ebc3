"""`smgw administrator order` and `notification`, and how incidents are closed and calls shown, with an administrator that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.administrator.four_eyes_parts import ORDER, prepare
from tests.administrator.interface_parts import Thread, add_user
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START
from typer.testing import CliRunner

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.monitoring import Finding
from smgw.administrator.users import Role
from smgw.cli.administrator import app

pytestmark = pytest.mark.req("ADM-06", "ADM-09", "ADM-13")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    path = tmp_path_factory.mktemp("administrator")

    def fill(desk: Desk) -> None:
        prepare(desk)
        (path / "op2.token").write_text(add_user(desk.books, "op2", Role.APPROVER))
        desk.books.incidents.settle([Finding(GATEWAY_ID, "alarm", f"meter_tamper/{METER_ID}", "x")], START)
        desk.books.market_orders.refused("stranger.EMT", "order.not_permitted", START)
        desk.books.wake_ups.end(desk.books.wake_ups.begin(GATEWAY_ID, START), 6, 126_000, "given_up")

    with Thread(path / "gwa", "order", prepare=fill) as served:
        yield path, served.url


def typed(running: tuple[Path, str], *words: str, code: int = 0, as_json: bool = True) -> Any:
    path, url = running
    result = CliRunner().invoke(app, [*words, "--data", str(path / "gwa"), "--url", url, *(["--json"] if as_json else [])])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1]) if as_json else result.stdout


def test_an_approver_decides_on_an_order(running: tuple[Path, str]) -> None:
    assert [order["state"] for order in typed(running, "order", "list", "--gateway", GATEWAY_ID)["orders"]] == ["held"]
    assert "stranger.EMT" in typed(running, "order", "list", as_json=False)
    assert typed(running, "order", "approve", ORDER, code=4)["code"] == "administrator.forbidden"
    token = ("--token", str(running[0] / "op2.token"))
    assert typed(running, "order", "approve", ORDER, *token)["state"] == "waiting"
    assert typed(running, "order", "show", ORDER)["permitted"] is True
    assert typed(running, "order", "reject", ORDER)["state"] == "cancelled"


def test_channels_are_added_listed_tried_and_removed(running: tuple[Path, str]) -> None:
    typed(running, "notification", "add", "webhook", "hook", "http://127.0.0.1:9/x")
    typed(running, "notification", "add", "email", "mail", "mail.invalid", "--sender", "a@b.invalid", "--to", "c@d.invalid", "--lang", "de")
    typed(running, "notification", "add", "mqtt", "bus", "broker.invalid", "--topic", "a/b")
    listed = typed(running, "notification", "list")
    assert [(one["name"], one["kind"]) for one in listed["channels"]] == [("hook", "webhook"), ("mail", "email"), ("bus", "mqtt")]
    assert "silent" in typed(running, "notification", "list", as_json=False)
    assert typed(running, "notification", "try", "hook", code=4)["code"] == "administrator.notification"
    wrong = ("notification", "add", "webhook", "h2", "https://h", "--secret", "administrator.token")
    assert typed(running, *wrong, code=4)["code"] == "administrator.config"
    assert typed(running, "notification", "remove", "hook") == {"channels": ["mail", "bus"]}


def test_an_incident_is_closed_and_calls_are_shown(running: tuple[Path, str]) -> None:
    (incident,) = typed(running, "incident", "list")
    assert typed(running, "incident", "close", str(incident["id"]))["closed_at"]
    assert typed(running, "incident", "list") == []
    assert [one["state"] for one in typed(running, "wake-up", "calls", GATEWAY_ID)["calls"]] == ["given_up"]
    assert "given_up" in typed(running, "wake-up", "calls", GATEWAY_ID, as_json=False)
