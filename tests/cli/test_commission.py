"""A gateway from the works to the end of installation on the command line, beside a running gateway and without one."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gateway.gateway_parts import administrator_identity, participant_identity, pki
from tests.playbook.life_system import make_administrator
from typer.testing import CliRunner

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorConfig
from smgw.administrator.exchanges import Exchanges
from smgw.cli import administrator_life, commission
from smgw.gateway.config import LinkConfig
from smgw.pki.names import Role
from smgw.security.tls import pem_bundle

pytestmark = pytest.mark.req("LIFE-01", "LIFE-05", "LIFE-07")
DEVICE = "ESGW0000000077"
RUNNER = CliRunner()


def call(app: Any, *words: object, code: int = 0) -> dict[str, Any]:
    """Run a command with --json; gives what its first line says."""
    done = RUNNER.invoke(app, [str(word) for word in (*words, "--json")])
    assert done.exit_code == code, done.output
    lines = done.stdout.strip().splitlines()
    result: dict[str, Any] = msgspec.json.decode(lines[0]) if lines else {}
    return result


def test_a_gateway_is_commissioned_on_the_command_line(tmp_path: Path) -> None:
    gateway, administrator = tmp_path / "gateway", make_administrator(tmp_path / "administrator")
    administrator.save(AdministratorConfig(name="test.GWA", management_port=7001, time_port=7002))
    pins = call(commission.app, "manufacture", "--data", gateway, "--id", DEVICE)["pins"]
    files = {role: tmp_path / role for role in pins}
    for role, pin in pins.items():
        files[role].write_text(pin + "\n")
    integrator = ("--data", gateway, "--pin-file", files["integrator"])
    configurator = ("--data", gateway, "--pin-file", files["first_configurator"])

    root = tmp_path / "root.pem"
    root.write_bytes(pki().root.certificate.public_bytes(Encoding.PEM))
    fingerprint = hashlib.sha256(pki().root.certificate.public_bytes(Encoding.DER)).hexdigest()
    call(commission.app, "import-root", root, "--fingerprint", fingerprint, *integrator)
    call(commission.app, "request", "--out", tmp_path / "request.der", *integrator)
    triple = pki().issue((tmp_path / "request.der").read_bytes(), Role.SMGW, now=administrator_identity().triple.tls.not_valid_before_utc)
    seal = tmp_path / "seal.pem"
    seal.write_bytes(triple.to_pem() + pem_bundle([pki().sub().certificate]))
    assert call(commission.app, "import-seal", seal, *integrator)["phase"] == "integration"
    assert call(commission.app, "integrate", *integrator)["phase"] == "pre-personalisation-2"

    file = tmp_path / "initial.cms"
    call(administrator_life.app, "initial-configuration", "--for", DEVICE, "--out", file, "--data", administrator.path)
    assert call(commission.app, "load-configuration", file, *integrator)["phase"] == "installation"
    assert call(commission.app, "load-configuration", file, *integrator, code=1)["detail"].startswith("load_configuration needs")
    call(commission.app, "finish", *integrator, code=5)
    call(commission.app, "network", *configurator, code=2)
    call(commission.app, "network", "--link", "optical=pty:///dev/none", "--han-port", 8443, *configurator)
    call(commission.app, "address", "--host", "127.0.0.1", "--management-port", 7003, "--time-port", 7004, *configurator)
    assert call(commission.app, "log", *configurator)["device_id"] == DEVICE
    assert call(commission.app, "finish", *configurator)["phase"] == "personalisation"
    call(commission.app, "log", *configurator, code=5)
    status = call(commission.app, "status", "--data", gateway)
    assert (status["phase"], status["locked"]) == ("personalisation", [])

    call(administrator_life.app, "enrol", DEVICE, "--seal", seal, "--data", administrator.path)
    books = open_books(administrator.inventory)
    waiting = Exchanges(books.store, books.audit, books.inventory).under_way(DEVICE)
    books.close()
    assert waiting is not None and waiting.reason == "personalisation"
    soon = ("announce-end", DEVICE, "--data", administrator.path, "--at")
    assert call(administrator_life.app, *soon, "2020-03-01T12:00:00Z", code=1)["code"] == "lifecycle.notice"
    assert call(administrator_life.app, *soon, "2099-03-01T12:00:00Z")["ends_at"] == "2099-03-01T12:00:00Z"
    emt = tmp_path / "emt.pem"
    emt.write_bytes(participant_identity().triple.to_pem())
    assert call(administrator_life.app, "enrol", DEVICE, "--seal", emt, "--data", administrator.path, code=5)["code"] == "pki.role"


def test_a_wrong_pin_and_a_second_manufacture_are_refused(tmp_path: Path) -> None:
    gateway, pin = tmp_path / "gateway", tmp_path / "pin"
    call(commission.app, "manufacture", "--data", gateway, "--id", DEVICE)
    call(commission.app, "manufacture", "--data", gateway, "--id", DEVICE, code=3)
    pin.write_text("0000000000")
    for code in ("local.pin", "local.pin", "local.locked"):
        assert call(commission.app, "integrate", "--data", gateway, "--pin-file", pin, code=5)["code"] == code
    assert call(commission.app, "status", "--data", gateway)["locked"] == ["integrator"]


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("optical=serial:///dev/ttyUSB0?baud=9600", "optical", "serial:///dev/ttyUSB0?baud=9600"),
        ("serial:///dev/ttyUSB0?baud=9600", "", "serial:///dev/ttyUSB0?baud=9600"),
        ("optical", "", "optical"),
        ("optical=", "", "optical="),
    ],
)
def test_a_line_may_go_without_a_name_though_its_address_has_an_equals_sign(text: str, name: str, url: str) -> None:
    assert commission._link(text) == LinkConfig(name, url)
