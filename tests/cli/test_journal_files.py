"""`smgw journal export -o FILE` and `verify --export FILE`: first what is refused, then round trips through files."""

import errno
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gateway.export_world import CONSUMER, QUARTER, fill, reading
from tests.gateway.gateway_folder import founded_folder
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles, participant_identity
from tests.trudi_files import berlin, supplier
from typer.testing import CliRunner, Result

from smgw.cli import journal_files
from smgw.cli.journal import app
from smgw.cli.verify import run as run_verify
from smgw.codec.trudi_model import Smgw
from smgw.codec.trudi_write import write_supplier_file
from smgw.core.instant import utc_text
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT
from smgw.gateway.config import GatewayFolder
from smgw.net.identity import open_module
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.reading_signature import sign_reading
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("LOG-02", "CON-04")

AT = ("--at", "2026-03-02T12:00:00Z")
"""When the test PKI is valid: exports are made by the clock of this machine."""
FORMS: dict[str, tuple[str, ...]] = {
    "json": (),
    "json of a consumer": ("--consumer", CONSUMER),
    "csv": ("--format", "csv", "--chain", "readings"),
    "conexa": ("--format", "conexa", "--chain", "consumer", "--consumer", CONSUMER),
    "trudi": ("--format", "trudi", "--consumer", CONSUMER, "--contract", "taf7-1.sm"),
}


