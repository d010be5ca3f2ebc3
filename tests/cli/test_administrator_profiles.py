"""`smgw administrator profile compare`: it waits for the gateway's answer, and its exit code tells whether anything differs."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.administrator.interface_parts import Thread
from tests.gateway.gateway_parts import GATEWAY_ID, START, all_profiles
from typer.testing import CliRunner, Result

from smgw.administrator.books import open_books
from smgw.administrator.read_back import RESOURCE
from smgw.cli import administrator
from smgw.codec.command import Answer
from smgw.core.profiles import PROFILE_KINDS, profile_digest, profile_key

pytestmark = pytest.mark.req("ADM-02", "ADM-13")


def compare(served: Thread, path: Path, *more: str) -> Result:
    words = ["profile", "compare", GATEWAY_ID, "--data", str(path), "--url", served.url, *more]
    return CliRunner().invoke(administrator.app, words, env={"COLUMNS": "200"})


def answering(path: Path, leave_out: str = "") -> Any:
    """Give what to do instead of waiting: answer, as the gateway, what it was asked."""
    held = {
        kind: {
            profile_key(one): {"version": one.version, "sha256": profile_digest(one)}
            for one in all_profiles()
            if isinstance(one, type_) and profile_key(one) != leave_out
        }
        for kind, type_ in PROFILE_KINDS.items()
    }

    def answer(_: float) -> None:
        books = open_books(path / "inventory.db")
        for job in books.jobs.waiting(GATEWAY_ID):
            assert (job.method, job.resource) == ("GET", RESOURCE)
            books.jobs.end(job, Answer(job.command_id, START, GATEWAY_ID, 200, body=msgspec.Raw(msgspec.json.encode(held))), START)
        books.close()

    return answer


def test_what_is_the_same_and_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Thread(tmp_path) as served:
        monkeypatch.setattr(administrator, "time", SimpleNamespace(monotonic=time.monotonic, sleep=answering(tmp_path)))
        same = compare(served, tmp_path)
        assert (same.exit_code, "0 differences" in same.stdout) == (0, True), same.output
        monkeypatch.setattr(administrator, "time", SimpleNamespace(monotonic=time.monotonic, sleep=answering(tmp_path, "taf7-1.sm")))
        other = compare(served, tmp_path, "--json")
        missing = [row["id"] for row in json.loads(other.stdout)["profiles"] if row["finding"] == "missing"]
        assert (other.exit_code, missing) == (1, ["taf7-1.sm"])


def test_a_gateway_that_does_not_answer_is_no_longer_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 61.0])
    with Thread(tmp_path) as served:
        monkeypatch.setattr(administrator, "time", SimpleNamespace(monotonic=lambda: next(moments)))
        given_up = compare(served, tmp_path)
    assert given_up.exit_code != 0
    assert "administrator.not_read_back" in given_up.output
