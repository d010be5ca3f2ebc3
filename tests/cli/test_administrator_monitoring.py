"""`smgw administrator incident` and `alarm`, as a user types them, with an administrator that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START
from typer.testing import CliRunner

from smgw.administrator.api.endpoints import Desk
from smgw.administrator.monitoring import Finding, Incident
from smgw.cli.administrator import app
from smgw.core.notices import Notice

pytestmark = pytest.mark.req("ADM-06", "ADM-13")


def prepare(desk: Desk) -> None:
    books = desk.books

    def tell(incident: Incident) -> None:
        books.notifications.put(incident, ["ops"], START)

    books.alarms.accept(Notice("1", GATEWAY_ID, "meter_tamper", 1, "FATAL", START, METER_ID, True, {}), START)
    books.incidents.settle([Finding(GATEWAY_ID, "clock", detail="invalid"), Finding("", "campaign", "1.2.0", "code")], START, tell)
    books.incidents.settle([Finding("", "campaign", "1.2.0", "code")], START, tell)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    path = tmp_path_factory.mktemp("administrator") / "gwa"
    with Thread(path, prepare=prepare) as served:
        yield path, served.url


def typed(running: tuple[Path, str], *words: str, code: int = 0) -> str:
    data, url = running
    result = CliRunner().invoke(app, [*words, "--data", str(data), "--url", url])
    assert result.exit_code == code, result.output
    return result.stdout


def ask(running: tuple[Path, str], *words: str, code: int = 0) -> Any:
    return json.loads(typed(running, *words, "--json", code=code))


def test_incidents_are_listed_in_both_languages(running: tuple[Path, str]) -> None:
    assert [row["text"] for row in ask(running, "incident", "list")] == ["Firmware campaign 1.2.0 stopped: code"]
    german = ask(running, "incident", "list", "--all", "--lang", "de")
    assert {(row["device_id"], row["text"]) for row in german} == {
        ("", "Firmware-Kampagne 1.2.0 angehalten: code"),
        (GATEWAY_ID, "Uhr invalid"),
    }
    assert [row["rule"] for row in ask(running, "incident", "list", "--all", "--gateway", GATEWAY_ID)] == ["clock"]
    assert ask(running, "incident", "list", "--lang", "fr", code=4)["code"] == "administrator.request"


def test_one_incident_tells_who_was_told(running: tuple[Path, str]) -> None:
    (clock,) = ask(running, "incident", "list", "--all", "--gateway", GATEWAY_ID)
    shown = ask(running, "incident", "show", str(clock["id"]))
    assert [(row["channel"], row["what"], row["state"]) for row in shown["notifications"]] == [
        ("ops", "opened", "waiting"),
        ("ops", "closed", "waiting"),
    ]
    assert "Clock invalid" in typed(running, "incident", "show", str(clock["id"]))
    assert ask(running, "incident", "show", "99", code=4)["code"] == "administrator.unknown_incident"


def test_alarms_are_listed_and_acknowledged(running: tuple[Path, str]) -> None:
    (alarm,) = ask(running, "alarm", "list", "--unseen")
    assert alarm["event"] == "meter_tamper"
    assert "seen by" in typed(running, "alarm", "acknowledge", str(alarm["id"]))
    assert ask(running, "alarm", "acknowledge", str(alarm["id"]))["seen_by"]
    assert ask(running, "alarm", "list", "--unseen") == []
