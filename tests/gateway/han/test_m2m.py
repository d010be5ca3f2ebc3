"""The M2M calls without HTTP, on a real journal: refusals, ranges, paging and what every answer must look like."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.han import consumer_gateway as gw

from smgw.core.errors import PeerFault
from smgw.core.instant import utc_text
from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.profiles import MeterProfile, RegisterProfile
from smgw.core.state import State
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway.han.journal_data import JournalData
from smgw.gateway.han.m2m import M2mCalls, user_id
from smgw.gateway.han.ports import GatewayInfo
from smgw.gateway.han.session import Shown
from smgw.gateway.leds import LampInputs, leds_of
from smgw.gateway.logs import Recorder
from smgw.gateway.tariffs import Tariffs
from smgw.storage.journal import Journal

IMPORT, EXPORT = ACTIVE_ENERGY_IMPORT.hex, ACTIVE_ENERGY_EXPORT.hex


class Calls:
    """Make calls as one of the two consumers."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clock, self.seconds = gw.FixedClock(), gw.Seconds()
        self.shown: list[Shown] = []
        self.tests = 0
        self.leds = gw.LED_SHOW
        recorder = Recorder(journal, self.clock)
        self.recorder = recorder
        self.data = JournalData(
            journal, recorder, clock=self.clock, gateway_info=self._info, start_self_test=self._test, current=gw.live_power
        )
        self.calls = M2mCalls(self.data, seconds=self.seconds, shown=self.shown.append)

    def _info(self) -> GatewayInfo:
        return gw.gateway_info(self.clock.now(), leds=self.leds)

    def _test(self) -> None:
        self.tests += 1

    def call(self, request: Any, status: int = 200, user: str = gw.USER) -> dict[str, Any]:
        consumer = self.data.consumer_by_user(user)
        assert consumer is not None
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        reply = self.calls.call(consumer, body)
        assert reply.status == status, reply.body
        answer: dict[str, Any] = json.loads(reply.body)
        assert_strings(answer)
        return answer

    def readings(self, status: int = 200, **more: Any) -> dict[str, Any]:
        request = {"method": "readings", "usage-point-id": "01005e318021.taf7-1.sm", "database": "origin"} | {
            key.replace("_", "-"): value for key, value in more.items()
        }
        answer = self.call(request, status)
        return answer["readings"] if status == 200 else answer

    def values(self, **more: Any) -> dict[str, list[str]]:
        return {channel["obis"]: [item["target-time"] for item in channel["readings"]] for channel in self.readings(**more)["channels"]}


def assert_strings(value: Any) -> None:
    """Published clients need every scalar as a string (or null)."""
    if isinstance(value, dict):
        for item in value.values():
            assert_strings(item)
    elif isinstance(value, list):
        for item in value:
            assert_strings(item)
    else:
        assert value is None or isinstance(value, str)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    with Journal.open(tmp_path_factory.mktemp("m2m") / "journal.db", bytes(32)) as journal:
        gw.fill(journal)
        yield journal


@pytest.fixture
def m2m(journal: Journal) -> Calls:
    return Calls(journal)


@pytest.mark.req("CON-02")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"method":7}',
        b'{"method":"smgw-info"',
        b'{"method":"\xff"}',
        b"[" * 60_000,
        b'{"method":"smgw-info","x":' + b"[" * 60_000,
        b'{"method":"readings","channels":7}',
        b'{"method":"readings","channels":[{"obis":"x"}]}',
        b'{"method":"launch"}',
    ],
)
def test_bodies_that_are_no_call_get_400(m2m: Calls, body: bytes) -> None:
    answer = m2m.call(body, 400)
    assert set(answer) == {"method", "version", "error"}


