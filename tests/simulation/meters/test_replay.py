"""Replayed dumps: nothing lost, nothing repaired, one good file a period."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.shared import shared_files

from smgw.core.errors import ConfigError
from smgw.core.identifiers import DeviceId
from smgw.protocol.sml_stream import SmlFileReceived, SmlStream
from smgw.simulation.household import Household
from smgw.simulation.meters import replay
from smgw.simulation.meters.replay import ReplayMeter, split_dump
from smgw.simulation.meters.sml_meter import SmlMeter

NOW = datetime(2026, 11, 21, tzinfo=UTC)
METER = SmlMeter(DeviceId.parse("1SGW0010000001"), Household())
FRAMES = [METER.telegram(NOW.replace(minute=minute)) for minute in range(3)]


def good_files(data: bytes) -> int:
    return sum(isinstance(event, SmlFileReceived) for event in SmlStream().receive_data(data))


def test_an_empty_or_huge_dump_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_DUMP", 10)
    for dump in (b"", bytes(11)):
        with pytest.raises(ConfigError) as fault:
            split_dump(dump)
        assert fault.value.code == "simulation.dump"


def test_a_dump_without_a_good_file_is_one_part_and_starts_over() -> None:
    broken = FRAMES[0][:-1]
    assert split_dump(broken) == ([broken], b"")
    meter = ReplayMeter(broken)
    assert [meter.telegram(NOW) for _ in range(3)] == [broken] * 3


def test_broken_octets_stay_where_they_were() -> None:
    broken = FRAMES[1][:50] + b"\xff" + FRAMES[1][51:]
    parts, last = split_dump(FRAMES[0][100:] + FRAMES[0] + broken + FRAMES[2] + FRAMES[1][:80])
    assert parts == [FRAMES[0][100:] + FRAMES[0], broken + FRAMES[2] + FRAMES[1][:80]]
    assert last == FRAMES[2]


def test_the_replay_stands_still_after_its_last_good_file() -> None:
    meter = ReplayMeter(b"".join(FRAMES) + b"\x1b")
    assert [meter.telegram(NOW) for _ in range(6)] == [*FRAMES[:2], FRAMES[2] + b"\x1b", *[FRAMES[2]] * 3]


def test_a_dump_that_was_played_goes_on_with_its_last_good_file() -> None:
    assert ReplayMeter(b"".join(FRAMES), played=True).telegram(NOW) == FRAMES[2]


@pytest.mark.shared
@pytest.mark.parametrize("dump", shared_files("sml", "*.bin"), ids=lambda path: path.stem)
def test_each_period_of_a_real_dump_holds_a_good_file(dump: Path) -> None:
    parts, last = split_dump(dump.read_bytes())
    assert b"".join(parts) == dump.read_bytes()
    assert all(good_files(part) == 1 for part in parts)
    assert good_files(last) == 1
