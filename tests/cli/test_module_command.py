"""`smgw module list|check`: the inventory after each step of a gateway's life, with keys in software and in a token."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.gateway_folder import founded_folder
from tests.playbook.life_world import INSTALLATION, MODULE_FIRST, SEAL_FIRST, TO_INSTALLATION, World, copy_of
from tests.softhsm import write_configuration
from typer.testing import CliRunner, Result

from smgw.cli.module import app
from smgw.core.life_cycle import Action
from smgw.net.identity import PIN_FILE
from smgw.security.module_folder import MODULE_FILE


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    value: dict[str, Any] = json.loads(result.stdout)
    assert value["ok"] == (result.exit_code == 0)
    return value


@pytest.mark.parametrize(("backend", "order"), [("software", MODULE_FIRST), ("token", SEAL_FIRST), ("mixed", MODULE_FIRST)])
@pytest.mark.req("LIFE-10", "SEC-01")
def test_module_and_gateway_hold_exactly_what_each_phase_demands(tmp_path: Path, backend: str, order: tuple[Action, ...]) -> None:
    path = tmp_path / "gateway"
    if backend != "software":
        write_configuration(path, "token" if backend == "token" else "software")
    world, phases = World(path), []
    assert answer("check", "--data", path)["held"] == {"module": ["IMPORT_PRV", "IMPORT_PUB"], "gateway": []}
    for action in (*order, *TO_INSTALLATION, *INSTALLATION):
        world.through(action)
        found = answer("check", "--data", path)
        assert found["differences"] == []
        phases.append(found["phase"])
    assert (phases[-1], len(set(phases))) == ("personalisation", 5)
    held = answer("list", "--data", path)
    assert (held["state"], held["backend"]) == ("paired", "software" if backend == "software" else "pkcs11")
    assert [(key["name"], key["curve"], key["use"]) for key in held["keys"]] == [
        ("GW_WAN_ENC_PRE", "brainpoolP256r1", "agree"),
        ("GW_WAN_SIG_PRE", "brainpoolP256r1", "sign"),
        ("GW_WAN_TLS_PRE", "brainpoolP256r1", "sign"),
    ]
    assert len([file for file in held["files"] if file["valid_to"]]) == 4
    assert (path / MODULE_FILE).exists() == (backend != "token")
    world.keeper.close()


@pytest.mark.req("LIFE-10")
def test_what_is_missing_or_too_much_is_named(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST, *TO_INSTALLATION)
    path = world.folder.path
    (path / PIN_FILE).rename(tmp_path / "aside")
    world.shop.module._backend.put_file("STRANGE", b"x")
    found = run("check", "--data", path, "--json")
    # Without the PIN no session opens, but what the module holds can be listed.
    assert found.exit_code == 5
    assert json.loads(found.stdout)["differences"] == [
        {"place": "module", "name": "STRANGE", "is": "too much"},
        {"place": "gateway", "name": "GW_PIN", "is": "missing"},
    ]
    shown = run("check", "--data", path)
    assert "module: STRANGE must not be there" in shown.stdout
    assert "gateway: GW_PIN is missing" in shown.stdout
    assert "installation, differences: 2" in shown.stdout
    world.keeper.close()


def test_the_list_for_people(tmp_path: Path) -> None:
    world = copy_of(tmp_path / "gateway", *SEAL_FIRST, *TO_INSTALLATION)
    world.keeper.close()
    shown = run("list", "--data", world.folder.path).stdout
    for word in ("software module, paired", "GW_WAN_TLS_PRE", "prepared", "ROOT_WAN_SIG_CRT", "GWADM_AUT_PUB"):
        assert word in shown
    assert "exactly what the phase demands" in run("check", "--data", world.folder.path).stdout


def test_a_gateway_made_without_a_life_says_what_it_lacks(tmp_path: Path) -> None:
    folder = founded_folder(tmp_path / "gateway")
    assert "unguarded" in run("list", "--data", folder.path).stdout
    lacking = answer("check", "--data", folder.path)
    assert lacking["phase"] == "normal-operation"
    assert {"place": "module", "name": "ROOT_WAN_SIG_CRT", "is": "missing"} in lacking["differences"]


@pytest.mark.parametrize("command", ["list", "check"])
def test_a_folder_without_a_module(tmp_path: Path, command: str) -> None:
    found = run(command, "--data", tmp_path, "--json")
    assert found.exit_code == 3
    assert json.loads(found.stdout)["code"] in ("module.missing", "gateway.not_initialised")