def open_journal(folder: GatewayFolder) -> Journal:
    return Journal.open(folder.journal, open_module(folder.path).storage_key("journal"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> GatewayFolder:
    folder = founded_folder(tmp_path_factory.mktemp("model") / "gateway")
    with open_journal(folder) as journal:
        fill(journal, open_module(folder.path))
    return folder


@pytest.fixture
def gateway(model: GatewayFolder, tmp_path: Path) -> GatewayFolder:
    return GatewayFolder(shutil.copytree(model.path, tmp_path / "gateway"))


@pytest.fixture
def running(gateway: GatewayFolder) -> Iterator[GatewayFolder]:
    """Give a gateway whose journal another process has open."""
    with open_journal(gateway):
        yield gateway


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def export(folder: GatewayFolder, *options: str) -> Path:
    path = folder.path.parent / "export"
    result = run("export", "--data", folder.path, "--output", path, *options)
    assert (result.exit_code, result.output) == (0, "")
    return path


def verify(folder: GatewayFolder, path: Path, *options: object) -> Result:
    named = ("--certificate", folder.path / "triple.pem", "--trust", folder.path / "trust", *AT)
    return run("verify", "--export", path, *named, *options)


def refusal(result: Result) -> tuple[int, str]:
    return result.exit_code, result.stderr.partition("(")[2].partition(":")[0].partition(")")[0]


@pytest.mark.parametrize("form", FORMS)
def test_one_changed_octet_ends_with_exit_code_5(gateway: GatewayFolder, form: str) -> None:
    path = export(gateway, *FORMS[form])
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes((data[-9] ^ 1,)) + data[-8:])
    assert refusal(verify(gateway, path)) == (5, "cms.signature")
    path.write_bytes(data[:-1])
    assert refusal(verify(gateway, path)) == (5, "cms.signature")


def test_what_is_missing_is_named(gateway: GatewayFolder, tmp_path: Path) -> None:
    path = export(gateway)
    signature = tmp_path / "export.p7s"
    message = signature.read_bytes()
    signature.unlink()
    assert refusal(verify(gateway, path)) == (3, "export.file")
    signature.write_bytes(message)
    assert refusal(verify(gateway, path, "--certificate", tmp_path / "none")) == (3, "export.file")
    certificate = tmp_path / "tls.pem"
    triple = participant_identity().triple
    certificate.write_bytes(triple.tls.public_bytes(Encoding.PEM))
    assert refusal(run("verify", "--export", path, "--certificate", certificate, "--trust", gateway.path / "trust")) == (3, "export.file")
    certificate.write_bytes(triple.to_pem())
    other = run("verify", "--export", path, "--certificate", certificate, "--trust", gateway.path / "trust")
    assert refusal(other) == (5, "export.signature")
    assert run("verify", "--export", path, "--certificate", certificate).exit_code == 2
    assert refusal(run("verify", "--export", path, "--certificate", certificate, "--trust", tmp_path / "none")) == (3, "pki.trust_folder")


def test_a_time_at_which_no_certificate_holds_is_refused(gateway: GatewayFolder) -> None:
    path = export(gateway)
    assert refusal(verify(gateway, path, "--at", "2036-01-01")) == (5, "pki.expired")
    assert refusal(verify(gateway, path, "--at", "2020-01-01")) == (5, "pki.not_yet_valid")


@pytest.mark.req("OPS-05")
def test_an_export_that_can_not_be_written_leaves_the_one_before(gateway: GatewayFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(gateway, *FORMS["csv"])
    before = path.read_bytes()
    result = run("export", "--data", gateway.path, "--output", path.parent / "none" / "export")
    assert refusal(result) == (3, "export.file")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_files.os, "fsync", full)
        assert refusal(run("export", "--data", gateway.path, "--output", path)) == (3, "export.file")
    assert path.read_bytes() == before
    assert verify(gateway, path).exit_code == 0
    assert not list(path.parent.glob("*.partial"))


def test_a_gateway_without_certificates_signs_nothing_and_says_so(gateway: GatewayFolder, tmp_path: Path) -> None:
    (gateway.path / "triple.pem").unlink()
    assert refusal(run("export", "--data", gateway.path, "--output", tmp_path / "export")) == (3, "identity.missing")
    assert run("export", "--data", gateway.path).exit_code == 0
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("form", FORMS)
def test_a_genuine_file_is_told_with_what_it_holds(gateway: GatewayFolder, form: str) -> None:
    path = export(gateway, *FORMS[form])
    result = verify(gateway, path, "--json")
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    assert (facts["ok"], facts["gateway"], facts["certificates_valid_at"]) == (True, GATEWAY_ID, AT[1])
    expected = {"json": 195, "json of a consumer": 195, "trudi": 194}
    assert facts.get("signed_readings") == expected.get(form)
    shown = verify(gateway, path).stdout
    assert GATEWAY_ID in shown
    assert ("Chains, all intact" in shown) == form.startswith("json")


def test_a_signature_may_lie_elsewhere(gateway: GatewayFolder, tmp_path: Path) -> None:
    path = export(gateway, "--signature", str(tmp_path / "proof"))
    assert not (tmp_path / "export.p7s").exists()
    assert verify(gateway, path, "--signature", tmp_path / "proof").exit_code == 0


def test_beside_a_running_gateway_the_export_itself_is_sealed(running: GatewayFolder) -> None:
    facts = json.loads(verify(running, export(running), "--json").stdout)
    assert facts["seals_and_cuts"] == 4
    assert facts["signed_readings"] == 195


def test_an_export_stands_in_the_logs(gateway: GatewayFolder) -> None:
    export(gateway)
    export(gateway, *FORMS["csv"])
    export(gateway, *FORMS["conexa"])
    with open_journal(gateway) as journal:
        told = [stored.entry.parameters for stored in journal.log(Log.SYSTEM) if stored.entry.event == "data_exported"]
        own = [stored.entry.parameters for stored in journal.log(Log.CONSUMER, CONSUMER) if stored.entry.event == "data_exported"]
    assert told == [
        {"what": "cuts, readings, registers, system, calibration, consumer", "form": "json"},
        {"what": "readings", "form": "csv"},
        {"what": "consumer", "form": "conexa"},
    ]
    assert own == [{"what": "consumer", "form": "conexa"}]


@pytest.mark.req("CON-06", "TAF-22")
def test_a_bill_is_recomputed_from_the_device_file_of_a_contract(tmp_path: Path) -> None:
    """What the gateway exports is what `smgw verify` reads: the whole way of a consumer who doubts a bill."""
    folder = founded_folder(tmp_path / "gateway")
    module = open_module(folder.path)
    with open_journal(folder) as journal:
        for profile in all_profiles():
            journal.put_profile(profile, b"", START)
        values = [reading(number, 1000 + 3 * number) for number in range(200)]
        values += [reading(number, 70, ACTIVE_ENERGY_EXPORT) for number in range(200)]
        journal.append_readings([(value, sign_reading(module, GATEWAY_KEYS.sig, value)) for value in values])
    day = berlin(2026, 3, 2), berlin(2026, 3, 3)
    span = [utc_text(moment) for moment in day]
    path = export(folder, *FORMS["trudi"], "--from", span[0], "--to", span[1])
    tariff = supplier(
        start=day[0],
        end=day[1],
        usage_point_id="DE0001",
        invoicing_party_id="emt1.sm",
        smgw=Smgw(GATEWAY_ID),
        tariff_name="BEZUG",
    )
    (tmp_path / "supplier.xml").write_bytes(write_supplier_file(tariff))
    out = io.StringIO()
    assert run_verify(tmp_path / "supplier.xml", path, as_json=True, html=None, out=out) == 0, out.getvalue()
    result = json.loads(out.getvalue())
    amounts = {register["tariff"]: register["value"] for register in result["registers"] if register["obis"].startswith("1-0:1.8")}
    assert amounts == {1: 3 * 36, 2: 3 * 60, 63: 0}
    assert day[1] - day[0] == QUARTER * 96
    facts = json.loads(verify(folder, path, "--json").stdout)
    assert facts["signed_readings"] == 2 * 97
