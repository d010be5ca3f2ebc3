"""`smgw pki` as a user calls it."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner, Result

from smgw.administrator.initial_configuration import load_authentication
from smgw.cli.pki import app
from smgw.pki.triple import read_certificates

RUNNER = CliRunner()
DEVICE_ID = "EBSI0012345678"


def run(*arguments: object) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def good(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def as_json(*arguments: object) -> Any:
    return json.loads(good(*arguments, "--json"))


def bad(code: str, exit_code: int, *arguments: object) -> None:
    result = run(*arguments)
    assert code in result.stderr
    assert result.exit_code == exit_code
    assert json.loads(run(*arguments, "--json").stdout)["code"] == code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good("init", tmp_path / "pki")
    return tmp_path / "pki"


@pytest.fixture
def triple(folder: Path, tmp_path: Path) -> Path:
    good("request", tmp_path / "gw", "--role", "smgw", "--name", DEVICE_ID, "--out", tmp_path / "gw.request")
    good("issue", folder, "--request", tmp_path / "gw.request", "--role", "smgw", "--out", tmp_path / "gw.pem")
    return tmp_path / "gw.pem"


@pytest.mark.req("PKI-01")
def test_from_founding_to_a_checked_triple(tmp_path: Path) -> None:
    pki, trust = tmp_path / "pki", tmp_path / "pki" / "trust"
    made = as_json("init", pki, "--crl-signer")
    assert [one["name"] for one in made["authorities"]] == ["SM-Test-Root.CA", "Test.CA"]
    assert "Zweite.CA (sub-ca)" in good("init", pki, "--name", "Zweite")
    asked = as_json("request", tmp_path / "gw", "--role", "smgw", "--name", DEVICE_ID, "--out", tmp_path / "request")
    assert asked["keys"] == ["GW_WAN_TLS", "GW_WAN_SIG", "GW_WAN_ENC"]
    assert [one["name"] for one in as_json("keys", tmp_path / "gw")["keys"]] == sorted(asked["keys"])
    assert "GW_WAN_ENC" in good("keys", tmp_path / "gw")
    issue = ("issue", pki, "--request", tmp_path / "request", "--role", "smgw", "--out", tmp_path / "gw.pem")
    assert f"{DEVICE_ID}.SMGW" in good(*issue, "--sub", "Zweite", "--days", "30")
    assert len(read_certificates((tmp_path / "gw.pem").read_bytes())) == 4
    checked = as_json("check", tmp_path / "gw.pem", "--trust", trust)["checked"]
    assert [one["use"] for one in checked] == ["tls-client, tls-server", "sig", "enc", "authority"]
    assert {one["path"] for one in checked[:3]} == {f"{DEVICE_ID}.SMGW < Zweite.CA < SM-Test-Root.CA"}
    assert [one["kind"] for one in as_json("list", pki)["certificates"]][-3:] == ["tls", "sig", "enc"]
    assert "crl-signer" in good("list", pki)


@pytest.mark.req("PKI-01")
def test_suspend_resume_revoke(folder: Path, triple: Path) -> None:
    check = ("check", triple, "--trust", folder / "trust")
    assert "list 2 with 3 entries" in good("suspend", folder, "--certificate", triple)
    bad("pki.suspended", 5, *check)
    assert as_json("resume", folder, "--certificate", triple)["lists"][1]["entries"] == 0
    assert "until" in good(*check)
    good("revoke", folder, "--certificate", triple)
    bad("pki.revoked", 5, *check)
    assert as_json("list", folder)["certificates"][-1]["standing"] == "unspecified"
    assert as_json("crl", folder)["lists"][0]["number"] == 1


def test_show_tells_the_three_apart(folder: Path, triple: Path, tmp_path: Path) -> None:
    assert f"CN={DEVICE_ID}.SMGW" in good("show", triple)
    assert [len(as_json("show", triple)["items"])] == [4]
    assert as_json("show", tmp_path / "gw.request")["items"][0]["role"] == "smgw"
    for path in (folder / "trust" / "crls").iterdir():
        assert as_json("show", path)["items"][0]["number"] == 1
        assert "next_update" in good("show", path)
        assert as_json("check", path, "--trust", folder / "trust")["ok"]


def test_checks_at_another_time_and_for_another_use(folder: Path, triple: Path) -> None:
    check = ("check", triple, "--trust", folder / "trust")
    bad("pki.expired", 5, *check, "--at", "2099-01-01")
    bad("pki.role", 5, *check, "--role", "emt")
    bad("pki.usage", 5, *check, "--use", "enc")
    bad("value.time", 3, *check, "--at", "yesterday")
    year = datetime.now(UTC).year + 1
    bad("pki.crl_stale", 5, *check, "--at", f"{year}-12-31")


@pytest.mark.req("PKI-02")
def test_a_check_tells_of_every_certificate_what_it_found(folder: Path, triple: Path, tmp_path: Path) -> None:
    trust = ("--trust", folder / "trust")
    sig = tmp_path / "sig.pem"
    sig.write_bytes(read_certificates(triple.read_bytes())[1].public_bytes(Encoding.PEM))
    good("revoke", folder, "--certificate", sig, "--reason", "key_compromise")
    result = run("check", triple, *trust, "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"], answer["code"]) == (5, False, "pki.revoked")
    assert [(one["ok"], one.get("code", "")) for one in answer["checked"]] == [(True, ""), (False, "pki.revoked"), (True, ""), (True, "")]
    shown = run("check", triple, *trust)
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["good", "BAD", "good", "good"]
    assert "pki.revoked" in shown.stderr


@pytest.mark.req("PKI-02")
def test_a_chain_brings_its_own_links_but_never_its_own_root(folder: Path, triple: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    for name in ("anchors", "crls"):
        shutil.copytree(folder / "trust" / name, bare / name)
    assert as_json("check", triple, "--trust", bare)["ok"]
    alone = tmp_path / "alone.pem"
    alone.write_bytes(read_certificates(triple.read_bytes())[0].public_bytes(Encoding.PEM))
    bad("pki.unknown_issuer", 5, "check", alone, "--trust", bare)
    good("init", tmp_path / "other")
    root = next((tmp_path / "other" / "trust" / "anchors").iterdir())
    with_root = tmp_path / "chain.pem"
    with_root.write_bytes(triple.read_bytes() + root.read_bytes())
    bad("pki.unknown_issuer", 5, "check", triple, "--trust", tmp_path / "other" / "trust")
    # A root of the same name in the file changes nothing: trust comes from the folder alone.
    answer = json.loads(run("check", with_root, "--trust", bare, "--json").stdout)
    assert [one["ok"] for one in answer["checked"]] == [True, True, True, True, False]


@pytest.mark.req("PKI-02")
def test_authorities_are_checked_too(folder: Path) -> None:
    trust = ("--trust", folder / "trust")
    root, sub = (next((folder / "trust" / name).iterdir()) for name in ("anchors", "intermediates"))
    assert as_json("check", root, *trust)["checked"][0]["path"] == "SM-Test-Root.CA"
    assert as_json("check", sub, *trust)["checked"][0]["path"] == "Test.CA < SM-Test-Root.CA"
    bad("pki.expired", 5, "check", root, *trust, "--at", "2099-01-01")
    bad("pki.not_yet_valid", 5, "check", root, *trust, "--at", "2001-01-01")


@pytest.mark.req("PKI-01")
def test_a_triple_is_renewed_while_the_old_one_is_good(folder: Path, triple: Path, tmp_path: Path) -> None:
    new, party = tmp_path / "new.pem", ("--module", tmp_path / "gw")
    made = as_json("renew", folder, *party, "--certificate", triple, "--out", new)
    assert made["keys"] == ["GW_WAN_TLS_G2", "GW_WAN_SIG_G2", "GW_WAN_ENC_G2"]
    trust = ("--trust", folder / "trust")
    assert as_json("check", new, *trust)["ok"] and as_json("check", triple, *trust)["ok"]
    again = tmp_path / "again.pem"
    good("renew", folder, *party, "--certificate", new, "--out", again, "--days", "30", "--revoke-old")
    bad("pki.revoked", 5, "check", new, *trust)
    assert len(as_json("list", folder, "--expiring", "40")["certificates"]) == 3
    assert "superseded" in good("list", folder, "--name", DEVICE_ID.lower())
    bad("pki.revoked", 5, "renew", folder, *party, "--certificate", new, "--out", tmp_path / "x")
    good("request", tmp_path / "other", "--role", "smgw", "--name", DEVICE_ID, "--out", tmp_path / "other.request")
    bad("module.no_key", 2, "renew", folder, "--module", tmp_path / "other", "--certificate", triple, "--out", tmp_path / "x")
    bad("pki.file", 3, "renew", folder, *party, "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.req("PKI-01")
def test_a_terminal_is_asked_for_what_no_flag_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad("pki.folder", 2, "init")
    monkeypatch.setattr("smgw.cli.pki._at_terminal", lambda: True)
    asked = RUNNER.invoke(app, ["init"], input=f"{tmp_path / 'asked'}\nSeaside\n\ny\n")
    assert asked.exit_code == 0, asked.output
    assert "Seaside.CA (sub-ca)" in asked.stdout
    assert "crl-signer" in good("list", tmp_path / "asked")
    more = RUNNER.invoke(app, ["init", "--name", "Mountain"], input=f"{tmp_path / 'asked'}\n")
    assert more.exit_code == 0 and "Mountain.CA" in more.stdout
    assert "Mountain.CA" in good("show", tmp_path / "asked")


def test_wrong_calls_say_what_to_do(folder: Path, triple: Path, tmp_path: Path) -> None:
    request = tmp_path / "gw.request"
    bad("pki.authority_exists", 3, "init", folder)
    bad("pki.authority", 3, "list", tmp_path / "none")
    bad("pki.authority", 3, "issue", folder, "--request", request, "--role", "smgw", "--sub", "None", "--out", tmp_path / "x")
    bad("pki.role", 5, "issue", folder, "--request", request, "--role", "emt", "--out", tmp_path / "x")
    bad("pki.role", 2, "request", tmp_path / "gw", "--role", "sub-ca", "--name", "X", "--out", tmp_path / "x")
    bad("pki.name", 2, "request", tmp_path / "gw", "--role", "smgw", "--name", "X", "--out", tmp_path / "x")
    bad("pki.file", 3, "show", tmp_path / "none")
    bad("pki.malformed", 4, "show", Path(__file__))
    bad("pki.request", 3, "check", request, "--trust", folder / "trust")
    bad("pki.trust_folder", 3, "check", triple, "--trust", tmp_path)
    bad("pki.reason", 2, "revoke", folder, "--certificate", triple, "--reason", "boredom")
    bad("pki.not_suspended", 1, "resume", folder, "--certificate", triple)
    root = next((folder / "trust" / "anchors").iterdir())
    bad("pki.role", 2, "revoke", folder, "--certificate", root)
    bad("module.missing", 3, "keys", _with_secret(tmp_path / "empty"))
    assert run("serve", folder, "--listen", "nowhere").exit_code == 2
    assert not (tmp_path / "x").exists()


def _with_secret(folder: Path) -> Path:
    folder.mkdir()
    (folder / "module.secret").write_text("0123456789")
    (folder / "module.secret").chmod(0o600)
    return folder


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Serve a PKI as a process; gives its address, and at the end what it says last."""
    program = "from smgw.cli.pki import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    last: list[Any] = []
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert (ready["event"], ready["role"]) == ("ready", "pki")
    try:
        yield f"http://127.0.0.1:{ready['port']}", last
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    last.append(json.loads(out))
    assert process.returncode == 0


