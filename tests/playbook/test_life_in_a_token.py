"""A gateway's life with its keys in a token: from the works to normal operation, and the switch of algorithms inside the token."""

import asyncio
from pathlib import Path

import pytest
from tests.playbook.life_system import P384, site
from tests.playbook.life_world import World
from tests.softhsm import write_configuration

from smgw.administrator.exchanges import RENEWAL
from smgw.core.key_inventory import Place, compare
from smgw.core.life_cycle import Mark, Phase
from smgw.gateway.key_objects import held_in_gateway
from smgw.gateway.lifecycle import load_record
from smgw.net.identity import load_identity, open_module
from smgw.pki.triple import GATEWAY_KEYS, KeyNames
from smgw.security.module_inventory import take_inventory
from smgw.security.policy import curve_name

NEXT_KEYS = KeyNames.of("GW_WAN", "_G2")


@pytest.mark.parametrize("tls_keys", ["token", "software"])
@pytest.mark.req("SEC-01", "SEC-04", "LIFE-08", "LIFE-10")
def test_personalisation_and_renewal_happen_inside_the_token(tmp_path: Path, tls_keys: str) -> None:
    async def play() -> None:
        path = tmp_path / "gateway"
        write_configuration(path, tls_keys)
        world = World(path)
        async with site(tmp_path / "administrator", world) as life:
            life.install()
            life.start()
            await life.until(lambda: life.phase is Phase.NORMAL_OPERATION and Mark.SELF_TEST in life.marks)
            standing = load_record(world.folder).life
            assert compare(standing, take_inventory(open_module(path)).names, Place.MODULE) == []
            assert compare(standing, held_in_gateway(world.folder), Place.GATEWAY) == []
            life.order(RENEWAL, P384)
            await life.until(lambda: load_identity(path, GATEWAY_KEYS).signer.key_name == NEXT_KEYS.sig)
            await life.stop()
            module = open_module(path)
            assert {curve_name(module.public_key(name)) for name in NEXT_KEYS} == {P384}
            assert compare(standing, take_inventory(module).names, Place.MODULE) == []

    asyncio.run(play())
