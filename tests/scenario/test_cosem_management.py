"""A gateway worked with as COSEM objects from the command line of its administrator: a whole system over real TLS."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.wan.cosem.cosem_parts import told_as
from tests.scenario.whole_gateway import METER, World, measuring, until
from typer.testing import CliRunner, Result

from smgw.administrator.books import open_books
from smgw.administrator.config import AdministratorFolder
from smgw.cli import administrator
from smgw.codec.cosem_elements import Attribute, Container, Device, Listing, MethodResult, decode_document, encode_document
from smgw.codec.cosem_profiles import CosemClass, device_name, profile_device
from smgw.core.profiles import CommunicationProfile, MeterProfile, Profile
from smgw.gateway.wan.cosem.service import xml_of
from smgw.simulation.provisioning import DEFAULT_GATEWAY_ID

pytestmark = [pytest.mark.req("WAN-08", "ADM-02", "ADM-11"), pytest.mark.timeout(300)]

OWN = f"ldevs/{device_name(DEFAULT_GATEWAY_ID)}"
BUFFER = f"{OWN}/objects/7-0000636200ff/attributes/2"


async def run(world: World, *words: str) -> Result:
    data = world.layout.administrator
    more = ["--data", str(data)] if words[0] != "object" else []
    return await asyncio.to_thread(CliRunner().invoke, administrator.app, ["cosem", words[0], DEFAULT_GATEWAY_ID, *words[1:], *more])


async def read(world: World, address: str) -> Any:
    got = await run(world, "get", address)
    assert got.exit_code == 0, got.output
    return decode_document(got.stdout.encode())


def newest(world: World, kind: str) -> Profile:
    return world.gateway.journal.profiles(kind)[0]


async def test_a_gateway_is_walked_configured_and_told_what_to_do(tmp_path: Path) -> None:
    async with measuring(tmp_path) as world:
        listed = await read(world, "ldevs?q.depth=3")
        assert isinstance(listed, Listing)
        assert [device.name for device in listed.items or ()] == [device_name(DEFAULT_GATEWAY_ID), device_name(METER.meter_id)]
        objects = [told for device in listed.items or () for told in device.objects]
        classes = {told.name.class_id for told in objects}
        assert {1, 7, 8, CosemClass.METER_PROFILE, CosemClass.CONSUMER_PROFILE, CosemClass.KEYS} <= classes
        assert not classes & {3, 4, 5}
        keys = next(told for told in objects if told.name.class_id == CosemClass.KEYS)
        assert "personalisation" not in xml_of(keys) and '"phase"' in xml_of(keys)

        values = [str(value) for value in world.readings().values() if value]
        assert values and not [value for value in values if value in xml_of(listed)]

        meter, partner = newest(world, "meter"), newest(world, "communication")
        assert isinstance(meter, MeterProfile) and isinstance(partner, CommunicationProfile)
        newer = (msgspec.structs.replace(meter, transformer_factor=2, version=2), msgspec.structs.replace(partner, version=2))
        file = tmp_path / "bundle.xml"
        file.write_bytes(encode_document(bundle(newer)))
        put = await run(world, "put", "containers/start", str(file))
        assert (put.exit_code, put.stderr) == (0, "201\n"), put.output
        assert (newest(world, "meter"), newest(world, "communication")) == newer
        assert inventory(world, "meter") == 2
        again = await run(world, "put", "containers/start", str(file))
        assert (again.exit_code, "[profile.version]" in again.stderr) == (4, True)

        entries = await read(world, f"{BUFFER}?sa.count=5&sa.tocol=4")
        assert isinstance(entries, Attribute) and entries.value is not None
        stored = [event for event, _ in world.told()[:5]]
        assert [row.content[3].content for row in entries.value.content] == stored  # type: ignore[union-attr]

        tested = await run(world, "call", f"{OWN}/objects/32808-0080020000ff/methods/1", "--json")
        assert tested.exit_code == 0, tested.output
        result = json.loads(tested.stdout)
        assert (result["job"]["state"], result["job"]["status"], result["job"]["result"]["failed"]) == ("done", 200, [])
        refused = await run(world, "call", f"{OWN}/objects/32808-0080020000ff/methods/2", '{"partner": "no.sm", "ordered_by": "a"}')
        assert (refused.exit_code, decode_document(refused.stdout.encode())) == (4, MethodResult(1))

        moment = await world.quarter()
        await until(lambda: moment in world.readings(), "a reading after all that")
        await world.delivered()


def bundle(profiles: tuple[Profile, ...]) -> Container:
    devices = (Device(profile_device(profile, DEFAULT_GATEWAY_ID), (told_as(profile),)) for profile in profiles)
    return Container("start", devices=tuple(devices))


def inventory(world: World, kind: str) -> int:
    books = open_books(AdministratorFolder(world.layout.administrator).inventory)
    try:
        return next(profile.version for name, profile in books.inventory.profiles(DEFAULT_GATEWAY_ID) if name == kind)
    finally:
        books.close()
