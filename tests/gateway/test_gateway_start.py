"""A gateway's process at its start: what it does with a damaged program, a damaged journal, full logs, and how it comes back."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import urllib3
from tests.gateway.gateway_folder import config, gateway_folder
from tests.storage.samples import entry, signed

from smgw.cli.journal import open_gateway_journal
from smgw.core.log_event import Log
from smgw.gateway.boot import load_record
from smgw.gateway.config import GatewayFolder, LinkConfig, StorageLimits
from smgw.gateway.firmware_model import Slots
from smgw.security.secret_file import load_secret
from smgw.security.software import SoftwareModule
from smgw.storage.database import Database
from smgw.storage.journal import Journal

pytestmark = [
    pytest.mark.req("STATE-01", "STATE-03"),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
    pytest.mark.timeout(120),
]
urllib3.disable_warnings()


@pytest.fixture
def folder(tmp_path: Path) -> GatewayFolder:
    return gateway_folder(tmp_path / "gateway")


class Running:
    """Hold a started gateway and what it said first."""

    def __init__(self, process: "subprocess.Popen[str]", ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready

    def stop(self) -> dict[str, Any]:
        """End it in good order and give its closing line."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return dict(json.loads(out.splitlines()[-1]))


def command(folder: GatewayFolder) -> list[str]:
    return [sys.executable, "-m", "smgw", "gateway", "run", "--data", str(folder.path)]