@given(st.binary(max_size=200))
def test_any_body_gets_an_answer(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    with Journal.open(tmp_path_factory.mktemp("any") / "journal.db", bytes(32)) as journal:
        calls = Calls(journal)
        consumer = gw.consumer(gw.CONSUMER, gw.USER, gw.PASSWORD)
        assert calls.calls.call(consumer, body).status in (200, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"usage-point-id": None},
        {"usage-point-id": "01005e318021.taf7-9.sm"},
        {"usage-point-id": "01005e318021.taf7-2.sm"},
        {"database": None},
        {"database": "everything"},
        {"last-reading": "perhaps"},
        {"last-reading": False},
        {"last-reading": False, "fromtime": "2026-11-21"},
        {"last-reading": False, "fromtime": "2026-11-21", "totime": "2026-11-20"},
        {"last-reading": False, "fromtime": "yesterday", "totime": "2026-11-20"},
        {"channels": [{"channel": "import"}]},
    ],
)
def test_readings_parameters_that_cant_be_used(m2m: Calls, change: dict[str, Any]) -> None:
    base = {"method": "readings", "usage-point-id": "01005e318021.taf7-1.sm", "database": "origin", "last-reading": True}
    m2m.call({name: value for name, value in (base | change).items() if value is not None}, 400)


@pytest.mark.req("CON-03")
def test_nobody_reaches_the_neighbour(m2m: Calls) -> None:
    own = m2m.call({"method": "user-info"}, user=gw.OTHER_USER)["user-info"]["usage-points"]
    assert [point["usage-point-id"] for point in own] == ["01005e318021.taf7-2.sm"]
    for method in ("usage-point-info", "readings"):
        m2m.call(
            {"method": method, "usage-point-id": "01005e318021.taf7-1.sm", "database": "origin", "last-reading": True}, 400, gw.OTHER_USER
        )
    neighbours = m2m.call({"method": "log"}, user=gw.OTHER_USER)["log"]["entries"]
    assert [entry["event-id"] for entry in neighbours] == ["1804"]
    assert all(entry["user-identity"] == "01005e318011.consumer2.sm" for entry in neighbours)


@pytest.mark.req("CON-03")
def test_who_moves_in_does_not_see_what_was_before(tmp_path: Path) -> None:
    moved_in = datetime(2026, 11, 20, 23, tzinfo=UTC)
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        for profile in (
            gw.profiles()[0],
            gw.consumer(gw.CONSUMER, gw.USER, gw.PASSWORD),
            gw.consumer(gw.OTHER_CONSUMER, gw.OTHER_USER, gw.OTHER_PASSWORD),
            gw.contract("old.sm", gw.CONSUMER, gw.METER, valid_to=moved_in),
            gw.contract("new.sm", gw.OTHER_CONSUMER, gw.METER, valid_from=moved_in),
        ):
            journal.put_profile(profile, b"", gw.NOW)
        journal.append_readings(gw.household_readings(gw.DAYS[-2:]))
        calls = Calls(journal)
        window = {"method": "readings", "database": "origin", "fromtime": "2026-11-19T00:00:00Z", "totime": "2026-11-22T00:00:00Z"}
        old = calls.call(window | {"usage-point-id": "old.sm"})["readings"]["channels"][0]["readings"]
        new = calls.call(window | {"usage-point-id": "new.sm"}, user=gw.OTHER_USER)["readings"]["channels"][0]["readings"]
        assert old[-1]["target-time"] == new[0]["target-time"] == utc_text(moved_in)
        assert len(old) == 97
        last = calls.call({"method": "readings", "usage-point-id": "old.sm", "database": "origin", "last-reading": True})
        assert last["readings"]["channels"][0]["readings"][0]["target-time"] == utc_text(moved_in)
        assert [point["taf-state"] for point in calls.call({"method": "user-info"})["user-info"]["usage-points"]] == ["archive"]


