"""The contact of the housing: each opening is told once; a contact that bounces and a restart tell nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.gateway.gateway_folder import gateway_folder
from tests.gateway.gateway_parts import GATEWAY_ID, START
from tests.gateway.wan.wan_parts import until

from smgw.codec.notice import decode_notice
from smgw.core.errors import ConfigError
from smgw.core.log_event import Log
from smgw.core.notices import ADMINISTRATOR
from smgw.gateway import housing
from smgw.gateway.housing import HousingContact, watch_housing
from smgw.gateway.logs import Recorder
from smgw.gateway.notices import Notifier
from smgw.gateway.service import Gateway
from smgw.net.clock import ManualClock
from smgw.storage.journal import Journal

pytestmark = pytest.mark.req("ADM-06", "LOG-01")


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Give a GPIO line like the kernel's, its contact closed."""
    folder = tmp_path / "gpio" / "gpio27"
    folder.mkdir(parents=True)
    (folder / "direction").write_text("out")
    (folder / "value").write_text("1\n")
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield journal


def told(journal: Journal) -> list[int]:
    return [sum(stored.entry.event == "case_opened" for stored in journal.log(log)) for log in (Log.SYSTEM, Log.CALIBRATION)]


class Looks:
    """Show what a contact shows at each look, the last of it for ever."""

    def __init__(self, *shown: bool) -> None:
        self.shown = list(shown)
        self.taken = 0

    def is_closed(self) -> bool:
        self.taken += 1
        return self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]


async def watched(journal: Journal, *shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housing, "LOOK_S", 0.0)
    looks, recorder = Looks(*shown), Recorder(journal, ManualClock(START))
    task = asyncio.create_task(watch_housing(looks, journal, recorder, GATEWAY_ID))  # type: ignore[arg-type]
    await until(lambda: looks.taken > len(shown) + 10)
    task.cancel()


OPEN, CLOSED = (False,) * 5, (True,) * 5


@pytest.mark.step("4.1.1", event="case_opened")
@pytest.mark.parametrize(
    ("shown", "times"),
    [
        (CLOSED, 0),
        ((*CLOSED, *OPEN), 1),
        (OPEN, 1),
        ((*CLOSED, *OPEN, *CLOSED, *OPEN), 2),
        ((*((True, False) * 8), *CLOSED), 0),
        ((*CLOSED, *OPEN, False, True, False, True, *OPEN), 1),
    ],
    ids=["never opened", "opened", "open at the start", "opened twice", "a contact that bounces", "open, and bouncing"],
)
async def test_each_opening_is_told_once_in_both_logs(
    journal: Journal, shown: tuple[bool, ...], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched(journal, *shown, monkeypatch=monkeypatch)
    assert told(journal) == [times, times], "case_opened"


async def test_a_restart_with_an_open_case_tells_nothing_new(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        await watched(journal, *OPEN, monkeypatch=monkeypatch)
    assert told(journal) == [1, 1]


def test_the_line_becomes_an_input_and_a_lost_one_counts_as_open(line: Path) -> None:
    contact = HousingContact(line)
    assert ((line / "direction").read_text(), contact.is_closed()) == ("in", True)
    (line / "value").write_text("0\n")
    assert not contact.is_closed()
    (line / "value").unlink()
    assert not contact.is_closed()


@pytest.mark.parametrize("name", ["gpio4", "missing"])
def test_what_is_no_input_is_refused(line: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.housing_contact"):
        HousingContact(line.parent / name)


def test_the_administrator_is_told_at_once(journal: Journal) -> None:
    recorder = Recorder(journal, ManualClock(START))
    notifier = Notifier(journal, GATEWAY_ID, lambda count: bytes(count), administrator=True, queued=lambda: None)
    recorder.tell_by(notifier.tell)
    housing.note_housing(journal, recorder, GATEWAY_ID, closed=False)
    (message,) = journal.pending(5, ADMINISTRATOR)
    notice = decode_notice(message.body)
    assert (notice.event, notice.level, notice.subject) == ("case_opened", "FATAL", GATEWAY_ID)


@pytest.mark.timeout(60)
async def test_a_gateway_watches_the_contact_that_its_configuration_names(
    tmp_path: Path, line: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housing, "LOOK_S", 0.001)
    folder = gateway_folder(tmp_path / "gateway")
    folder.save(msgspec.structs.replace(folder.load(), housing_contact=str(line)))
    gateway, stop = Gateway(folder, ManualClock(START), listeners=list), asyncio.Event()
    running = asyncio.create_task(gateway.run(lambda _: None, stop))
    await until(lambda: (line / "direction").read_text() == "in")
    assert told(gateway.journal) == [0, 0]
    (line / "value").write_text("0\n")
    await until(lambda: told(gateway.journal) == [1, 1])
    stop.set()
    await running
