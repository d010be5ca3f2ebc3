"""`smgw administrator cosem`: what a back end's developer tries first."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles, meter_profile
from tests.gateway.wan.cosem.cosem_parts import TASKS, CosemChannel, address, told_as
from typer.testing import CliRunner, Result

from smgw.administrator.books import open_books
from smgw.cli import administrator, administrator_cosem
from smgw.codec.command import Answer, Command
from smgw.codec.cosem_elements import decode_document

pytestmark = pytest.mark.req("WAN-08", "ADM-13")


def run(served: Thread, path: Path, *words: str, wait: str = "30") -> Result:
    more = ["--data", str(path), "--url", served.url] + (["--wait", wait] if words[0] != "object" else [])
    return CliRunner().invoke(administrator.app, ["cosem", *words, *more], env={"COLUMNS": "200"})


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Answer, instead of waiting, what a real gateway's objects answer."""
    channel = CosemChannel(tmp_path / "journal.db")
    for profile in all_profiles():
        channel.put(profile)

    def answer(_: float) -> None:
        books = open_books(tmp_path / "inventory.db")
        for job in books.jobs.waiting(GATEWAY_ID):
            command = Command(job.command_id, channel.clock.now(), GATEWAY_ID, job.method, job.resource, job.body)
            books.jobs.end(job, channel.ask(command), START)
        books.close()

    monkeypatch.setattr(administrator_cosem, "time", SimpleNamespace(monotonic=time.monotonic, sleep=answer))
    return channel.journal.close


def test_what_is_read_is_printed_as_it_came(tmp_path: Path, answering: Callable[[], None]) -> None:
    with Thread(tmp_path) as served:
        whole = run(served, tmp_path, "get", GATEWAY_ID, "ldevs")
        assert whole.exit_code == 0, whole.output
        assert whole.stdout.startswith('<?xml version="1.0" encoding="UTF-8"?>') and '<ldev id="1sgw0010000001.sm"/>' in whole.stdout
        assert whole.stderr == "200\n"
        part = run(served, tmp_path, "get", GATEWAY_ID, "/cosem/ldevs", "--range", "bytes=0-4", "--json")
        assert json.loads(part.stdout)["xml"] == "<?xml"
        ordered = run(served, tmp_path, "get", GATEWAY_ID, "ldevs", wait="0")
        assert (ordered.exit_code, "state: waiting" in ordered.stdout) == (0, True)
    answering()


def test_a_profile_becomes_an_object_that_is_put_and_deleted(tmp_path: Path, answering: Callable[[], None]) -> None:
    file, xml = tmp_path / "meter.json", tmp_path / "meter.xml"
    newer = msgspec.structs.replace(meter_profile(2), active=False)
    file.write_bytes(msgspec.json.encode(newer))
    with Thread(tmp_path) as served:
        made = CliRunner().invoke(administrator.app, ["cosem", "object", GATEWAY_ID, "meter", str(file)])
        assert (made.exit_code, made.stderr) == (0, f"/cosem/{address(newer)}\n")
        assert decode_document(made.stdout.encode()) == told_as(newer)
        as_json = CliRunner().invoke(administrator.app, ["cosem", "object", GATEWAY_ID, "meter", str(file), "--json"])
        assert json.loads(as_json.stdout) == {"address": f"/cosem/{address(newer)}", "xml": made.stdout}
        xml.write_text(made.stdout)
        put = run(served, tmp_path, "put", GATEWAY_ID, address(newer), str(xml))
        assert (put.exit_code, put.stdout, put.stderr) == (0, "", "200\n"), put.output
        refused = run(served, tmp_path, "delete", GATEWAY_ID, address(newer))
        assert (refused.exit_code, refused.stderr) == (4, "409 profile.in_use\n")
    answering()


def test_a_method_is_called_with_a_text(tmp_path: Path, answering: Callable[[], None]) -> None:
    notice = json.dumps({"consumer": "consumer1.sm", "text": "mended"})
    with Thread(tmp_path) as served:
        called = run(served, tmp_path, "call", GATEWAY_ID, f"{TASKS}/methods/4", notice)
        assert (called.exit_code, "<methodResponseStatus>0<" in called.stdout) == (0, True), called.output
        failed = run(served, tmp_path, "call", GATEWAY_ID, f"{TASKS}/methods/4", '{"consumer": "nobody.sm", "text": "a"}')
        assert (failed.exit_code, failed.stderr) == (4, "500 profile.unknown\n")
    answering()


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("get", GATEWAY_ID, "nothing"), "command.resource", 4),
        (("get", "ESGW0000000009", "ldevs"), "administrator.unknown_gateway", 4),
        (("put", GATEWAY_ID, address(meter_profile()), "missing.xml"), "administrator.config", 3),
        (("call", GATEWAY_ID, "ldevs"), "cosem.verb", 4),
        (("object", GATEWAY_ID, "meter", "missing.json"), "administrator.config", 3),
    ],
)
def test_what_is_wrong_is_said_with_its_code(tmp_path: Path, words: tuple[str, ...], code: str, exit_code: int) -> None:
    with Thread(tmp_path) as served:
        more = ["--data", str(tmp_path), "--url", served.url] if words[0] != "object" else []
        refused = CliRunner().invoke(administrator.app, ["cosem", *words, *more])
    assert (refused.exit_code, f"[{code}]" in refused.stderr) == (exit_code, True), refused.output


def test_a_gateway_can_not_write_to_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(_: float) -> None:
        books = open_books(tmp_path / "inventory.db")
        for job in books.jobs.waiting(GATEWAY_ID):
            body = msgspec.Raw(msgspec.json.encode({"xml": "<a>\x1b[2J\x9b\r\n</a>\n"}))
            books.jobs.end(job, Answer(job.command_id, START, GATEWAY_ID, 200, body=body), START)
        books.close()

    monkeypatch.setattr(administrator_cosem, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lie))
    with Thread(tmp_path) as served:
        shown = run(served, tmp_path, "get", GATEWAY_ID, "ldevs")
    assert shown.stdout == "<a>\ufffd[2J\ufffd\ufffd\n</a>\n"


def test_no_answer_in_time_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(0, 1000, 40))
    monkeypatch.setattr(administrator_cosem, "time", SimpleNamespace(monotonic=lambda: next(times), sleep=lambda _: None))
    with Thread(tmp_path) as served:
        late = run(served, tmp_path, "get", GATEWAY_ID, "ldevs", wait="1")
    assert (late.exit_code, "[administrator.no_answer_yet]" in late.stderr) == (6, True)


def test_bad_files_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\xff{")
    xml = CliRunner().invoke(administrator.app, ["cosem", "put", GATEWAY_ID, "ldevs", str(bad), "--data", str(tmp_path)])
    profile = CliRunner().invoke(administrator.app, ["cosem", "object", GATEWAY_ID, "meter", str(bad)])
    assert (xml.exit_code, profile.exit_code) == (3, 3)
    assert "not UTF-8" in xml.stderr and "bad:" in profile.stderr