@contextlib.contextmanager
def started(folder: GatewayFolder) -> Iterator[Running]:
    with subprocess.Popen(command(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield Running(process, json.loads(line))
        finally:
            process.kill()


def failing(folder: GatewayFolder) -> dict[str, Any]:
    """Start a gateway that ends by itself with an error; give the error."""
    done = subprocess.run(command(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5, done.stderr
    assert done.stdout == ""
    return dict(json.loads(done.stderr.splitlines()[-1]))


def events(folder: GatewayFolder, log: Log = Log.SYSTEM) -> list[str]:
    with open_gateway_journal(folder.path) as journal:
        return [stored.entry.event for stored in journal.log(log)]


def journal_key(folder: GatewayFolder) -> bytes:
    return SoftwareModule.open(folder.module, load_secret(folder.secret)).storage_key("journal")


@pytest.mark.req("LOG-04")
def test_a_sound_gateway_starts_and_opens_the_consumer_interface(folder: GatewayFolder) -> None:
    with started(folder) as running:
        assert requests.get(f"https://127.0.0.1:{running.ready['han_port']}/", verify=False, timeout=60).status_code == 401
        running.stop()
    assert events(folder)[:3] == ["started", "special_functions", "state_changed"]
    assert "special_functions" in events(folder, Log.CALIBRATION)
    assert events(folder)[-1] == "stopped"
    assert load_record(folder).failures == 0


def damage(folder: GatewayFolder) -> None:
    folder.manifest.write_bytes(folder.manifest.read_bytes().replace(b'"core/state.py"', b'"core/spirit.py"'))


def lose(folder: GatewayFolder) -> None:
    folder.manifest_signature.unlink()


def other_version(folder: GatewayFolder) -> None:
    slots = msgspec.json.decode(folder.slots.read_bytes(), type=Slots)
    changed = msgspec.structs.replace(slots, a=msgspec.structs.replace(slots.a, version="9.9.9"))
    folder.slots.write_bytes(msgspec.json.encode(changed))


@pytest.mark.parametrize("spoil", [damage, lose, other_version])
def test_a_program_that_is_not_the_signed_one_locks_the_gateway_until_it_is_signed(folder: GatewayFolder, spoil: Any) -> None:
    spoil(folder)
    with started(folder) as running:
        assert running.ready["state"] == "secure_state_boot"
        assert "han_port" not in running.ready
        closing = running.stop()
    assert closing["readings"] == 0
    assert {"state_changed", "boot_failed"} <= set(events(folder))
    assert "started" not in events(folder)
    assert load_record(folder).failures == 1
    words = [sys.executable, "-m", "smgw", "gateway", "sign-program", "--data", str(folder.path)]
    signed_now = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "signed: version" in signed_now.stdout
    with started(folder) as running:
        assert running.ready["han_port"]
        running.stop()
    assert load_record(folder).failures == 0


def test_a_damaged_journal_keeps_the_gateway_restarting_and_counting(folder: GatewayFolder) -> None:
    with Journal.open(folder.journal, journal_key(folder)) as journal:
        journal.append_readings([signed(number) for number in range(1, 20)])
    database = Database.open(folder.journal, journal_key(folder))
    database.connection.execute("UPDATE heads SET length = length + 1 WHERE kind = 'readings'")
    database.close()
    for count in (1, 2, 3):
        fault = failing(folder)
        assert (fault["code"], fault["detail"]) == ("boot.failed", f"journal.chain; start {count} in a row")
        assert load_record(folder).failures == count
    assert events(folder).count("boot_failed") == 3
    database = Database.open(folder.journal, journal_key(folder))
    database.connection.execute("UPDATE heads SET length = length - 1 WHERE kind = 'readings'")
    database.close()
    with started(folder) as running:
        assert running.ready["han_port"]
        running.stop()
    assert load_record(folder).failures == 0


def test_a_journal_that_can_not_be_opened_counts_as_a_failed_start(folder: GatewayFolder) -> None:
    folder.journal.write_bytes(b"no journal at all" * 1000)
    assert failing(folder)["code"] == "journal.key"
    assert (load_record(folder).failures, load_record(folder).codes) == (1, "journal.key")


@pytest.mark.req("STATE-04")
def test_full_log_books_lock_the_gateway_until_there_is_room(folder: GatewayFolder) -> None:
    folder.save(config(limits=StorageLimits(system_log=1_000)))
    with Journal.open(folder.journal, journal_key(folder)) as journal:
        journal.append_log([entry(number) for number in range(1_000)])
    with started(folder) as running:
        assert running.ready["state"] == "secure_state_boot"
        running.stop()
    assert events(folder, Log.CALIBRATION)[-1] == "logs_full"
    folder.save(config())
    with started(folder) as running:
        assert running.ready["han_port"]
        running.stop()


def test_signing_needs_a_gateway(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "smgw", "gateway", "sign-program", "--data", str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "identity.missing" in done.stderr


BROKEN = bytes.fromhex("1b1b1b1b01010101760500001b1b1b1b1a000000")
"""An SML file whose checksum is wrong."""


@pytest.mark.req("LMN-04", "LOG-01")
@pytest.mark.step("1.2.1", event="link_lost")
@pytest.mark.step("1.2.3", "1.3.1", event="telegram_rejected")
def test_a_line_that_is_lost_and_a_telegram_that_is_broken_are_told(folder: GatewayFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as meter:
        meter.settimeout(60)
        heard = f"tcp://127.0.0.1:{meter.getsockname()[1]}"
        links = (LinkConfig("heard", heard), LinkConfig("gone", "tcp://127.0.0.1:1"))
        folder.save(msgspec.structs.replace(folder.load(), links=links))
        with started(folder) as running:
            with meter.accept()[0] as line:
                line.sendall(BROKEN)
            # The line is opened again only after everything that came over it was judged.
            meter.accept()[0].close()
            running.stop()
    with open_gateway_journal(folder.path) as journal:
        told = [stored.entry for stored in journal.log(Log.SYSTEM)]
    assert {entry.parameters["link"] for entry in told if entry.event == "link_lost"} == {"gone"}
    assert {entry.parameters["link"] for entry in told if entry.event == "telegram_rejected"} == {"heard"}


@pytest.mark.req("STATE-02")
def test_a_lamp_that_is_none_is_named_and_one_that_is_shows_the_state(folder: GatewayFolder, tmp_path: Path) -> None:
    lamp = tmp_path / "leds" / "PWR"
    folder.save(msgspec.structs.replace(folder.load(), lamps={"PWR": str(lamp)}))
    done = subprocess.run(command(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, json.loads(done.stderr.splitlines()[-1])["code"]) == (3, "gateway.lamp")
    lamp.mkdir(parents=True)
    (lamp / "brightness").write_text("1")
    with started(folder) as running:
        seen = set()
        while seen != {"0", "1"}:
            # Half a second lit and half a second dark: the time is not valid yet.
            seen.add((lamp / "brightness").read_text() or "0")
        running.stop()
    assert (lamp / "brightness").read_text() == "0"