@pytest.mark.req("CON-02")
def test_smgw_info(m2m: Calls) -> None:
    answer = m2m.call({"method": "smgw-info"})
    assert answer["elapsed-time"] == "0 miliseconds" and answer["version"] == "1.3.0" and answer["method"] == "smgw-info"
    info = answer["smgw-info"]
    assert info["smgw-id"] == "ebsi0012345678" and info["smgw-state"] == "a0000000" and info["smgw-time"] == "2026-11-21T13:17:20"
    assert info["certificates"]["han"]["tls"].startswith("2d2d2d2d2d") and info["certificates"]["wan"][0]["cert-index"] == "0"
    assert set(info["firmware-info"]) == {"component", "hash", "version"}


@pytest.mark.req("STATE-02")
def test_the_lamps_and_the_operating_state_can_be_read(m2m: Calls) -> None:
    connecting = LampInputs(ready=True, administrator="connecting", wired_meter=True, time_set=True)
    m2m.leds = leds_of(State.NORMAL, connecting, 100_000)
    told = m2m.call({"method": "device-state"})["device-state"]
    assert told == {
        "clock": "valid",
        "leds": [
            {"name": "PWR", "pattern": "on", "phases-ms": []},
            {"name": "TLS", "pattern": "blink_250", "phases-ms": ["250", "250"]},
            {"name": "LMC", "pattern": "on", "phases-ms": []},
            {"name": "wMT", "pattern": "off", "phases-ms": []},
        ],
        "operating-state": "normal",
        "smgw-state": "a0000000",
        "time": "2026-11-21T13:17:20Z",
    }


@pytest.mark.req("CON-02")
def test_user_info(m2m: Calls) -> None:
    points = m2m.call({"method": "user-info"})["user-info"]["usage-points"]
    by_id = {point["usage-point-id"]: point for point in points}
    taf7, taf1 = by_id["01005e318021.taf7-1.sm"], by_id["01005e318021.taf1-1.sm"]
    assert taf7["taf-number"] == "7" and taf7["taf-state"] == "running" and taf7["end-time"] == "" and taf7["billing-Periods"] == []
    assert taf7["delivery-id"] == "emt1" and taf7["meter"] == [{"meter-id": "1isk0070123456"}]
    periods = taf1["billing-Periods"]
    assert len(periods) == 11 and periods[0] == {"end-time": "2026-01-31T23:00:00Z", "start-time": "2025-12-31T23:00:00Z"}
    assert periods[-1] == {"end-time": "2026-11-30T23:00:00Z", "start-time": "2026-10-31T23:00:00Z"}


@pytest.mark.req("CON-02")
def test_usage_point_info_and_readings_name_the_same_channels(m2m: Calls) -> None:
    request = {"method": "usage-point-info", "usage-point-id": "01005E318021.TAF7-1.sm", "database": "origin"}
    info = m2m.call(request)["usage-point-info"]
    assert info["databases"] == [
        {"channels": [{"obis": IMPORT, "scaler": "-1", "unit": "30"}, {"obis": EXPORT, "scaler": "-1", "unit": "30"}], "database": "origin"}
    ]
    assert info["emts"] == ["emt1.sm"] and bytes.fromhex(info["taf-profile"]).startswith(b"signed EvaluationProfile")
    assert [channel["obis"] for channel in m2m.readings(last_reading="true")["channels"]] == [IMPORT, EXPORT]
    everything = m2m.call({"method": "usage-point-info", "usage-point-id": "taf1-1.sm"})["usage-point-info"]["databases"]
    assert [entry["database"] for entry in everything] == ["origin", "derived"]
    m2m.call({"method": "usage-point-info"}, 400)


@pytest.mark.req("CON-02")
@pytest.mark.parametrize("flag", [True, "true", "TRUE"])
def test_last_reading(m2m: Calls, flag: bool | str) -> None:
    answer = m2m.readings(last_reading=flag)
    assert answer["records"] == "2"
    newest = answer["channels"][0]["readings"]
    expected = gw.household_readings(gw.DAYS)[-2][0]
    assert len(newest) == 1
    assert newest[0] | {"signature": ""} == {
        "capture-time": "2026-11-21T13:15:02Z",
        "cosem-status": "a000000020000000",
        "meter-status": "20000000",
        "owner-number": "1isk0070123456.sm",
        "signature": "",
        "smgw-status": "a0000000",
        "target-time": "2026-11-21T13:15:00Z",
        "value": str(expected.raw),
    }
    assert len(newest[0]["signature"]) == 128


