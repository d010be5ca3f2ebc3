"""At the machine itself, too, nobody does alone what needs two: every command that writes into the folder's books is tried or named."""

import inspect
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main
from tests.administrator.four_eyes_parts import guarded
from tests.cli.test_administrator_succession import NOW, UNTIL, administrator
from tests.gateway.gateway_parts import GATEWAY_ID, all_profiles, gateway_identity
from typer.testing import CliRunner

from smgw.administrator.approvals import KINDS
from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.succession import Change
from smgw.cli.administrator import app
from smgw.core.instant import utc_text
from smgw.net.identity import create_keys
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.tls import pem_bundle

pytestmark = pytest.mark.req("ADM-02", "ADM-10")

LEAVING, NEW = "ESGW0000000031", "ESGW0000000077"
PROPOSING: dict[str, str] = {
    "life enrol": f"{NEW} --seal {{seal}}",
    "life renew-keys": GATEWAY_ID,
    "life announce-end": f"{GATEWAY_ID} --at {utc_text(NOW + timedelta(days=2))}",
    "life decommission": GATEWAY_ID,
    "succession announce": f"{GATEWAY_ID} --offer {{offer}} --until {UNTIL}",
    "succession accept": f"{{told}} --until {UNTIL} --wake-up gateway.invalid:15100",
    "succession withdraw": LEAVING,
}
"""Command that must become a proposal -> its words."""
HARMLESS = {
    "succession infrastructure": "it tells the administrator that made the offer, sealed, and changes nothing",
    "template meter-key": "it seals a key for a profile that is put later",
    "succession confirm": "it notes what has already happened",
    "succession list": "it shows", "life list": "it shows", "audit list": "it shows", "audit verify": "it shows",
    "audit export": "it shows", "user list": "it shows", "backup": "it changes nothing",
    "user add": "roles, not gateways", "user roles": "roles, not gateways", "user password": "roles, not gateways",
    "user on": "roles, not gateways", "user off": "roles, not gateways",
}  # fmt: skip
"""Command at the books that a second person doesn't guard -> why."""


def leaves(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from leaves(command, full)
        else:
            yield full, command


def test_every_command_that_opens_the_books_is_tried_or_named() -> None:
    at_the_books = {
        name for name, one in leaves(typer.main.get_command(app)) if "local_books(" in inspect.getsource(inspect.unwrap(one.callback))
    }
    assert at_the_books == PROPOSING.keys() | HARMLESS.keys()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Give an administrator's folder with everything under four eyes, and the files that the commands take."""
    path = tmp_path_factory.mktemp("eyes")
    pki = PkiFolder.found(path / "pki", now=NOW, sub_name="test")
    ours, other = administrator(path / "ours", "ours", pki), administrator(path / "other", "other", pki)
    seal = pki.issue(create_keys(path / "new", GATEWAY_KEYS, Role.SMGW, NEW), Role.SMGW, now=NOW)
    files = {"seal": path / "seal.pem", "offer": path / "offer.cms", "told": path / "told.cms", "own": path / "own.cms"}
    files["seal"].write_bytes(pem_bundle(list(seal)))
    for data in (ours, other):
        books, triple = open_books(AdministratorFolder(data).inventory), gateway_identity().triple
        for device in (GATEWAY_ID, LEAVING):
            books.inventory.add_gateway(device, triple.tls, triple.sig, triple.enc, NOW, "test")
        for profile in all_profiles():
            books.inventory.put_profile(GATEWAY_ID, profile, NOW, "test")
        books.successions.begin(Change(LEAVING, "outgoing", "other.GWA", "wanted", b"", UNTIL, "", ""), NOW, "test")
        books.close()
    typed(other, "succession", "offer", GATEWAY_ID, "--out", str(files["offer"]))
    typed(ours, "succession", "offer", GATEWAY_ID, "--out", str(files["own"]))
    typed(other, "succession", "infrastructure", GATEWAY_ID, "--offer", str(files["own"]), "--out", str(files["told"]))
    config = AdministratorFolder(ours)
    config.save(msgspec.structs.replace(config.load(), four_eyes=KINDS))
    return ours, {name: str(file) for name, file in files.items()}


def typed(data: Path, *words: str) -> Any:
    result = CliRunner().invoke(app, [*words, "--data", str(data), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def state(data: Path) -> tuple[dict[str, Any], int]:
    books = open_books(AdministratorFolder(data).inventory)
    try:
        return guarded(books), books.approvals.waiting()
    finally:
        books.close()


@pytest.mark.parametrize("command", PROPOSING)
def test_at_the_machine_it_waits_for_a_second_person(folder: tuple[Path, dict[str, str]], command: str) -> None:
    data, files = folder
    before, waiting = state(data)
    answer = typed(data, *command.split(), *PROPOSING[command].format_map(files).split())
    assert answer["state"] == "waiting" and answer["proposal"] > 0
    assert state(data) == (before, waiting + 1)


def test_without_four_eyes_the_same_commands_do_it(folder: tuple[Path, dict[str, str]]) -> None:
    data, files = folder
    config = AdministratorFolder(data)
    config.save(msgspec.structs.replace(config.load(), four_eyes=()))
    for command in sorted(PROPOSING, key=lambda one: one == "succession accept"):
        if command == "succession accept":
            typed(data, "succession", "withdraw", GATEWAY_ID)
        before, waiting = state(data)
        typed(data, *command.split(), *PROPOSING[command].format_map(files).split())
        if command != "life decommission":  # an exchange of keys is under way already
            assert state(data)[0] != before, command
        assert state(data)[1] == waiting
