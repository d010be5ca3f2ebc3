"""The journal behind the consumer interface: whose data, of which time, at which scale."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.gateway.han import consumer_gateway as gw

from smgw.core.errors import DomainFault
from smgw.core.instant import local_midnight
from smgw.core.log_event import Log
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.gateway.han.journal_data import JournalData, billing_periods, contract_state
from smgw.gateway.logs import Recorder
from smgw.storage.journal import Journal

BOTH = (ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        yield journal


def data_of(journal: Journal, now: datetime = gw.NOW) -> JournalData:
    clock = gw.FixedClock(now)
    recorder = Recorder(journal, clock)
    return JournalData(journal, recorder, clock=clock, gateway_info=lambda: gw.gateway_info(now), start_self_test=lambda: None)


@pytest.mark.req("CON-03")
def test_strangers_have_nothing(journal: Journal) -> None:
    gw.fill(journal, gw.DAYS[-1:])
    data = data_of(journal)
    assert data.consumer_by_user("nobody") is None and data.consumer_by_user("") is None
    assert data.consumer_by_certificate("00" * 32) is None
    assert data.consumer_by_id("consumer9.sm") is None
    assert data.contracts("consumer9.sm") == [] and data.log("consumer9.sm") == [] and data.log_count("consumer9.sm") == 0


@pytest.mark.req("CON-03")
def test_only_the_contracts_own_registers_and_time_are_read(journal: Journal) -> None:
    gw.fill(journal, gw.DAYS[-2:])
    data = data_of(journal)
    taf1 = next(contract for contract in data.contracts(gw.CONSUMER) if contract.profile.taf == 1)
    window = {"after": gw.NOW - timedelta(days=2), "until": gw.NOW}
    assert {signed.reading.obis for signed in data.readings(taf1, BOTH, **window)} == {ACTIVE_ENERGY_IMPORT}
    assert data.readings(taf1, [ACTIVE_ENERGY_EXPORT], **window) == []
    assert data.last_readings(taf1, [ACTIVE_ENERGY_EXPORT, Obis(1, 0, 9, 8, 0)]) == []
    assert data.readings(taf1, BOTH, after=gw.NOW, until=gw.NOW) == []


def test_a_contract_that_is_still_to_come_shows_nothing(journal: Journal) -> None:
    journal.put_profile(gw.contract("later.sm", gw.CONSUMER, gw.METER, valid_from=gw.NOW + timedelta(days=1)), b"", gw.NOW)
    journal.append_readings(gw.household_readings(gw.DAYS[-1:]))
    (later,) = data_of(journal).contracts(gw.CONSUMER)
    assert later.state == "ready" and later.billing_periods == ()
    assert data_of(journal).last_readings(later, BOTH) == []
    assert data_of(journal).readings(later, BOTH, after=gw.NOW - timedelta(days=9), until=gw.NOW) == []


def test_a_contract_without_an_admitted_meter_is_shown(journal: Journal) -> None:
    journal.put_profile(gw.contract(gw.TAF7, gw.CONSUMER, gw.METER), b"document", gw.NOW)
    (contract,) = data_of(journal).contracts(gw.CONSUMER)
    assert [tuple(channel) for channel in contract.channels] == [(ACTIVE_ENERGY_IMPORT, -1, 30), (ACTIVE_ENERGY_EXPORT, -1, 30)]
    assert contract.signed_profile == b"document" and contract.medium == "electricity"


@pytest.mark.req("MEAS-03")
def test_a_finer_past_keeps_the_channel_fine(journal: Journal) -> None:
    for profile in gw.profiles():
        journal.put_profile(profile, b"", gw.NOW)
    start = gw.NOW.replace(minute=0, second=0)
    journal.append_readings([gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, 123_456, start - timedelta(hours=1), scaler=-3)])
    journal.append_readings([gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, 1_300, start, scaler=-1)])
    data = data_of(journal)
    contract = next(one for one in data.contracts(gw.CONSUMER) if one.profile.taf == 7)
    channel = contract.channel(ACTIVE_ENERGY_IMPORT)
    assert channel is not None and channel.scaler == -3
    with pytest.raises(DomainFault, match=r"^value\.scale"):
        gw.reading(gw.METER, ACTIVE_ENERGY_IMPORT, 123_456, start, scaler=-3)[0].quantity.rescale(-1)  # type: ignore[union-attr]


@pytest.mark.req("LOG-01")
def test_events_reach_the_logs_that_the_catalogue_names(journal: Journal) -> None:
    data = data_of(journal)
    data.record("login_succeeded", gw.CONSUMER, subject=gw.USER, user=gw.USER)
    data.record("login_failed", success=False, address="10.0.0.9")
    data.record("values_shown", gw.CONSUMER, count=3, contract=gw.TAF7, user=gw.USER)
    assert [item.entry.event for item in journal.log(Log.SYSTEM)] == ["login_succeeded", "login_failed"]
    assert [item.entry.text("en") for item in data.log(gw.CONSUMER)] == [
        f"User {gw.USER} logged in",
        f"3 values of {gw.TAF7} read by {gw.USER}",
    ]


def test_states_and_billing_periods() -> None:
    begin = datetime(2026, 10, 14, 12, tzinfo=UTC)
    profile = gw.contract("x.sm", gw.CONSUMER, gw.METER, taf=1, valid_from=begin, valid_to=local_midnight(gw.DAYS[-1].replace(day=1)))
    assert contract_state(profile, begin - timedelta(seconds=1)) == "ready" and contract_state(profile, begin) == "running"
    assert contract_state(profile, gw.NOW) == "archive"
    assert list(billing_periods(profile, begin - timedelta(seconds=1))) == []
    (only,) = billing_periods(profile, gw.NOW)
    assert only == (datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC))
    assert list(billing_periods(gw.contract("y.sm", gw.CONSUMER, gw.METER), gw.NOW)) == []


@pytest.mark.req("TAF-10", "CON-03")
def test_current_values_are_of_running_contracts_and_their_registers_only(journal: Journal) -> None:
    for profile in (*gw.profiles(), gw.live_contracts()[0]):
        journal.put_profile(profile, b"", gw.NOW - timedelta(days=1))
    clock = gw.FixedClock(gw.NOW)
    data = JournalData(
        journal,
        Recorder(journal, clock),
        clock=clock,
        gateway_info=lambda: gw.gateway_info(gw.NOW),
        start_self_test=lambda: None,
        current=lambda profile_id: gw.live_power(gw.TAF10),
    )
    contracts = {contract.profile.taf: contract for contract in data.contracts(gw.CONSUMER)}
    assert [reading.obis for reading in data.current(contracts[10])] == [gw.POWER]
    assert data.current(contracts[7]) == [] and data.credit(contracts[7]) is None
    ended = msgspec.structs.replace(gw.live_contracts()[0], valid_to=gw.NOW, version=2)
    journal.put_profile(ended, b"ended", gw.NOW)
    (over,) = (contract for contract in data.contracts(gw.CONSUMER) if contract.profile.taf == 10)
    assert over.state == "archive" and data.current(over) == []
