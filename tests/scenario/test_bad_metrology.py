"""Bad contracts, bad telegrams and bad clocks before a whole gateway: named errors, the right state and log, nothing mended in silence."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.scenario.whole_gateway import METER, QUARTER, World, measuring, until

from smgw.codec.sml import GetListResponse, ListEntry, PublicCloseResponse, PublicOpenResponse, SmlMessage, SmlTime, TimeKind, encode_frame
from smgw.core.instant import local_day, local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import ConsumerProfile, EvaluationProfile
from smgw.core.state import State
from smgw.core.status_word import GatewayStatus

pytestmark = pytest.mark.timeout(120)

WEEK = {"week": ["all"] * 7}
CALENDAR: dict[str, Any] = {"stages": [1, 2], "days": {"all": {"00:00": 1, "06:00": 2}}, **WEEK}
HOUR = timedelta(hours=1)
NEAR, FAR = timedelta(seconds=990), timedelta(days=1)
"""A jump that is followed, and one that is not."""


def day_night(world: World, **changes: object) -> EvaluationProfile:
    """Make a contract of TAF 2 from the next local midnight on."""
    tomorrow = local_midnight(local_day(world.clock.now()) + timedelta(days=1))
    held = next(p for p in world.gateway.journal.profiles("evaluation") if isinstance(p, EvaluationProfile) and p.taf == 1)
    fields = {"profile_id": "taf2-1.sm", "taf": 2, "rules": CALENDAR, "valid_from": tomorrow, "registers": ("1-0:1.8.0*255",)}
    return msgspec.structs.replace(held, **(fields | {"version": 1} | changes))


@pytest.mark.req("TAF-02", "TAF-23", "TAF-24", "ADM-02", "CON-03")
async def test_contracts_that_can_not_be_kept_are_refused_by_name_and_leave_nothing(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        good = day_night(world)
        neighbour = ConsumerProfile("consumer2.sm", "neighbour", "0" * 32, "0" * 64)
        world.order(neighbour)
        world.order(good)
        await until(lambda: good in world.gateway.journal.profiles("evaluation"), "good contract")
        before = world.gateway.journal.profiles("evaluation")
        week_without_sunday = {**CALENDAR, "week": ["all"] * 6}
        bad = {
            "tariff.profile_overlap": [
                day_night(world, profile_id="rival.sm"),
                day_night(world, profile_id="theirs.sm", consumer_id="consumer2.sm", taf=7, rules={}),
            ],
            "tariff.calendar_gap": [day_night(world, profile_id="gap.sm", rules={**CALENDAR, "week": []})],
            "tariff.stage_unknown": [day_night(world, profile_id="stage.sm", rules={**CALENDAR, "stages": [1]})],
            "tariff.profile_past": [
                day_night(world, profile_id="past.sm", registers=("1-0:2.8.0*255",), valid_from=good.valid_from - timedelta(days=3)),
                day_night(world, profile_id="over.sm", taf=7, rules={}, valid_from=world.now - HOUR, valid_to=world.now),
            ],
            "tariff.day_profile": [day_night(world, profile_id="rules.sm", rules=week_without_sunday)],
        }
        for code, profiles in bad.items():
            for number, profile in enumerate(profiles, 1):
                world.order(profile)
                await until(lambda code=code, number=number: world.told().count(("command_rejected", code)) == number, f"{code} {number}")
        assert world.gateway.journal.profiles("evaluation") == before
        assert world.gateway.states.state is State.NORMAL
        moment = await world.quarter()
        assert world.readings()[moment] == world.raw_at(moment)


def telegram(world: World, raw: int, age_s: int) -> bytes:
    """Make a telegram whose value the meter took some seconds before it sent it, or by its own word will take."""
    server_id = bytes.fromhex(METER.server_id)
    second = 1_000_000 + int((world.clock.now() - world.now).total_seconds())
    values = (
        ListEntry(bytes.fromhex("0100010800ff"), 0x1C0104, SmlTime(TimeKind.SEC_INDEX, second - age_s), 30, -1, raw),
        ListEntry(bytes.fromhex("0100020800ff"), None, SmlTime(TimeKind.SEC_INDEX, second - age_s), 30, -1, 0),
    )
    bodies = (
        PublicOpenResponse(b"\x00\x01", server_id),
        GetListResponse(server_id, values, act_sensor_time=SmlTime(TimeKind.SEC_INDEX, second)),
        PublicCloseResponse(),
    )
    return encode_frame(SmlMessage(bytes((0, place)), body) for place, body in enumerate(bodies))


@pytest.mark.req("LMN-04", "MEAS-01", "MEAS-02", "LOG-01")
async def test_telegrams_doubled_out_of_order_going_back_or_of_the_future(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        moment = world.next_quarter()
        await world.move_to(moment)
        for _ in range(3):
            await world.feed(world.meter.telegram(moment))
        stored = world.gateway.journal.readings(METER.meter_id, [ACTIVE_ENERGY_IMPORT])
        assert [one.reading.raw for one in stored if one.reading.target_time == moment] == [world.raw_at(moment)]
        good = world.raw_at(moment)

        moment = world.next_quarter()
        await world.move_to(moment - timedelta(seconds=2))
        await world.feed(telegram(world, good + 5, 0))
        await world.feed(telegram(world, good + 4, 600))
        await world.move_to(moment + timedelta(seconds=30))
        assert world.readings()[moment] is None
        assert Counter(event for event, _ in world.told())["telegram_out_of_order"] == 1

        moment = world.next_quarter()
        await world.move_to(moment)
        await world.feed(telegram(world, good - 7, -3000))
        assert world.readings()[moment] == good - 7
        (last,) = [one.reading for one in world.gateway.journal.readings(METER.meter_id, [ACTIVE_ENERGY_IMPORT], after=moment - QUARTER)]
        assert last.gateway_status & GatewayStatus.NOT_FOR_BILLING
        assert last.capture_time == moment
        assert "reading_implausible" in [event for event, _ in world.told(Log.CALIBRATION)]
        assert world.gateway.states.state is State.NORMAL


async def minutes_until(world: World, happened: Callable[[], bool]) -> None:
    """Let full minutes pass, each with a telegram, until something has happened."""
    for _ in range(60):
        await world.move_to(world.clock.now().replace(second=0) + timedelta(minutes=1))
        await world.feed(world.meter.telegram(world.clock.now()))
        if happened():
            return
    pytest.fail(f"never happened; last told: {world.told()[-8:]}")


@pytest.mark.req("TIME-01", "TIME-02", "MEAS-01", "LOG-01", "STATE-01")
async def test_a_clock_that_jumps_both_ways_is_told_marks_what_is_lost_and_doubles_nothing(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        clock = world.gateway.clock
        await minutes_until(world, lambda: len(world.readings()) > 1)
        world.administrators_clock.offset = FAR
        await minutes_until(world, lambda: ("time_server_unreachable", "time.jump") in world.told())
        assert (clock.steps, clock.now()) == (0, world.clock.now())
        assert world.gateway.states.state is State.NORMAL
        for steps, offset in ((1, NEAR), (2, timedelta())):
            world.administrators_clock.offset = offset
            await minutes_until(world, lambda steps=steps: clock.steps == steps)
            assert abs(clock.now() - world.clock.now() - offset) < timedelta(seconds=1)
            await minutes_until(world, lambda steps=steps: world.gateway.states.state is State.NORMAL)
        stored = len(world.readings())
        await minutes_until(world, lambda: len(world.readings()) == stored + 2)

        told = {log: Counter(event for event, _ in world.told(log)) for log in (Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER)}
        for log in (Log.SYSTEM, Log.CALIBRATION):
            assert (told[log]["clock_invalid"], told[log]["clock_stepped"], told[log]["clock_valid"]) == (2, 2, 3), log
            assert told[log]["clock_behind_values"] == 1, log
        series = [one.reading for one in world.gateway.journal.readings(METER.meter_id, [ACTIVE_ENERGY_IMPORT])]
        targets = [reading.target_time for reading in series[1:]]
        assert [later - earlier for earlier, later in pairwise(targets)] == [QUARTER] * (len(targets) - 1)
        values = [reading.raw for reading in series if reading.raw is not None]
        assert values == sorted(values) and values[-1] <= world.raw_at(world.clock.now())
        missing = [reading for reading in series if reading.raw is None]
        assert missing
        assert len(missing) == told[Log.CONSUMER]["value_missing"] == told[Log.SYSTEM]["value_missing"]
        assert all(reading.gateway_status & GatewayStatus.NO_VALUE for reading in missing)
        assert series[-1].raw is not None and not series[-1].gateway_status & GatewayStatus.TIME_NOT_VALID
        world.gateway.journal.verify()
