"""`smgw administrator succession`: two administrators exchange files as table 5 of the annex has it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, all_profiles, gateway_identity
from typer.testing import CliRunner

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorConfig, AdministratorFolder
from smgw.administrator.initial_configuration import AUTHENTICATION_FILE
from smgw.cli.administrator import app
from smgw.codec.cms import signed
from smgw.codec.initial_configuration import InitialConfiguration, decode_initial_configuration
from smgw.core.instant import utc_text
from smgw.net.identity import TRUST_FOLDER, create_keys, install_certificates, open_module
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.requests import make_authentication_request
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY
from smgw.security.tls import pem_bundle

pytestmark = pytest.mark.req("ADM-12", "ADM-13")

NOW = datetime.now(UTC).replace(microsecond=0)
UNTIL = utc_text(NOW + timedelta(days=1))


def administrator(folder: Path, name: str, pki: PkiFolder) -> Path:
    package = create_keys(folder, ADMINISTRATOR_KEYS, Role.GWA, name)
    install_certificates(folder, pki.issue(package, Role.GWA, now=NOW), [pki.sub().certificate])
    module = open_module(folder)
    module.generate(AUTHENTICATION_KEY, "brainpoolP256r1")
    request = make_authentication_request(module, AUTHENTICATION_KEY, Role.GWA, name)
    (folder / AUTHENTICATION_FILE).write_bytes(pem_bundle([pki.issue_authentication(request, now=NOW)]))
    pki.trust(NOW).save(folder / TRUST_FOLDER)
    AdministratorFolder(folder).save(AdministratorConfig(f"{name}.GWA", management_port=15_101, time_port=15_102, service_port=15_103))
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("change")
    pki = PkiFolder.found(path / "pki", now=NOW, sub_name="test")
    old, new = administrator(path / "old", "old", pki), administrator(path / "new", "new", pki)
    books, triple = open_books(AdministratorFolder(old).inventory), gateway_identity().triple
    books.inventory.add_gateway(GATEWAY_ID, triple.tls, triple.sig, triple.enc, NOW, "test")
    for profile in all_profiles():
        books.inventory.put_profile(GATEWAY_ID, profile, NOW, "test")
    books.close()
    return old, new


def offered(offer: Path) -> InitialConfiguration:
    content = signed.read(offer.read_bytes()).encapsulated_content_info.content
    assert content is not None
    return decode_initial_configuration(content)


def typed(data: Path, *words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["succession", *words, "--data", str(data), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_a_gateway_is_offered_announced_told_of_expected_and_withdrawn(both: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = both
    offer, told = tmp_path / "offer.cms", tmp_path / "told.cms"
    assert typed(new, "offer", GATEWAY_ID, "--out", str(offer))["administrator"] == "new.GWA"
    # Without it the gateway would tell the new administrator of no disturbance.
    assert offered(offer).service_port == 15_103
    assert typed(old, "infrastructure", GATEWAY_ID, "--offer", str(offer), "--out", str(told))["for"] == "new.GWA"
    assert typed(old, "announce", GATEWAY_ID, "--offer", str(offer), "--until", UNTIL)["state"] == "wanted"
    again = typed(old, "announce", GATEWAY_ID, "--offer", str(offer), "--until", UNTIL, code=1)
    assert again["code"] == "succession.under_way"
    accepted = typed(new, "accept", str(told), "--until", UNTIL, "--wake-up", "gateway.invalid:15100")
    assert accepted == {"gateway": GATEWAY_ID, "other": "old.GWA", "state": "expected", "until": UNTIL, "profiles": len(all_profiles())}
    assert [(row["side"], row["state"]) for row in typed(new, "list")] == [("incoming", "expected")]
    books = open_books(AdministratorFolder(new).inventory)
    assert len(books.inventory.profiles(GATEWAY_ID)) == len(all_profiles())
    assert books.wake_ups.address(GATEWAY_ID).port == 15_100
    books.close()
    assert typed(new, "withdraw", GATEWAY_ID)["state"] == "refused"
    assert typed(new, "accept", str(told), "--until", UNTIL)["state"] == "expected", "what is held already stays"
    assert typed(old, "withdraw", GATEWAY_ID)["state"] == "withdrawn"
    assert typed(old, "withdraw", GATEWAY_ID, code=1)["code"] == "succession.none"
    folder = AdministratorFolder(old)
    folder.save(msgspec.structs.replace(folder.load(), four_eyes=("change",)))
    assert typed(old, "announce", GATEWAY_ID, "--offer", str(offer), "--until", UNTIL)["state"] == "waiting"
    folder.save(msgspec.structs.replace(folder.load(), four_eyes=()))


def test_the_end_is_noted_once_the_gateway_was_announced(both: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = both
    offer = tmp_path / "offer.cms"
    typed(new, "offer", GATEWAY_ID, "--out", str(offer))
    typed(old, "announce", GATEWAY_ID, "--offer", str(offer), "--until", UNTIL)
    assert typed(old, "confirm", GATEWAY_ID, code=1)["code"] == "succession.none", "the gateway knows nothing of it yet"
    books = open_books(AdministratorFolder(old).inventory)
    books.successions.move(GATEWAY_ID, "announced", NOW, "test")
    books.close()
    assert typed(old, "confirm", GATEWAY_ID)["state"] == "handed_over"
    assert typed(old, "confirm", GATEWAY_ID, code=1)["code"] == "succession.none"


def test_what_does_not_fit_begins_nothing(both: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = both
    offer, own, other = tmp_path / "offer.cms", tmp_path / "own.cms", tmp_path / "other.cms"
    typed(new, "offer", GATEWAY_ID, "--out", str(offer))
    typed(old, "offer", GATEWAY_ID, "--out", str(own))
    typed(new, "offer", "ESGW0000000099", "--out", str(other))
    before = typed(old, "list")
    late, soon = utc_text(NOW + timedelta(days=20)), utc_text(NOW)
    for file, until, code in ((offer, late, "succession.until"), (offer, soon, "succession.until"), (own, UNTIL, "succession.same"),
                              (other, UNTIL, "succession.none"), (tmp_path / "missing", UNTIL, "pki.file")):  # fmt: skip
        exit_code = 3 if code == "pki.file" else 1
        assert typed(old, "announce", GATEWAY_ID, "--offer", str(file), "--until", until, code=exit_code)["code"] == code
    forged = bytearray(offer.read_bytes())
    forged[-1] ^= 1
    offer.write_bytes(forged)
    typed(old, "announce", GATEWAY_ID, "--offer", str(offer), "--until", UNTIL, code=5)
    typed(new, "accept", str(own), "--until", UNTIL, code=4)
    assert typed(old, "list") == before
