"""`smgw administrator template`: profiles on standard output that an administrator takes, and a code for what is missing."""

from pathlib import Path

import msgspec
import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID, START, communication_profile, gateway_identity, participant_identity
from tests.playbook.life_system import make_administrator
from typer.testing import CliRunner, Result

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorConfig
from smgw.cli.administrator import app
from smgw.codec.cms import authenveloped
from smgw.core.profiles import PROFILE_KINDS, CommunicationProfile, ConsumerProfile
from smgw.security.content import decrypt_envelope


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "emt1.json").write_bytes(msgspec.json.encode(communication_profile(15103)))
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    return tmp_path


def fill(files: Path, *more: str, template: str = "household") -> Result:
    words = ["template", "fill", template, "--meter", "1SGW0010000001", "--point", "DE0001", "--supplier", str(files / "emt1.json")]
    return CliRunner().invoke(app, [*words, "--from", "2026-04-01T00:00:00+02:00", *more])


@pytest.mark.req("ADM-02")
def test_a_template_prints_profiles_with_the_digests_of_the_password(files: Path) -> None:
    result = fill(files, "--consumer", "consumer1.sm:op1", "--password", str(files / "password"))
    assert result.exit_code == 0, result.output
    rows = msgspec.json.decode(result.stdout)
    assert [row["kind"] for row in rows] == ["communication", "consumer", "meter", "evaluation", "evaluation"]
    made = [msgspec.convert(row["profile"], PROFILE_KINDS[row["kind"]]) for row in rows]
    assert isinstance(made[1], ConsumerProfile)
    assert made[1].digest_md5 == "6b0820a8c9f19144fcd39f0c80bf8cb1"
    assert "secret" not in result.stdout


@pytest.mark.parametrize(
    ("consumer", "template", "says"),
    [
        ("consumer1.sm", "household", "consumer1.sm:tenant1"),
        ("consumer1.sm:op1", "household", "--password"),
        ("consumer1.sm:op1", "villa", "--password"),
    ],
)
def test_what_is_missing_is_said_with_a_code(files: Path, consumer: str, template: str, says: str) -> None:
    result = fill(files, "--consumer", consumer, template=template)
    assert (result.exit_code != 0, "command.template" in result.output, says in result.output) == (True, True, True)


def test_a_template_that_is_not_there_is_said_with_those_that_are(files: Path) -> None:
    result = fill(files, "--consumer", "consumer1.sm:op1", "--password", str(files / "password"), template="villa")
    assert (result.exit_code != 0, "sub-metering" in result.output) == (True, True)


@pytest.mark.req("ADM-02")
def test_the_templates_are_listed() -> None:
    result = CliRunner().invoke(app, ["template", "list", "--json"])
    assert {"household", "landlord", "controlled-load"} <= {row["name"] for row in msgspec.json.decode(result.stdout)}


def fill_one(files: Path, served: Thread, meter: str, label: str) -> Result:
    """Have the gateway of the test hold the profiles of a household more."""
    facts = ["--meter", meter, "--point", "DE0001", "--supplier", str(files / "emt1.json"), "--from", "2026-04-01T00:00:00+02:00"]
    facts += ["--consumer", "tenant.sm:op1", "--password", str(files / "password"), "--label", label]
    where = ["--put", GATEWAY_ID, "--data", str(files / "gwa"), "--url", served.url]
    return CliRunner().invoke(app, ["template", "fill", "household", *facts, *where])


@pytest.mark.req("ADM-02")
def test_orders_stand_beside_one_another_and_what_is_held_is_not_sent_again(files: Path) -> None:
    partner = msgspec.structs.replace(communication_profile(15103), partner_id="emt9.sm")
    (files / "emt1.json").write_bytes(msgspec.json.encode(partner))
    with Thread(files / "gwa") as served:
        first = fill_one(files, served, "1SGW0010000077", "op1-")
        assert "5 profiles more; 0 it" in first.stdout, first.output
        assert "0 profiles more; 5 it" in fill_one(files, served, "1SGW0010000077", "op1-").stdout
        second = fill_one(files, served, "1SGW0010000078", "op2-")
        assert "3 profiles more; 2 it" in second.stdout, second.output
        (files / "emt1.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(partner, port=1)))
        changed = fill_one(files, served, "1SGW0010000079", "carl-")
        assert (changed.exit_code != 0, "profile.version" in changed.output, "--version 2" in changed.output) == (True, True, True)
        listed = CliRunner().invoke(app, ["profile", "list", GATEWAY_ID, "--data", str(files / "gwa"), "--url", served.url, "--json"])
        names = {row["id"] for row in msgspec.json.decode(listed.stdout)}
        assert {"taf7-op1-1.sm", "taf7-op2-1.sm"} <= names
        assert not {"taf7-carl-1.sm", "1SGW0010000079"} & names


@pytest.mark.req("WAN-02")
def test_a_partner_is_made_from_its_certificates(tmp_path: Path) -> None:
    pem = tmp_path / "emt.pem"
    pem.write_bytes(participant_identity().triple.to_pem())
    words = ["template", "partner", "emt1.sm", "--certificates", str(pem), "--host", "127.0.0.1", "--port", "15103"]
    made = CliRunner().invoke(app, words)
    assert msgspec.json.decode(made.stdout, type=CommunicationProfile) == msgspec.structs.replace(
        communication_profile(15103), host="127.0.0.1"
    )
    pem.write_bytes(gateway_identity().triple.to_pem())
    refused = CliRunner().invoke(app, words)
    assert (refused.exit_code != 0, "a market participant's TLS certificate" in refused.output) == (True, True)
    assert CliRunner().invoke(app, [*words[:4], str(tmp_path / "none"), *words[5:]]).exit_code != 0


SERVER_ID, KEY = "019315785634123307", "000102030405060708090a0b0c0d0e0f"


@pytest.mark.req("ADM-02", "LMN-04")
def test_a_wireless_meters_key_is_sealed_for_its_gateway(files: Path) -> None:
    folder = make_administrator(files / "gwa")
    folder.save(AdministratorConfig("test.GWA"))
    own, books = gateway_identity(), open_books(folder.inventory)
    books.inventory.add_gateway(GATEWAY_ID, own.triple.tls, own.triple.sig, own.triple.enc, START, "test")
    books.close()
    file = files / "meter.key"
    file.touch(0o600)

    def seal(key: str, gateway: str = GATEWAY_ID) -> Result:
        file.write_text(key + "\n")
        words = ["template", "meter-key", gateway, "--server-id", SERVER_ID, "--key", str(file)]
        return CliRunner().invoke(app, [*words, "--data", str(folder.path), "--json"])

    result = seal(KEY)
    assert result.exit_code == 0, result.output
    assert KEY not in result.output
    envelope = authenveloped.read(bytes.fromhex(msgspec.json.decode(result.stdout)["sealed_key"]))
    assert decrypt_envelope(envelope, module=own.module, recipient=own.recipient).hex() == SERVER_ID + KEY
    for bad in (seal(KEY[:-2]), seal("no hex"), seal(KEY, "ESGW0000000099")):
        assert bad.exit_code != 0 and msgspec.json.decode(bad.stdout)["code"] in ("oms.key", "administrator.unknown_gateway")