def test_an_empty_channel_is_left_out_of_the_newest_values(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        for profile in gw.profiles():
            journal.put_profile(profile, b"", gw.NOW)
        calls = Calls(journal)
        assert calls.readings(last_reading="true") == {"channels": [], "records": "0"}
        moment = gw.NOW.replace(minute=0, second=0)
        journal.append_readings([gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, 5, moment)])
        missing = gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, None, moment + timedelta(minutes=15), int(GatewayStatus.NO_VALUE) | GATEWAY_OK)
        journal.append_readings([missing])
        assert calls.values(last_reading=True) == {IMPORT: [utc_text(moment)]}


@pytest.mark.req("CON-02")
def test_start_is_exclusive_and_end_inclusive(m2m: Calls) -> None:
    assert m2m.values(fromtime="2026-11-21T12:00:00Z", totime="2026-11-21T12:30:00Z")[IMPORT] == [
        "2026-11-21T12:15:00Z",
        "2026-11-21T12:30:00Z",
    ]
    assert m2m.values(fromtime="2026-11-21T12:00:00Z", totime="2026-11-21T12:00:00Z") == {IMPORT: [], EXPORT: []}
    assert m2m.values(fromtime="2026-11-21T13:00:00+1:00", totime="2026-11-21T13:15:00+01:00")[EXPORT] == ["2026-11-21T12:15:00Z"]


@pytest.mark.req("CON-02")
def test_31_days_are_allowed_and_no_second_more(m2m: Calls) -> None:
    answer = m2m.readings(fromtime="2026-10-21T12:00:00Z", totime="2026-11-21T12:00:00Z")
    assert int(answer["records"]) == sum(len(channel["readings"]) for channel in answer["channels"]) > 600
    m2m.readings(400, fromtime="2026-10-21T12:00:00Z", totime="2026-11-21T12:00:01Z")
    empty = m2m.readings(fromtime="2026-05-01T00:00:00Z", totime="2026-06-01T00:00:00Z")
    assert empty == {"channels": [{"obis": IMPORT, "readings": []}, {"obis": EXPORT, "readings": []}], "records": "0"}


@pytest.mark.req("CON-02")
@pytest.mark.parametrize("name", [IMPORT, IMPORT.upper(), f"{IMPORT}.1isk0070123456.sm", "1-0:1.8.0*255"])
def test_channels_can_be_chosen(m2m: Calls, name: str) -> None:
    assert list(m2m.values(last_reading=True, channels=[{"channel": name}])) == [IMPORT]
    assert m2m.values(fromtime="2026-11-21", totime="2026-11-22", channels=[{"channel": "0100030800ff"}]) == {}


@pytest.mark.req("MEAS-03")
@pytest.mark.parametrize(
    "native,raw,scaler,value",
    [(-1, 12345678, "-1", "12345678"), (0, 1234567, "-1", "12345670"), (3, 12, "-1", "120000"), (-3, 1234567891, "-3", "1234567891")],
)
def test_values_are_shown_at_minus_one_or_finer_never_rounded(tmp_path: Path, native: int, raw: int, scaler: str, value: str) -> None:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        for profile in gw.profiles():
            journal.put_profile(profile, b"", gw.NOW)
        moment = gw.NOW.replace(minute=0, second=0)
        journal.append_readings([gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, raw, moment, scaler=native)])
        calls = Calls(journal)
        info = calls.call({"method": "usage-point-info", "usage-point-id": "taf7-1.sm", "database": "origin"})
        assert info["usage-point-info"]["databases"][0]["channels"][0]["scaler"] == scaler
        assert calls.readings(last_reading=True)["channels"][0]["readings"][0]["value"] == value