def test_serve_runs_until_it_is_told_to_stop(folder: Path) -> None:
    with (
        served(folder) as (url, last),
        urllib.request.urlopen(f"{url}/pki/v1/ca/certs", timeout=60) as response,
    ):
        assert len(read_certificates(response.read())) == 2
    assert last[0]["requests"] == 1


@pytest.mark.req("PKI-01")
def test_certificates_are_revoked_over_the_network(folder: Path, triple: Path, tmp_path: Path) -> None:
    authorities = tmp_path / "authorities.pem"
    with served(folder) as (url, last):
        with urllib.request.urlopen(f"{url}/pki/v1/ca/certs", timeout=60) as response:
            authorities.write_bytes(response.read())
        by = ("--url", url + "/", "--module", tmp_path / "gw", "--certificate", triple)
        bad("pki.reason", 2, "order-revocation", triple, *by, "--reason", "certificate_hold")
        bad("pki.holder", 1, "order-revocation", authorities, *by)
        made = as_json("order-revocation", triple, *by, "--reason", "superseded")
        assert (made["common_name"], len(made["serials"])) == (f"{DEVICE_ID}.SMGW", 3)
        bad("pki.refused", 4, "order-revocation", triple, *by)
    assert last[0]["requests"] == 4
    standing = {one["serial"].lower(): one["standing"] for one in as_json("list", folder)["certificates"]}
    assert {standing[serial] for serial in made["serials"]} == {"superseded"}


