"""Current values that a meter's telegram triggers, from the meter to the participant's store: direct, and under a pseudonym."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.scenario.whole_gateway import World, until, world

from smgw.codec.delivery_xml import decode_delivery
from smgw.core.delivery import Delivery
from smgw.core.notices import ADMINISTRATOR
from smgw.core.obis import ACTIVE_POWER
from smgw.core.profiles import CommunicationProfile, EvaluationProfile
from smgw.core.status_word import GatewayStatus
from smgw.net.identity import load_identity
from smgw.participant.config import ParticipantFolder
from smgw.participant.database import connect
from smgw.participant.registry import Registry
from smgw.participant.store import ParticipantStore
from smgw.pki.triple import PARTICIPANT_KEYS
from smgw.security.content import open_content
from smgw.simulation.household import Household
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID, ORGANISATION, PARTNER_ID

pytestmark = pytest.mark.timeout(120)

PSEUDONYM = "00c0ffee00d1ce"
POWER = str(ACTIVE_POWER)
SECOND = timedelta(seconds=1)


def registered(*contracts: str, relays: tuple[str, ...] = ()) -> object:
    """Let the participant expect contracts, from the gateway and under the pseudonym."""

    def prepare(state: World) -> None:
        folder = ParticipantFolder(state.layout.participant)
        folder.save(msgspec.structs.replace(folder.load(), relays=relays))
        with closing(connect(folder.store)) as connection:
            meter = state.system.meters[0].meter_id
            Registry(connection).register(DEFAULT_GATEWAY_ID, [meter], contracts)
            Registry(connection).register(PSEUDONYM, [PSEUDONYM], contracts)

    return prepare


async def begun(state: World) -> EvaluationProfile:
    """Wait for the first profiles and give the contract that others are made after."""
    await until(lambda: len(state.gateway.journal.profiles("evaluation")) == 2, "profiles")
    await state.move_to(state.clock.now() + 10 * SECOND)
    await state.feed(state.meter.telegram(state.clock.now()))
    return next(p for p in state.gateway.journal.profiles("evaluation") if isinstance(p, EvaluationProfile) and p.taf == 7)


async def installed(state: World, profile: EvaluationProfile | CommunicationProfile) -> None:
    state.order(profile)
    kind = "evaluation" if isinstance(profile, EvaluationProfile) else "communication"
    await until(lambda: profile in state.gateway.journal.profiles(kind), "the profile")


def came(state: World, contract: str) -> list[tuple[str, Delivery]]:
    """Give what the participant stored of a contract: who signed the message, and what is in it; oldest first."""
    folder = ParticipantFolder(state.layout.participant)
    own = load_identity(folder.path, PARTICIPANT_KEYS)
    found = []
    with closing(connect(folder.store)) as connection:
        store = ParticipantStore(connection)
        for entry in reversed([one for one in store.inbox(1000) if one.contract == contract]):
            opened = open_content(
                store.message(entry.number) or b"",
                module=own.module,
                recipient=own.recipient,
                signer=lambda claim: claim.certificate,  # type: ignore[arg-type, return-value]
            )
            found.append((entry.signer, decode_delivery(opened.content)))
    return found


def crossing(after: datetime) -> tuple[datetime, int]:
    """Find when the household's power goes up next, and a threshold between the two values."""
    household = Household("prosumer")
    for number in range(1, 3_000):
        before, then = (household.power_at(after + at * SECOND) for at in (number - 1, number))
        if then > before + 2 and household.power_at(after) < then - 1 and before >= household.power_at(after):
            return after + number * SECOND, max(before, household.power_at(after)) + 1
    raise AssertionError("the power never goes up")


@pytest.mark.req("TAF-09", "WAN-06")
async def test_a_value_beyond_its_threshold_is_with_the_participant_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, prepare=registered("taf9-1.sm")) as state:  # type: ignore[arg-type]
        held = await begun(state)
        moment, above = crossing(state.clock.now() + 5 * SECOND)
        rules = {"recipient": PARTNER_ID, "interval_s": 3_600, "thresholds": [{"register": POWER, "above": above}]}
        await installed(state, msgspec.structs.replace(held, profile_id="taf9-1.sm", taf=9, registers=(POWER,), rules=rules, version=1))
        await state.move_to(state.clock.now() + SECOND)
        await state.feed(state.meter.telegram(state.clock.now()))
        await until(lambda: came(state, "taf9-1.sm"), "the first value, by time")
        await state.move_to(moment)
        await state.feed(state.meter.telegram(moment))
        await until(lambda: len(came(state, "taf9-1.sm")) == 2, "the value beyond the threshold")
        (_, first), (signer, second) = came(state, "taf9-1.sm")
    marked = [bool(one.readings[0].reading.gateway_status & GatewayStatus.VALUE_TRIGGERED) for one in (first, second)]
    assert marked == [False, True]
    assert (signer, second.created_at) == (f"{DEFAULT_GATEWAY_ID}.SMGW", moment)
    raw = second.readings[0].reading.raw
    assert raw is not None and raw > above and raw == Household("prosumer").power_at(moment)


@pytest.mark.req("TAF-10", "WAN-06", "ADM-08")
async def test_grid_data_goes_under_its_pseudonym_through_the_administrator(tmp_path: Path) -> None:
    async with world(tmp_path, prepare=registered("taf10-1.sm", relays=(f"{ORGANISATION}.GWA",))) as state:  # type: ignore[arg-type]
        held = await begun(state)
        name = state.gateway.config.administrator.name
        partner = next(p for p in state.gateway.journal.profiles("communication") if isinstance(p, CommunicationProfile))
        await installed(state, msgspec.structs.replace(partner, through=ADMINISTRATOR, version=partner.version + 1))
        rules = {"recipient": PARTNER_ID, "interval_s": 60, "pseudonym": PSEUDONYM}
        await installed(state, msgspec.structs.replace(held, profile_id="taf10-1.sm", taf=10, registers=(POWER,), rules=rules, version=1))
        for _ in range(3):
            await state.move_to(state.clock.now() + timedelta(minutes=1))
            await state.feed(state.meter.telegram(state.clock.now()))
        await until(lambda: len(came(state, "taf10-1.sm")) == 3, "three values")
        values = came(state, "taf10-1.sm")
    assert {signer for signer, _ in values} == {name}
    for _, one in values:
        assert {one.sender, one.meter_id, one.metering_point_id} == {PSEUDONYM}
        (signed,) = one.readings
        assert (signed.reading.meter_id, signed.signature) == (PSEUDONYM, b"")
        assert signed.reading.raw == Household("prosumer").power_at(signed.reading.capture_time)