@pytest.mark.req("CON-02")
def test_momentary_values_stay_out_of_counter_contracts(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        registers = (str(ACTIVE_ENERGY_IMPORT), str(gw.POWER))
        meter = MeterProfile(gw.METER, "0a", (RegisterProfile(registers[0]), RegisterProfile(registers[1], 0, 27)), "optical")
        for profile in (
            meter,
            gw.consumer(gw.CONSUMER, gw.USER, gw.PASSWORD),
            gw.contract(gw.TAF7, gw.CONSUMER, gw.METER, registers=registers),
            gw.contract("taf14-1.sm", gw.CONSUMER, gw.METER, registers=registers, taf=14),
        ):
            journal.put_profile(profile, b"", gw.NOW)
        moment = gw.NOW.replace(minute=0, second=0)
        journal.append_readings(
            [gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, 5, moment), gw.reading(gw.METER, gw.POWER, -431, moment, scaler=0, unit=27)]
        )
        calls = Calls(journal)
        assert list(calls.values(last_reading=True)) == [IMPORT]
        assert list(calls.values(last_reading=True, usage_point_id="taf14-1.sm")) == [IMPORT, gw.POWER.hex]


def test_derived_registers_and_known_but_empty_databases(m2m: Calls) -> None:
    derived = m2m.readings(usage_point_id="taf1-1.sm", database="derived", fromtime="2026-10-15", totime="2026-11-15")
    channel = derived["channels"][0]
    assert channel["obis"] == f"{IMPORT}.1isk0070123456.sm"
    assert [(item["owner-number"], item["value"], item["target-time"]) for item in channel["readings"]] == [
        ("taf1-1.sm", "123000000", "2026-10-31T23:00:00Z")
    ]
    assert m2m.readings(usage_point_id="taf1-1.sm", database="derived", last_reading=True)["records"] == "1"
    assert m2m.readings(database="daily", last_reading=True) == {"channels": [], "records": "0"}


def test_what_was_read_is_reported_for_the_log(m2m: Calls) -> None:
    m2m.readings(last_reading=True)
    assert m2m.shown == [Shown(gw.CONSUMER, gw.TAF7, gw.USER, 2)]


@pytest.mark.req("CON-02", "LOG-01")
def test_log_ranges_run_the_other_way_round(m2m: Calls) -> None:
    entries = m2m.call({"method": "log"})["log"]["entries"]
    assert [entry["index"] for entry in entries] == [str(number) for number in range(1, len(entries) + 1)]
    first, second = entries[0]["time"], entries[1]["time"]
    inside = m2m.call({"method": "log", "fromtime": first, "totime": second})["log"]["entries"]
    assert [entry["index"] for entry in inside] == ["1"]
    assert entries[2]["message"] == "192 Werte aus taf7-1.sm an emt1.sm gesendet, Nachricht 5f0c27a1"
    assert entries[4]["outcome"] == "1" and entries[4]["level"] == "2" and entries[4]["vendor-id"] == "BSI"


@pytest.mark.req("CON-02")
@pytest.mark.parametrize(
    "request_",
    [
        {"fromindex": 1, "fromtime": "2026-01-01"},
        {"totime": "2026-01-01", "count": 3},
        {"count": 0},
        {"count": "-1"},
        {"fromindex": "x"},
        {"fromtime": "x"},
    ],
)
def test_other_log_combinations_are_refused(m2m: Calls, request_: dict[str, Any]) -> None:
    m2m.call({"method": "log"} | request_, 400)