@pytest.mark.req("PKI-01")
def test_an_administrators_aut_certificate(folder: Path, tmp_path: Path) -> None:
    party, request, out = tmp_path / "gwa", tmp_path / "aut.request", tmp_path / "gwa" / "authentication.pem"
    asking = ("request", party, "--authentication", "--name", "test", "--out", request)
    asked = as_json(*asking, "--role", "gwa", "--contact", "gwa@example.test")
    assert (asked["keys"], asked["request"]["contact"]) == (["GWA_WAN_AUT"], "gwa@example.test")
    assert as_json("show", request)["items"] == [asked["request"]]
    bad("pki.role", 2, *asking, "--role", "emt")
    issue = ("issue", folder, "--request", request, "--out", out)
    assert "test.GWA: AUT certificate valid until" in good(*issue, "--role", "gwa")
    assert [one["kind"] for one in as_json("list", folder)["certificates"]][-1] == "aut"
    assert [one["use"] for one in as_json("check", out, "--trust", folder / "trust")["checked"]] == ["sig"]
    assert load_authentication(party).key_name == asked["keys"][0]
    out.unlink()
    assert run(*issue, "--role", "emt").exit_code == 5
    assert not out.exists()


@pytest.mark.req("PKI-01")
def test_certificates_are_named_by_serial_number_too(folder: Path, triple: Path) -> None:
    issued = {one["kind"]: one["serial"] for one in as_json("list", folder)["certificates"]}
    good("suspend", folder, "--serial", issued["tls"], "--serial", issued["sig"].upper())
    assert _standings(folder) == {"tls": "certificate_hold", "sig": "certificate_hold"}
    good("resume", folder, "--serial", ":".join(issued["sig"].zfill(40)[at : at + 2] for at in range(0, 40, 2)))
    assert _standings(folder) == {"tls": "certificate_hold"}
    good("resume", folder, "--serial", issued["tls"])
    good("revoke", folder, "--serial", issued["sub-ca"], "--reason", "ca_compromise")
    bad("pki.revoked", 5, "check", triple, "--trust", folder / "trust")
    bad("pki.unknown_serial", 1, "revoke", folder, "--serial", issued["root"])
    bad("pki.unknown_serial", 1, "revoke", folder, "--serial", "nonsense")
    bad("key.choice", 3, "revoke", folder)
    bad("key.choice", 3, "revoke", folder, "--serial", "1", "--certificate", triple)


def _standings(folder: Path) -> dict[str, str]:
    return {one["kind"]: one["standing"] for one in as_json("list", folder)["certificates"] if one["standing"]}


def test_what_the_system_refuses_is_said(folder: Path, triple: Path, tmp_path: Path) -> None:
    below_a_file = triple / "x"
    bad("key.output", 6, "request", tmp_path / "gw", "--role", "smgw", "--name", DEVICE_ID, "--out", below_a_file)
    bad("key.output", 6, "request", below_a_file, "--role", "smgw", "--name", DEVICE_ID, "--out", tmp_path / "y")
    bad("key.output", 6, "init", below_a_file)


def test_show_reads_well(folder: Path, triple: Path, tmp_path: Path) -> None:
    assert good("show", triple).count("\n\nsubject: ") == 3
    assert "keys: EC brainpoolP256r1, EC brainpoolP256r1, EC brainpoolP256r1\n" in good("show", tmp_path / "gw.request")
