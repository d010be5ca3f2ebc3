"""`smgw administrator template`: profiles on standard output that an administrator takes, and a code for what is missing."""

from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_parts import communication_profile
from typer.testing import CliRunner, Result

from smgw.cli.administrator import app
from smgw.core.profiles import PROFILE_KINDS, ConsumerProfile


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
    result = fill(files, "--consumer", "consumer1.sm:ann", "--password", str(files / "password"))
    assert result.exit_code == 0, result.output
    rows = msgspec.json.decode(result.stdout)
    assert [row["kind"] for row in rows] == ["communication", "consumer", "meter", "evaluation", "evaluation"]
    made = [msgspec.convert(row["profile"], PROFILE_KINDS[row["kind"]]) for row in rows]
    assert isinstance(made[1], ConsumerProfile)
    assert made[1].digest_md5 == "2cdd37d3cf5493caec1089bef2ddfab3"
    assert "secret" not in result.stdout


@pytest.mark.parametrize(
    ("consumer", "template", "says"),
    [
        ("consumer1.sm", "household", "consumer1.sm:ann"),
        ("consumer1.sm:ann", "household", "--password"),
        ("consumer1.sm:ann", "villa", "--password"),
    ],
)
def test_what_is_missing_is_said_with_a_code(files: Path, consumer: str, template: str, says: str) -> None:
    result = fill(files, "--consumer", consumer, template=template)
    assert (result.exit_code != 0, "command.template" in result.output, says in result.output) == (True, True, True)


def test_a_template_that_is_not_there_is_said_with_those_that_are(files: Path) -> None:
    result = fill(files, "--consumer", "consumer1.sm:ann", "--password", str(files / "password"), template="villa")
    assert (result.exit_code != 0, "sub-metering" in result.output) == (True, True)


@pytest.mark.req("ADM-02")
def test_the_templates_are_listed() -> None:
    result = CliRunner().invoke(app, ["template", "list", "--json"])
    assert {"household", "landlord", "controlled-load"} <= {row["name"] for row in msgspec.json.decode(result.stdout)}
