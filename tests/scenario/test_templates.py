"""Contracts from a template, from the administrator's order to the values at the supplier: a house with gas, water and heat, two tenants.

Meters of each sector send telegrams at one line; the gateway stores what its profiles name, hour by hour.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.scenario.whole_gateway import LINK, World, measuring, until

from smgw.administrator.profile_templates import Consumer, Order, fill
from smgw.core.identifiers import DeviceId
from smgw.core.log_event import Log
from smgw.core.obis import Obis
from smgw.core.profiles import CommunicationProfile, EvaluationProfile, MeterProfile, Profile, profile_key
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect, connect_read_only
from smgw.participant.registry import Registry
from smgw.participant.store import ParticipantStore
from smgw.simulation.meters.sector_meter import SectorMeter
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID

pytestmark = pytest.mark.req("ADM-02", "LMN-07", "MEAS-02", "CON-03")

BEFORE_MIDNIGHT = datetime(2026, 3, 1, 22, 50, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
"""In Berlin."""
METERS = ("7SGW0010000001", "8SGW0010000002", "6SGW0010000003", "9SGW0010000004")
TENANTS = ("flat1.sm", "flat2.sm", "flat1.sm", "flat2.sm")


def profiles(partner: CommunicationProfile) -> list[Profile]:
    """Fill the template once for each tenant, as an administrator does."""
    made: list[Profile] = []
    for tenant in dict.fromkeys(TENANTS):
        meters = tuple(meter for meter, owner in zip(METERS, TENANTS, strict=True) if owner == tenant)
        consumer = Consumer(tenant, f"user of {tenant}", f"{len(made):032x}", f"{len(made):064x}")
        points = tuple(f"DE{int(meter[4:]):031d}" for meter in meters)
        label = tenant.removesuffix(".sm") + "-"
        made += fill("sub-metering", Order(meters, (consumer,), partner, partner, points, MIDNIGHT, link=LINK, label=label))[1:]
    return made


def register(world: World, ordered: list[Profile]) -> None:
    """Let the supplier expect meters and contracts."""
    with closing(connect(ParticipantFolder(world.layout.participant).store)) as connection:
        for profile in ordered:
            if isinstance(profile, MeterProfile):
                Registry(connection).register(DEFAULT_GATEWAY_ID, [profile.meter_id], period_s=profile.period_s)
            elif isinstance(profile, EvaluationProfile):
                Registry(connection).register(DEFAULT_GATEWAY_ID, (), [profile.profile_id])


def arrived(world: World) -> dict[str, datetime]:
    """Give of each meter when the supplier's last value is for."""
    with closing(connect_read_only(ParticipantFolder(world.layout.participant).store)) as connection:
        return {span.meter_id: span.last_target for span in ParticipantStore(connection).series.registers() if span.meter_id in METERS}


async def test_gas_water_and_heat_of_two_tenants_come_to_the_supplier(tmp_path: Path) -> None:
    meters = {name: SectorMeter(DeviceId.parse(name)) for name in METERS}
    async with measuring(tmp_path, BEFORE_MIDNIGHT) as world:
        journal = world.gateway.journal
        partner = next(one for one in journal.profiles("communication") if isinstance(one, CommunicationProfile))
        ordered = profiles(partner)
        register(world, ordered)
        for profile in ordered:
            world.order(profile)
        await until(lambda: len(journal.profiles("evaluation")) == 2 + 2 * len(METERS), "profiles")
        for hour in range(26):
            moment = MIDNIGHT + timedelta(hours=hour)
            await world.move_to(moment)
            for meter in meters.values():
                await world.feed(meter.telegram(moment))
        await world.delivered()
        for name, meter in meters.items():
            register_of = Obis(*bytes(meter.sector.register))
            stored = {one.reading.target_time: one.reading.raw for one in journal.readings(name, [register_of])}
            expected = {moment: meter.value_at(moment) for moment in (MIDNIGHT + timedelta(hours=hour) for hour in range(26))}
            assert stored == expected, name
        assert arrived(world) == dict.fromkeys(METERS, MIDNIGHT + timedelta(days=1))
        assert world.refusals() == []
        for tenant in TENANTS:
            told = [stored.entry for stored in journal.log(Log.CONSUMER, tenant)]
            others = {name for name, owner in zip(METERS, TENANTS, strict=True) if owner != tenant}
            named = {str(value) for entry in told for value in (*entry.parameters.values(), entry.subject)}
            assert told
            assert not others & named
            assert not {profile_key(one) for one in ordered if isinstance(one, EvaluationProfile) and one.consumer_id != tenant} & named
