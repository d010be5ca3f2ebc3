"""A gateway's whole life as a sequence: from the works to its end, with its administrator and the SM-PKI on the other side of the wire."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.playbook.life_system import P256, P384, Site, site
from tests.playbook.life_world import DEVICE_ID, A, World, copy_of

from smgw.administrator.exchanges import DECOMMISSION, RENEWAL
from smgw.core.key_inventory import Place, compare
from smgw.core.life_cycle import Mark, Phase
from smgw.gateway.lifecycle import load_record
from smgw.net.identity import load_identity
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.module_inventory import take_inventory
from smgw.security.policy import curve_name


async def operational(life: Site) -> None:
    """Install a gateway, start it and wait until it is at work."""
    life.install()
    life.start()
    await life.until(lambda: life.phase is Phase.NORMAL_OPERATION)
    await life.until(lambda: Mark.SELF_TEST in life.marks)


@pytest.mark.req("LIFE-01", "LIFE-08", "LIFE-09", "LIFE-11")
def test_from_the_works_to_the_end(tmp_path: Path) -> None:
    async def play() -> None:
        world = copy_of(tmp_path / "gateway")
        async with site(tmp_path / "administrator", world) as life:
            await operational(life)
            assert [line.get("phase") for line in life.lines if "phase" in line] == [Phase.PERSONALISATION]
            await life.stop()
            identity = load_identity(world.folder.path, GATEWAY_KEYS)
            inventory = take_inventory(identity.module)
            record = load_record(world.folder)
            assert compare(record.life, inventory.names, Place.MODULE) == []

            life.start()
            life.order(RENEWAL, P384)
            await life.until(lambda: "GW_WAN_SIG_G2" in open_names(world))
            await life.until(lambda: len(load_identity(world.folder.path, GATEWAY_KEYS).former) == 2)
            renewed = load_identity(world.folder.path, GATEWAY_KEYS)
            assert renewed.signer.key_name == "GW_WAN_SIG_G2"
            assert curve_name(renewed.module.public_key("GW_WAN_SIG_G2")) == P384
            assert renewed.former[0] == identity.triple.sig

    asyncio.run(play())


def open_names(world: World) -> list[str]:
    """List the keys in a gateway's module."""
    from smgw.net.identity import open_module

    return open_module(world.folder.path).names()


__all__ = ["DECOMMISSION", "DEVICE_ID", "P256", "A", "timedelta"]