@pytest.mark.req("CON-02")
def test_log_is_paged_and_capped_at_1500(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        journal.put_profile(gw.consumer(gw.CONSUMER, gw.USER, gw.PASSWORD), b"", gw.NOW)
        journal.append_log(
            [LogEntry(Log.CONSUMER, "self_test_passed", gw.NOW + timedelta(seconds=n), consumer_id=gw.CONSUMER) for n in range(1600)]
        )
        calls = Calls(journal)
        first = calls.call({"method": "log", "count": 9999})["log"]
        assert first["records"] == "1500" and first["entries"][-1]["index"] == "1500"
        rest = calls.call({"method": "log", "fromindex": "1501"})["log"]
        assert rest["records"] == "100" and rest["entries"][0]["index"] == "1501"
        assert calls.call({"method": "log", "fromindex": 5, "count": "2"})["log"]["entries"][1]["index"] == "6"


@pytest.mark.req("CON-02")
def test_a_self_test_locks_for_600_seconds(m2m: Calls) -> None:
    assert set(m2m.call({"method": "self-test"})) == {"elapsed-time", "method", "version"}
    m2m.call({"method": "self-test"}, 403)
    m2m.seconds.value += 599.5
    assert m2m.calls.self_test_lock.remaining_s(m2m.seconds()) == 1
    m2m.call({"method": "self-test"}, 403)
    m2m.seconds.value += 0.5
    m2m.call({"method": "self-test"})
    assert m2m.tests == 2


def test_names_that_users_are_told_to_type(m2m: Calls) -> None:
    own, other = m2m.data.consumer_by_user(gw.USER), m2m.data.consumer_by_user(gw.OTHER_USER)
    assert own and other
    assert user_id(own) == "01005e318011.consumer1.sm"
    for name in (user_id(own), "consumer1.sm", f"{gw.USER}.sm", f"{gw.USER.upper()}.SM", "EBSI0012345678.sm", "ebsi0012345678"):
        assert m2m.calls.is_named(own, name)
    assert not m2m.calls.is_named(own, user_id(other))


def test_the_lock_is_a_peer_fault(m2m: Calls) -> None:
    m2m.calls.start_self_test()
    with pytest.raises(PeerFault, match="self_test_locked"):
        m2m.calls.start_self_test()


@pytest.mark.req("TAF-09", "TAF-10", "TAF-14", "CON-02", "CON-03")
def test_current_values_are_read_though_they_are_not_stored(m2m: Calls) -> None:
    gw.spend(m2m.journal, m2m.recorder)
    request = {"method": "current-values", "usage-point-id": gw.TAF10}
    answer = m2m.call(request)["current-values"]
    (channel,) = answer["channels"]
    assert (channel["obis"], channel["scaler"], channel["unit"], answer["records"]) == (gw.POWER.hex, "-1", "27", "1")
    (row,) = channel["readings"]
    assert (row["value"], row["capture-time"], row["smgw-status"]) == ("4312", "2026-11-21T13:17:17Z", "a0000000")
    assert m2m.shown == [Shown(gw.CONSUMER, gw.TAF10, gw.USER, 1)]
    assert m2m.readings(usage_point_id=gw.TAF10, last_reading="true")["channels"] == []
    assert m2m.call({"method": "current-values", "usage-point-id": gw.TAF7})["current-values"]["channels"] == []
    for name in (gw.TAF10, gw.TAF12):
        refused = m2m.call({"method": "current-values", "usage-point-id": name}, 400, gw.OTHER_USER)
        assert "m2m.usage_point" in refused["error"]
    m2m.call({"method": "current-values"}, 400)


@pytest.mark.req("TAF-12", "CON-02")
def test_the_credit_and_the_signal_to_cut_off_can_be_read(m2m: Calls) -> None:
    gw.spend(m2m.journal, m2m.recorder)
    (state,) = Tariffs(m2m.journal).states(gw.live_contracts()[1]).values()
    credit = m2m.call({"method": "current-values", "usage-point-id": gw.TAF12})["current-values"]["credit"]
    left = 10_000 - state.used
    assert left < 0
    assert credit == {"cut-off": "true", "level": "used_up", "remaining": str(left), "scaler": "-1", "unit": "30"}
    assert m2m.call({"method": "current-values", "usage-point-id": gw.TAF1})["current-values"].get("credit") is None
